/**
 * WASI preview 1 over the built-in engine: what a node and its tools know of it. The process that runs modules is a program of
 * its own (child.ts). See README.md.
 */
export {
  CHILD_COMMAND,
  type ChildFrame,
  encodeFrame,
  type EndFrame,
  Lines,
  type RunFrame,
} from './frames.ts';
export { WASI_FUNCTION_NAMES } from './function_names.ts';
export * from './http_frames.ts';
export { inspectModule, type ModuleInspection } from './inspect.ts';
export { checkModule, RunFailure } from './module_file.ts';
export { headerComplaint } from './module_header.ts';
export { MAX_STORED_BYTES, STORE_FOLDER } from './module_store.ts';
export { type Mount, Tree } from './tree.ts';
