/**
 * What `node:fs` cannot do on Linux, or not well, asked of the C library: file times to the nanosecond (its functions take
 * seconds as floating point, which holds 200 ns), `stat` under Deno and the reservation of space. Loaded when first needed.
 *
 * Elsewhere, and where the runtime may not load libraries, the callers do with what `node:fs` gives.
 */
import { Buffer } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import process from 'node:process';
import { isHandle } from './handle_path.ts';

/** What is known of a file, in the fields of node:fs. */
export type HostStat = Pick<
  BigIntStats,
  | 'dev'
  | 'ino'
  | 'mode'
  | 'nlink'
  | 'size'
  | 'atimeNs'
  | 'mtimeNs'
  | 'ctimeNs'
  | 'isFile'
  | 'isDirectory'
  | 'isSymbolicLink'
  | 'isCharacterDevice'
  | 'isBlockDevice'
  | 'isSocket'
>;

/** System calls that the run-times do not offer. */
export interface Native {
  /** Sets times (ns since 1970) of what is at `path`, be it a link. False: failed, ask the host why. */
  setTimes(path: string, atime: bigint, mtime: bigint): boolean;
  /** What is at `path`, be it a link, or what a handle is one of; null: failed. */
  stat(what: string | number): HostStat | null;
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
const AT_EMPTY_PATH = 0x1000;
const EMPTY = new Uint8Array(1);
/** STATX_BASIC_STATS. */
const BASIC = 0x7ff;
/** Size of struct statx, and the offsets of its members. */
const STATX = {
  bytes: 256,
  nlink: 16,
  mode: 28,
  ino: 32,
  size: 40,
  atime: 64,
  ctime: 96,
  mtime: 112,
  major: 136,
  minor: 140,
} as const;

/** `PATH_MAX`, three bytes a character; longer ones take a buffer of their own. */
const LONGEST_PATH = 3 * 4096 + 1;

const BILLION = 1_000_000_000n;
const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFSOCK } = constants;
const encoder = new TextEncoder();

let loaded: Native | null | undefined;

/** Null where there is none. */
export function native(): Native | null {
  if (loaded === undefined) {
    const library = load();
    loaded = library && wrap(library);
  }
  return loaded;
}

function wrap(library: Library): Native {
  const text = new Uint8Array(LONGEST_PATH);
  const cString = (path: string) => {
    if (path.length * 3 >= text.length) return Buffer.from(`${path}\0`);
    text[encoder.encodeInto(path, text).written] = 0;
    return text;
  };
  const times = new BigInt64Array(4);
  const result = new Uint8Array(STATX.bytes);
  const view = new DataView(result.buffer);
  const nofollow = (path: string) => isHandle(path) ? 0 : AT_SYMLINK_NOFOLLOW;
  return {
    setTimes(path, atime, mtime) {
      times.set([atime / BILLION, atime % BILLION, mtime / BILLION, mtime % BILLION]);
      return library.utimensat(AT_FDCWD, cString(path), times, nofollow(path)) === 0;
    },
    stat(what) {
      const failed = typeof what === 'number'
        ? library.statx(what, EMPTY, AT_EMPTY_PATH, BASIC, result)
        : library.statx(AT_FDCWD, cString(what), nofollow(what), BASIC, result);
      return failed ? null : statOf(view);
    },
    allocate: (fd, offset, length) => library.posix_fallocate(fd, offset, length),
  };
}

function statOf(view: DataView): HostStat {
  const u32 = (at: number) => view.getUint32(at, true);
  const time = (at: number) => view.getBigInt64(at, true) * BILLION + BigInt(u32(at + 8));
  const mode = view.getUint16(STATX.mode, true);
  const is = (kind: number) => () => (mode & S_IFMT) === kind;
  return {
    dev: device(BigInt(u32(STATX.major)), BigInt(u32(STATX.minor))),
    ino: view.getBigUint64(STATX.ino, true),
    mode: BigInt(mode),
    nlink: BigInt(u32(STATX.nlink)),
    size: view.getBigInt64(STATX.size, true),
    atimeNs: time(STATX.atime),
    mtimeNs: time(STATX.mtime),
    ctimeNs: time(STATX.ctime),
    isFile: is(S_IFREG),
    isDirectory: is(S_IFDIR),
    isSymbolicLink: is(S_IFLNK),
    isCharacterDevice: is(S_IFCHR),
    isBlockDevice: is(S_IFBLK),
    isSocket: is(S_IFSOCK),
  };
}

/** `makedev` of the C library. */
function device(major: bigint, minor: bigint): bigint {
  return (minor & 0xffn) | (major & 0xfffn) << 8n | (minor & ~0xffn) << 12n | (major & ~0xfffn) << 32n;
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
