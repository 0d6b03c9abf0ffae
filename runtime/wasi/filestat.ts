/** The struct `filestat` (64 bytes), file types and file times of WASI preview 1. */
import { type BigIntStats, futimesSync, lutimesSync, utimesSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import { isHandle } from './host_directory.ts';
import type { GuestMemory } from './memory.ts';
import { coarseStat, native } from './native.ts';

export const FileType = {
  unknown: 0,
  block: 1,
  character: 2,
  directory: 3,
  regular: 4,
  socket: 6,
  link: 7,
} as const;

interface TypeTests {
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
  isSocket(): boolean;
}

export function fileType(entry: TypeTests): number {
  if (entry.isFile()) return FileType.regular;
  if (entry.isDirectory()) return FileType.directory;
  if (entry.isSymbolicLink()) return FileType.link;
  if (entry.isCharacterDevice()) return FileType.character;
  if (entry.isBlockDevice()) return FileType.block;
  return entry.isSocket() ? FileType.socket : FileType.unknown;
}

interface Exact {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** The times in `stat`, to the nanosecond. `path` is where it came from. */
function exactTimes(stat: BigIntStats, path: string | null): Exact {
  if (!coarseStat || path === null) return stat;
  const times = native()?.times(path);
  return times ? { atimeNs: times[0], mtimeNs: times[1], ctimeNs: times[2] } : stat;
}

/** For what the host has; `path` is where `stat` came from. */
export function putFilestat(
  memory: GuestMemory,
  at: number,
  stat: BigIntStats,
  path: string | null,
): void {
  const base = start(memory, at);
  const times = exactTimes(stat, path);
  memory.setU64(base, stat.dev);
  memory.setU64(base + 8, stat.ino);
  memory.setU8(base + 16, fileType(stat));
  memory.setU64(base + 24, stat.nlink);
  memory.setU64(base + 32, stat.size);
  memory.setU64(base + 40, times.atimeNs);
  memory.setU64(base + 48, times.mtimeNs);
  memory.setU64(base + 56, times.ctimeNs);
}

/** For what only the guest's tree has, or a stream: times and size are 0. */
export function putVirtualFilestat(memory: GuestMemory, at: number, type: number, inode: bigint): void {
  const base = start(memory, at);
  memory.setU64(base + 8, inode);
  memory.setU8(base + 16, type);
  memory.setU64(base + 24, 1n);
}

function start(memory: GuestMemory, at: number): number {
  memory.bytes(at, 64).fill(0);
  return at >>> 0;
}

const Set = { atime: 1, atimeNow: 2, mtime: 4, mtimeNow: 8 } as const;

/** The arguments of `*_filestat_set_times`. */
export interface NewTimes {
  readonly atime: bigint;
  readonly mtime: bigint;
  /** `fstflags`. */
  readonly flags: number;
}

/**
 * Sets the times of what is at `path` (be it a link), which is `fd` when that is given.
 * @throws WasiError EINVAL for a time that is both given and the present
 */
export function setTimes(stat: BigIntStats, path: string | null, fd: number | null, times: NewTimes): void {
  const { flags } = times;
  if (flags >>> 0 > 15) throw new WasiError(Errno.inval);
  const now = BigInt(Date.now()) * 1_000_000n;
  const pick = (given: bigint, set: number, present: number, old: bigint) => {
    if ((flags & set) === 0) return (flags & present) !== 0 ? now : old;
    if ((flags & present) !== 0) throw new WasiError(Errno.inval);
    return BigInt.asUintN(64, given);
  };
  const old = exactTimes(stat, path);
  const atime = pick(times.atime, Set.atime, Set.atimeNow, old.atimeNs);
  const mtime = pick(times.mtime, Set.mtime, Set.mtimeNow, old.mtimeNs);
  if (path !== null && native()?.setTimes(path, atime, mtime)) return;
  const [access, modified] = [Number(atime) / 1e9, Number(mtime) / 1e9];
  if (fd !== null) futimesSync(fd, access, modified);
  else if (path !== null) (isHandle(path) ? utimesSync : lutimesSync)(path, access, modified);
}
