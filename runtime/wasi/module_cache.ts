/**
 * Reads and compiles modules, and keeps the compiled ones of the last runs: a burst of executions of one module compiles
 * it once per child. The key is the content, since each execution may have its own copy of the file.
 */
import { closeSync, constants, fstatSync, readdirSync, readSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import type { WasmEnd } from './frames.ts';
import { type ImportedMemory, limitMemory, MemoryTooLarge } from './memory_limit.ts';
import { contentHash, type ModuleStore } from './module_store.ts';
import { type Location, mountedNames, type Place, release, type Tree } from './tree.ts';

/** Why a run cannot begin; becomes the run's end. */
export class RunFailure extends Error {
  readonly end: WasmEnd;

  constructor(code: string, message: string, hint: string, options: ErrorOptions = {}) {
    super(message, options);
    this.end = { kind: 'failed', code, message, hint, class: 'user' };
  }
}

export interface Compiled {
  readonly module: WebAssembly.Module;
  /** Memories that the module wants to be given. */
  readonly memories: readonly ImportedMemory[];
}

interface Cached extends Compiled {
  readonly size: number;
}

const MAX_MODULES = 16;
const MAX_BYTES = 64 * 1024 * 1024;
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

export class ModuleCache {
  /** Oldest use first. */
  readonly #compiled = new Map<string, Cached>();
  readonly #store: ModuleStore;
  #bytes = 0;

  constructor(store: ModuleStore) {
    this.#store = store;
  }

  /**
   * The module at the guest's `path`, or the only `*.wasm` in it when it is a directory.
   * @throws RunFailure
   */
  load(tree: Tree, path: string, memoryLimit: number): Compiled {
    const bytes = readModule(tree, path);
    const hash = contentHash(bytes);
    const key = `${hash} ${memoryLimit}`;
    const compiled = this.#compiled.get(key) ??
      { ...compile(bytes, path, memoryLimit), size: bytes.length };
    this.#store.use(hash, memoryLimit, bytes);
    this.#keep(key, compiled);
    return compiled;
  }

  /** Compiles modules of earlier runs, one a step. */
  *prepare(): Generator<void> {
    for (const { bytes, memoryLimit } of this.#store.recent()) {
      const key = `${contentHash(bytes)} ${memoryLimit}`;
      if (!this.#compiled.has(key)) {
        this.#keep(key, { ...compile(bytes, 'of an earlier run', memoryLimit), size: bytes.length });
      }
      yield;
    }
  }

  #keep(key: string, compiled: Cached): void {
    if (!this.#compiled.delete(key)) this.#bytes += compiled.size;
    this.#compiled.set(key, compiled);
    for (const [oldest, { size }] of this.#compiled) {
      if (oldest === key || (this.#compiled.size <= MAX_MODULES && this.#bytes <= MAX_BYTES)) break;
      this.#compiled.delete(oldest);
      this.#bytes -= size;
    }
  }
}

function compile(bytes: Uint8Array<ArrayBuffer>, path: string, memoryLimit: number): Compiled {
  checkHeader(bytes, path);
  let limited: { bytes: Uint8Array<ArrayBuffer>; imports: readonly ImportedMemory[] } = {
    bytes,
    imports: [],
  };
  try {
    limited = limitMemory(bytes, memoryLimit || Infinity);
  } catch (error) {
    if (error instanceof MemoryTooLarge) {
      throw new RunFailure(
        'MemoryLimit',
        `Cannot run module "${path}": it needs ${
          mebibytes(error.minimumBytes)
        } of memory to start, the task may use ` +
          `${mebibytes(memoryLimit)}`,
        `Ask for more memory, for example Resources: { Memory: "${
          Math.ceil(error.minimumBytes / 2 ** 20)
        }Mi" }`,
        { cause: error },
      );
    }
    // Malformed: the compiler's words below are better than ours.
    if (!(error instanceof RangeError)) throw error;
  }
  try {
    return { module: new WebAssembly.Module(limited.bytes), memories: limited.imports };
  } catch (error) {
    throw new RunFailure(
      'InvalidModule',
      `Cannot compile module "${path}": ${(error as Error).message}`,
      'Build the file again as a core WebAssembly module for WASI preview 1 (wasm32-wasi or wasm32-wasip1)',
      { cause: error },
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20 * 100) / 100} MiB`;
}

function checkHeader(bytes: Uint8Array, path: string): void {
  if (bytes.length < 8 || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new RunFailure(
      'NotWebAssembly',
      `Cannot run module "${path}": the file is not WebAssembly` +
        (bytes.length === 0 ? ' (it is empty)' : ''),
      'EntryModule and ImportModules name compiled modules (*.wasm); text format (*.wat) and archives are not run',
    );
  }
  // Bytes 6 and 7 are the layer: 1 is the component model.
  if (bytes[6] !== 0) {
    throw new RunFailure(
      'NotWebAssembly',
      `Cannot run module "${path}": the file is a WebAssembly component, not a core module`,
      'Build it for WASI preview 1 (wasm32-wasip1), without wrapping it into a component',
    );
  }
}

/** @throws RunFailure */
function readModule(tree: Tree, path: string): Uint8Array<ArrayBuffer> {
  const hint =
    'EntryModule and ImportModules are paths inside the task: normally the Target of an input source';
  const root = tree.root();
  try {
    return tree.walk(root, `./${path}`, true, (place) => {
      if (!place.virtual && !place.stat()?.isDirectory()) return readPlace(place);
      const directory = place.location();
      try {
        return tree.walk(directory, onlyModule(directory, path), true, readPlace);
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

function readPlace(place: Place): Uint8Array<ArrayBuffer> {
  if (!place.stat()?.isFile()) throw new WasiError(Errno.noent);
  const fd = place.openFile(constants.O_RDONLY);
  try {
    const bytes = new Uint8Array(fstatSync(fd).size);
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
