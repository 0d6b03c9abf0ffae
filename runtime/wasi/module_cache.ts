/**
 * Reads and compiles modules, and keeps the compiled ones of the last runs: a burst of executions of one module compiles
 * it once per child. The key is the content, since each execution may have its own copy of the file.
 */
import { closeSync, constants, fstatSync, readdirSync, readSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import type { WasmEnd } from './frames.ts';
import { type ImportedMemory, type Limited, limitMemory, MemoryTooLarge, PAGE } from './memory_limit.ts';
import { HEADER_BYTES, headerComplaint } from './module_header.ts';
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

export interface ModuleFile {
  /** The guest's. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Compiled {
  readonly module: WebAssembly.Module;
  /** Memories that the module wants to be given. */
  readonly memories: readonly ImportedMemory[];
  /** Pages that its own memories may come to. */
  readonly pages: number;
}

interface Cached extends Compiled {
  readonly size: number;
}

const MAX_MODULES = 16;
const MAX_BYTES = 64 * 1024 * 1024;

export class ModuleCache {
  /** Oldest use first. */
  readonly #compiled = new Map<string, Cached>();
  readonly #store: ModuleStore;
  #bytes = 0;

  constructor(store: ModuleStore) {
    this.#store = store;
  }

  /** @param pages of memory that the module may come to. @throws RunFailure */
  compile(file: ModuleFile, pages: number): Compiled {
    const hash = contentHash(file.bytes);
    const key = `${hash} ${pages}`;
    const compiled = this.#compiled.get(key) ?? { ...compile(file, pages), size: file.bytes.length };
    this.#store.use(hash, pages, file.bytes);
    this.#keep(key, compiled);
    return compiled;
  }

  /** Compiles modules of earlier runs, one a step. */
  *prepare(): Generator<void> {
    for (const { bytes, pages } of this.#store.recent()) {
      const key = `${contentHash(bytes)} ${pages}`;
      if (!this.#compiled.has(key)) {
        this.#keep(key, { ...compile({ path: key, bytes }, pages), size: bytes.length });
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

function compile({ path, bytes }: ModuleFile, pages: number): Compiled {
  let limited: Limited | undefined;
  let malformed: unknown;
  try {
    limited = limitMemory(bytes, pages);
  } catch (error) {
    if (error instanceof MemoryTooLarge) throw tooLarge(path, error.pages, pages);
    if (!(error instanceof RangeError)) throw error;
    malformed = error;
  }
  try {
    const module = new WebAssembly.Module(limited?.bytes ?? bytes);
    // What only we cannot read could take as much memory as it likes.
    if (!limited) throw malformed;
    return { module, memories: limited.imports, pages: limited.pages };
  } catch (error) {
    throw new RunFailure(
      'InvalidModule',
      `Cannot compile module "${path}": ${(error as Error).message}`,
      'Build the file again as a core WebAssembly module for WASI preview 1 (wasm32-wasi or wasm32-wasip1)',
      { cause: error },
    );
  }
}

/** @param left pages that it may have */
export function tooLarge(path: string, needed: number, left: number): RunFailure {
  return new RunFailure(
    'MemoryLimit',
    `Cannot run module "${path}": it needs ${mebibytes(needed * PAGE)} of memory to start, ` +
      `the task may use ${mebibytes(left * PAGE)}`,
    `Ask for more memory, for example Resources: { Memory: "${Math.ceil(needed * PAGE / 2 ** 20)}Mi" }`,
  );
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20 * 100) / 100} MiB`;
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
  return { path, bytes };
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
