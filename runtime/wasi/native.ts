/**
 * What `node:fs` cannot do on Linux, asked of the C library: file times to the nanosecond (its functions take seconds as
 * floating point, which holds 200 ns; Deno keeps milliseconds) and the reservation of space. Loaded when first needed.
 *
 * Elsewhere, and where the runtime may not load libraries, the callers do with what `node:fs` gives.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { isHandle } from './host_directory.ts';

export interface Native {
  /** Sets times (ns since 1970) of what is at `path`, be it a link. False: failed, ask the host why. */
  setTimes(path: string, atime: bigint, mtime: bigint): boolean;
  /** Access, modification and change time (ns since 1970) of what is at `path`, be it a link; null: failed. */
  times(path: string): readonly [bigint, bigint, bigint] | null;
  /** Makes sure of space for a range of a file; the error number of the host, 0 for success. */
  allocate(fd: number, offset: bigint, length: bigint): number;
}

interface Library {
  utimensat(directory: number, path: Uint8Array, times: BigInt64Array, flags: number): number;
  statx(directory: number, path: Uint8Array, flags: number, mask: number, result: Uint8Array): number;
  posix_fallocate(fd: number, offset: bigint, length: bigint): number;
}

const SYMBOLS = {
  utimensat: ['i32', 'pointer', 'pointer', 'i32'],
  statx: ['i32', 'pointer', 'i32', 'u32', 'pointer'],
  posix_fallocate: ['i32', 'i64', 'i64'],
} as const;

/** glibc, then musl under both names it has. */
const NAMES = ['libc.so.6', 'libc.so', `libc.musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`];

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** STATX_ATIME, STATX_MTIME, STATX_CTIME. */
const TIMES = 0xe0;
/** Offsets of stx_atime, stx_mtime, stx_ctime in struct statx. */
const STATX = { size: 256, atime: 64, mtime: 112, ctime: 96 } as const;

const BILLION = 1_000_000_000n;

let loaded: Native | null | undefined;

/** Null where there is none. */
export function native(): Native | null {
  if (loaded === undefined) {
    const library = load();
    loaded = library && wrap(library);
  }
  return loaded;
}

/** Whether the runtime's own `stat` keeps less than nanoseconds. */
export const coarseStat = 'Deno' in globalThis && process.platform === 'linux';

function wrap(library: Library): Native {
  const cString = (path: string) => Buffer.from(`${path}\0`);
  const times = new BigInt64Array(4);
  const result = new Uint8Array(STATX.size);
  const view = new DataView(result.buffer);
  const nofollow = (path: string) => isHandle(path) ? 0 : AT_SYMLINK_NOFOLLOW;
  const time = (at: number) => view.getBigInt64(at, true) * BILLION + BigInt(view.getUint32(at + 8, true));
  return {
    setTimes(path, atime, mtime) {
      times.set([atime / BILLION, atime % BILLION, mtime / BILLION, mtime % BILLION]);
      return library.utimensat(AT_FDCWD, cString(path), times, nofollow(path)) === 0;
    },
    times(path) {
      if (library.statx(AT_FDCWD, cString(path), nofollow(path), TIMES, result) !== 0) return null;
      return [time(STATX.atime), time(STATX.mtime), time(STATX.ctime)];
    },
    allocate: (fd, offset, length) => library.posix_fallocate(fd, offset, length),
  };
}

interface DenoFfi {
  dlopen(name: string, symbols: Record<string, { parameters: string[]; result: string }>): {
    symbols: unknown;
  };
}

interface BunFfi {
  dlopen(name: string, symbols: Record<string, { args: string[]; returns: string }>): { symbols: unknown };
}

function load(): Library | null {
  if (process.platform !== 'linux') return null;
  const { Deno, Bun } = globalThis as { Deno?: DenoFfi; Bun?: unknown };
  for (const name of NAMES) {
    try {
      if (Deno) return denoLibrary(Deno, name);
      if (Bun) return bunLibrary(name);
    } catch {
      // Not this C library, or the runtime may not: the next name, or none.
      continue;
    }
  }
  return null;
}

function denoLibrary(deno: DenoFfi, name: string): Library {
  const symbols = Object.fromEntries(
    Object.entries(SYMBOLS).map(([symbol, types]) => [
      symbol,
      { parameters: types.map((type) => type === 'pointer' ? 'buffer' : type), result: 'i32' },
    ]),
  );
  return deno.dlopen(name, symbols).symbols as Library;
}

function bunLibrary(name: string): Library {
  const builtin = process as unknown as { getBuiltinModule(name: string): BunFfi };
  const symbols = Object.fromEntries(
    Object.entries(SYMBOLS).map(([symbol, types]) => [
      symbol,
      { args: types.map((type) => type === 'pointer' ? 'ptr' : type), returns: 'i32' },
    ]),
  );
  return builtin.getBuiltinModule('bun:ffi').dlopen(name, symbols).symbols as Library;
}
