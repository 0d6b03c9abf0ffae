/** The guest's table of open files. */
import { closeSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import type { Limits } from './limits.ts';
import { ALL_RIGHTS, demand, DIRECTORY_RIGHTS, INPUT_RIGHTS, OUTPUT_RIGHTS } from './rights.ts';
import { type Location, release, type Tree } from './tree.ts';

interface Rights {
  /** What may be done with it. */
  rights: bigint;
  /** What those opened through it may get at most. */
  inheriting: bigint;
  /** `fdflags`. */
  flags: number;
}

/** Standard input: always at its end. */
export interface EmptyInput extends Rights {
  readonly kind: 'empty';
}

/** Standard output or error. */
export interface Output extends Rights {
  readonly kind: 'output';
  write(bytes: Uint8Array): void;
}

export interface OpenFile extends Rights {
  readonly kind: 'file';
  hostFd: number;
  /** How the host has it open, without the flags that can change. */
  readonly access: number;
  /** Whether it lies in a mount that must not change. */
  readonly readOnly: boolean;
  position: number;
}

export interface OpenDirectory extends Rights {
  readonly kind: 'directory';
  readonly location: Location;
  /** The name a preopened directory has. */
  readonly preopen: string | null;
  /** The listing that cookies of `fd_readdir` count in, taken at cookie 0. */
  names: readonly string[] | null;
}

export type Descriptor = EmptyInput | Output | OpenFile | OpenDirectory;

export class Descriptors {
  readonly #open = new Map<number, Descriptor>();
  /** No number below is free. */
  #lowest = 0;

  /** Standard streams, and the root of `tree` as the one preopened directory. */
  constructor(
    tree: Tree,
    stdout: (bytes: Uint8Array) => void,
    stderr: (bytes: Uint8Array) => void,
    readonly limits: Limits,
  ) {
    const rights = { rights: OUTPUT_RIGHTS, inheriting: 0n, flags: 0 };
    this.add({ kind: 'empty', ...rights, rights: INPUT_RIGHTS });
    this.add({ kind: 'output', ...rights, write: stdout });
    this.add({ kind: 'output', ...rights, write: stderr });
    this.add({
      kind: 'directory',
      location: tree.root(),
      preopen: '/',
      rights: DIRECTORY_RIGHTS,
      inheriting: ALL_RIGHTS,
      flags: 0,
      names: null,
    });
  }

  get(fd: number): Descriptor {
    const descriptor = this.#open.get(fd >>> 0);
    if (!descriptor) throw new WasiError(Errno.badf);
    return descriptor;
  }

  /** An open file with these rights. @throws WasiError EBADF, EISDIR, ESPIPE, ENOTCAPABLE */
  file(fd: number, rights: bigint): OpenFile {
    const descriptor = this.get(fd);
    if (descriptor.kind !== 'file') {
      throw new WasiError(descriptor.kind === 'directory' ? Errno.isdir : Errno.spipe);
    }
    demand(descriptor, rights);
    return descriptor;
  }

  /** A directory with these rights. @throws WasiError EBADF, ENOTDIR, ENOTCAPABLE */
  directory(fd: number, rights: bigint): OpenDirectory {
    const descriptor = this.get(fd);
    if (descriptor.kind !== 'directory') throw new WasiError(Errno.notdir);
    demand(descriptor, rights);
    return descriptor;
  }

  /** Throws before anything is opened when the table is full. */
  reserve(): void {
    this.limits.open(this.#open.size);
  }

  /** Takes the lowest free number. */
  add(descriptor: Descriptor): number {
    while (this.#open.has(this.#lowest)) this.#lowest++;
    this.#open.set(this.#lowest, descriptor);
    return this.#lowest++;
  }

  close(fd: number): void {
    const descriptor = this.get(fd);
    const number = fd >>> 0;
    this.#open.delete(number);
    this.#lowest = Math.min(this.#lowest, number);
    if (descriptor.kind === 'file') closeSync(descriptor.hostFd);
    else if (descriptor.kind === 'directory') release(descriptor.location);
  }

  /** Moves `from` to the number `to`, closing what was there. */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    this.get(to);
    if (from >>> 0 === to >>> 0) return;
    this.close(to);
    this.#open.delete(from >>> 0);
    this.#open.set(to >>> 0, descriptor);
    this.#lowest = Math.min(this.#lowest, from >>> 0);
  }

  /** Rights are only ever given up. @throws WasiError ENOTCAPABLE */
  restrict(fd: number, base: bigint, inheriting: bigint): void {
    const descriptor = this.get(fd);
    const [rights, inherited] = [BigInt.asUintN(64, base), BigInt.asUintN(64, inheriting)];
    if ((rights & ~descriptor.rights) !== 0n || (inherited & ~descriptor.inheriting) !== 0n) {
      throw new WasiError(Errno.notcapable);
    }
    descriptor.rights = rights;
    descriptor.inheriting = inherited;
  }

  closeAll(): void {
    for (const fd of [...this.#open.keys()]) this.close(fd);
  }
}

/** The rights that something opened through `parent` asks for. @throws WasiError ENOTCAPABLE when it may not have them */
export function inherited(parent: OpenDirectory, asked: bigint): bigint {
  const rights = BigInt.asUintN(64, asked) & ALL_RIGHTS;
  // All of them at once is how programs ask for whatever there is.
  if (rights !== ALL_RIGHTS && (rights & ~parent.inheriting) !== 0n) throw new WasiError(Errno.notcapable);
  return rights & parent.inheriting;
}
