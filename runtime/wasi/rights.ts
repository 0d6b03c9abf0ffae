/** Rights of WASI preview 1: what a descriptor may be used for, and what those opened through it may get at most. */
import { Errno, WasiError } from './errno.ts';

/** Bits of `rights`, by the names of the specification. */
export const Right = {
  fdDatasync: 1n << 0n,
  fdRead: 1n << 1n,
  fdSeek: 1n << 2n,
  fdFdstatSetFlags: 1n << 3n,
  fdSync: 1n << 4n,
  fdTell: 1n << 5n,
  fdWrite: 1n << 6n,
  fdAdvise: 1n << 7n,
  fdAllocate: 1n << 8n,
  pathCreateDirectory: 1n << 9n,
  pathCreateFile: 1n << 10n,
  pathLinkSource: 1n << 11n,
  pathLinkTarget: 1n << 12n,
  pathOpen: 1n << 13n,
  fdReaddir: 1n << 14n,
  pathReadlink: 1n << 15n,
  pathRenameSource: 1n << 16n,
  pathRenameTarget: 1n << 17n,
  pathFilestatGet: 1n << 18n,
  pathFilestatSetSize: 1n << 19n,
  pathFilestatSetTimes: 1n << 20n,
  fdFilestatGet: 1n << 21n,
  fdFilestatSetSize: 1n << 22n,
  fdFilestatSetTimes: 1n << 23n,
  pathSymlink: 1n << 24n,
  pathRemoveDirectory: 1n << 25n,
  pathUnlinkFile: 1n << 26n,
  pollFdReadwrite: 1n << 27n,
  sockShutdown: 1n << 28n,
  sockAccept: 1n << 29n,
} as const;

const every = (...rights: readonly bigint[]) => rights.reduce((sum, right) => sum | right, 0n);

/** What can be done with a regular file. */
export const FILE_RIGHTS = every(
  Right.fdDatasync,
  Right.fdRead,
  Right.fdSeek,
  Right.fdFdstatSetFlags,
  Right.fdSync,
  Right.fdTell,
  Right.fdWrite,
  Right.fdAdvise,
  Right.fdAllocate,
  Right.fdFilestatGet,
  Right.fdFilestatSetSize,
  Right.fdFilestatSetTimes,
  Right.pollFdReadwrite,
);

/** What can be done with a directory. */
export const DIRECTORY_RIGHTS = every(
  Right.fdFdstatSetFlags,
  Right.fdSync,
  Right.pathCreateDirectory,
  Right.pathCreateFile,
  Right.pathLinkSource,
  Right.pathLinkTarget,
  Right.pathOpen,
  Right.fdReaddir,
  Right.pathReadlink,
  Right.pathRenameSource,
  Right.pathRenameTarget,
  Right.pathFilestatGet,
  Right.pathFilestatSetSize,
  Right.pathFilestatSetTimes,
  Right.fdFilestatGet,
  Right.fdFilestatSetTimes,
  Right.pathSymlink,
  Right.pathRemoveDirectory,
  Right.pathUnlinkFile,
  Right.pollFdReadwrite,
);

/** The bits that mean something here; programs ask for more (all 64, often), which is not a mistake. */
export const ALL_RIGHTS = DIRECTORY_RIGHTS | FILE_RIGHTS;

/** Standard streams: no seek or tell, which is how C libraries tell a terminal or pipe from a file. */
export const INPUT_RIGHTS = every(
  Right.fdRead,
  Right.fdFdstatSetFlags,
  Right.fdFilestatGet,
  Right.pollFdReadwrite,
);
export const OUTPUT_RIGHTS = every(
  Right.fdWrite,
  Right.fdFdstatSetFlags,
  Right.fdFilestatGet,
  Right.pollFdReadwrite,
);

/** Asking for any of these opens a file for writing. */
export const WRITING_RIGHTS = every(
  Right.fdDatasync,
  Right.fdWrite,
  Right.fdAllocate,
  Right.fdFilestatSetSize,
);

/** @throws WasiError ENOTCAPABLE unless `holder` has all of `rights` */
export function demand(holder: { readonly rights: bigint }, rights: bigint): void {
  if ((holder.rights & rights) !== rights) throw new WasiError(Errno.notcapable);
}
