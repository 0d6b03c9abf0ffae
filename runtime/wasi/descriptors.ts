/** The guest's table of open files. Each kind knows its own reading and writing; WASI's structs are made in fd.ts. */
import { closeSync, readSync, writeSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';

/** Bits of `rights` that we tell apart (preview 1, `rights`). */
export const Right = {
  read: 1n << 1n,
  write: 1n << 6n,
  all: (1n << 30n) - 1n,
  /** Asking for any of these opens a file for writing: datasync, write, allocate, set size. */
  writing: (1n << 0n) | (1n << 6n) | (1n << 8n) | (1n << 22n),
} as const;

export const FdFlag = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;

/** Standard input: always at its end. */
export interface EmptyInput {
  readonly kind: 'empty';
}

/** Standard output or error. */
export interface Output {
  readonly kind: 'output';
  write(bytes: Uint8Array): void;
}

export interface OpenFile {
  readonly kind: 'file';
  readonly hostFd: number;
  readonly readable: boolean;
  readonly writable: boolean;
  rights: bigint;
  inheriting: bigint;
  flags: number;
  position: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly type: number;
  readonly inode: bigint;
}

export interface OpenDirectory {
  readonly kind: 'directory';
  /** Components from the guest's root. */
  readonly path: readonly string[];
  /** The name a preopened directory has. */
  readonly preopen: string | null;
  rights: bigint;
  inheriting: bigint;
  /** The listing that cookies of `fd_readdir` count in, taken at cookie 0. */
  entries: readonly DirectoryEntry[] | null;
}

export type Descriptor = EmptyInput | Output | OpenFile | OpenDirectory;

/** More open files at once than any sane program has, fewer than the host allows us. */
const MAX_DESCRIPTORS = 1000;

export class Descriptors {
  readonly #open = new Map<number, Descriptor>();

  constructor(stdout: (bytes: Uint8Array) => void, stderr: (bytes: Uint8Array) => void) {
    this.#open.set(0, { kind: 'empty' });
    this.#open.set(1, { kind: 'output', write: stdout });
    this.#open.set(2, { kind: 'output', write: stderr });
    this.add({
      kind: 'directory',
      path: [],
      preopen: '/',
      rights: Right.all,
      inheriting: Right.all,
      entries: null,
    });
  }

  get(fd: number): Descriptor {
    const descriptor = this.#open.get(fd >>> 0);
    if (!descriptor) throw new WasiError(Errno.badf);
    return descriptor;
  }

  file(fd: number): OpenFile {
    const descriptor = this.get(fd);
    if (descriptor.kind === 'file') return descriptor;
    throw new WasiError(descriptor.kind === 'directory' ? Errno.isdir : Errno.spipe);
  }

  directory(fd: number): OpenDirectory {
    const descriptor = this.get(fd);
    if (descriptor.kind !== 'directory') throw new WasiError(Errno.notdir);
    return descriptor;
  }

  /** Throws before anything is opened when the table is full. */
  reserve(): void {
    if (this.#open.size >= MAX_DESCRIPTORS) throw new WasiError(Errno.mfile);
  }

  /** Takes the lowest free number. */
  add(descriptor: Descriptor): number {
    let fd = 0;
    while (this.#open.has(fd)) fd++;
    this.#open.set(fd, descriptor);
    return fd;
  }

  close(fd: number): void {
    const descriptor = this.get(fd);
    this.#open.delete(fd >>> 0);
    if (descriptor.kind === 'file') closeSync(descriptor.hostFd);
  }

  /** Moves `from` to the number `to`, closing what was there. */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    this.get(to);
    if (from >>> 0 === to >>> 0) return;
    this.close(to);
    this.#open.delete(from >>> 0);
    this.#open.set(to >>> 0, descriptor);
  }

  closeAll(): void {
    for (const fd of [...this.#open.keys()]) this.close(fd);
  }
}

/** Fills `buffers` from `position` (or the file's own); returns the number of bytes, 0 at the end. */
export function readInto(file: OpenFile, buffers: readonly Uint8Array[], position?: number): number {
  if (!file.readable) throw new WasiError(Errno.notcapable);
  let at = position ?? file.position;
  let total = 0;
  for (const buffer of buffers) {
    const count = readSync(file.hostFd, buffer, 0, buffer.length, at);
    total += count;
    at += count;
    if (count < buffer.length) break;
  }
  if (position === undefined) file.position = at;
  return total;
}

/** Writes all of `buffers` at `position` (or the file's own, or its end in append mode); returns the number of bytes. */
export function writeFrom(file: OpenFile, buffers: readonly Uint8Array[], position?: number): number {
  if (!file.writable) throw new WasiError(Errno.notcapable);
  const append = (file.flags & FdFlag.append) !== 0 && position === undefined;
  let at = position ?? file.position;
  let total = 0;
  for (const buffer of buffers) {
    for (let done = 0; done < buffer.length;) {
      const count = writeSync(file.hostFd, buffer, done, buffer.length - done, append ? null : at);
      done += count;
      at += count;
      total += count;
    }
  }
  if (position === undefined) file.position = at;
  return total;
}
