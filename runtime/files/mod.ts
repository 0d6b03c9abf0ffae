/** Files by handle: what lies below a folder stays there, whatever names and links become meanwhile. See README.md. */
export { ContainedFiles } from './contained.ts';
export type { Files } from './files.ts';
export { handlePath, isHandle } from './handle_path.ts';
export {
  createFile,
  type HostDirectory,
  hostDirectory,
  type HostFile,
  hostFile,
  isDirectory,
  reopen,
} from './host_directory.ts';
export { hostStat, openStat } from './host_stat.ts';
export { type HostStat, type Native, native } from './native.ts';
export { isPlainName } from './name.ts';
export { identityOf, PathHandle } from './path_handle.ts';
export { makeFolderNow, openNow, removeNow, renameNow, truncateNow, writeNow } from './now.ts';
export type { Entry } from './walk.ts';
