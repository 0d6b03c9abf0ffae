/** Reads the modules of a run through the tree that the guest sees. */
import { closeSync, constants, fstatSync, readdirSync, readSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import type { WasmEnd } from './frames.ts';
import { inspectModule, type ModuleImport } from './inspect.ts';
import { HEADER_BYTES, headerComplaint } from './module_header.ts';
import { type Location, mountedNames, type Place, release, type Tree } from './tree.ts';

/** Why a run cannot begin; becomes the run's end. */
export class RunFailure extends Error {
  readonly end: WasmEnd;

  constructor(code: string, message: string, hint: string, options: ErrorOptions = {}) {
    super(message, options);
    this.end = { kind: 'failed', code, message, hint, class: 'user' };
  }
}

export interface ModuleFile {
  /** The guest's. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Null where they are malformed; compiling it tells more. */
  readonly imports: readonly ModuleImport[] | null;
}

export function moduleFile(path: string, bytes: Uint8Array<ArrayBuffer>): ModuleFile {
  return { path, bytes, imports: orNull(() => inspectModule(bytes).imports) };
}

/** Null for bytes that are malformed, or that only we cannot read. */
export function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** @param bytes the module, or the beginning of it. @throws RunFailure */
function checkHeader(bytes: Uint8Array, path: string): void {
  const complaint = headerComplaint(bytes);
  if (!complaint) return;
  throw new RunFailure('NotWebAssembly', `Cannot run module "${path}": ${complaint.why}`, complaint.hint);
}

/**
 * The module at the guest's `path`, or the only `*.wasm` in it when it is a directory.
 * @throws RunFailure
 */
export function readModule(tree: Tree, path: string): ModuleFile {
  const bytes = atModule(tree, path, (place) => readPlace(place, Infinity));
  checkHeader(bytes, path);
  return moduleFile(path, bytes);
}

/** The same, of which only the header is looked at. @throws RunFailure */
export function checkModule(tree: Tree, path: string): void {
  checkHeader(atModule(tree, path, (place) => readPlace(place, HEADER_BYTES)), path);
}

/** @throws RunFailure */
function atModule<T>(tree: Tree, path: string, use: (place: Place) => T): T {
  const hint =
    'EntryModule and ImportModules are paths inside the task: normally the Target of an input source';
  const root = tree.root();
  try {
    return tree.walk(root, `./${path}`, true, (place) => {
      if (!place.virtual && !place.stat()?.isDirectory()) return use(place);
      const directory = place.location();
      try {
        return tree.walk(directory, onlyModule(directory, path), true, use);
      } finally {
        release(directory);
      }
    });
  } catch (error) {
    if (error instanceof RunFailure) throw error;
    const why = error instanceof WasiError
      ? error.errno === Errno.notcapable
        ? "the path leaves the task's file system"
        : 'no such file in the task'
      : (error as Error).message;
    throw new RunFailure('ModuleNotFound', `Cannot find module "${path}": ${why}`, hint, { cause: error });
  } finally {
    release(root);
  }
}

/** @throws RunFailure */
function onlyModule(location: Location, path: string): string {
  const listed = location.directory ? readdirSync(location.directory.self) : [];
  const names = [...new Set([...listed, ...mountedNames(location)])].filter((name) => name.endsWith('.wasm'));
  if (names.length === 1) return names[0]!;
  const which = names.length === 0 ? 'no' : `${names.length}`;
  throw new RunFailure(
    'ModuleNotFound',
    `Cannot find module "${path}": the directory has ${which} *.wasm files, not exactly one`,
    'Name the file itself',
  );
}

/** At most `limit` bytes of it. */
function readPlace(place: Place, limit: number): Uint8Array<ArrayBuffer> {
  if (!place.stat()?.isFile()) throw new WasiError(Errno.noent);
  const fd = place.openFile(constants.O_RDONLY);
  try {
    const bytes = new Uint8Array(Math.min(fstatSync(fd).size, limit));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(fd, bytes, done, bytes.length - done, done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}
