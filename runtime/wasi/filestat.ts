/** The struct `filestat` (64 bytes), file types and file times of WASI preview 1. */
import { futimesSync, lutimesSync, utimesSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import type { GuestMemory } from './memory.ts';
import { type HostStat, isHandle, native } from '../files/mod.ts';

export const FileType = {
  unknown: 0,
  block: 1,
  character: 2,
  directory: 3,
  regular: 4,
  socket: 6,
  link: 7,
} as const;

export function fileType(entry: HostStat): number {
  if (entry.isFile()) return FileType.regular;
  if (entry.isDirectory()) return FileType.directory;
  if (entry.isSymbolicLink()) return FileType.link;
  if (entry.isCharacterDevice()) return FileType.character;
  if (entry.isBlockDevice()) return FileType.block;
  return entry.isSocket() ? FileType.socket : FileType.unknown;
}

/** For what the host has. */
export function putFilestat(memory: GuestMemory, at: number, stat: HostStat): void {
  const base = start(memory, at);
  memory.setU64(base, stat.dev);
  memory.setU64(base + 8, stat.ino);
  memory.setU8(base + 16, fileType(stat));
  memory.setU64(base + 24, stat.nlink);
  memory.setU64(base + 32, stat.size);
  memory.setU64(base + 40, stat.atimeNs);
  memory.setU64(base + 48, stat.mtimeNs);
  memory.setU64(base + 56, stat.ctimeNs);
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
export function setTimes(old: HostStat, path: string | null, fd: number | null, times: NewTimes): void {
  const { flags } = times;
  if (flags >>> 0 > 15) throw new WasiError(Errno.inval);
  const now = BigInt(Date.now()) * 1_000_000n;
  const pick = (given: bigint, set: number, present: number, old: bigint) => {
    if ((flags & set) === 0) return (flags & present) !== 0 ? now : old;
    if ((flags & present) !== 0) throw new WasiError(Errno.inval);
    return BigInt.asUintN(64, given);
  };
  const atime = pick(times.atime, Set.atime, Set.atimeNow, old.atimeNs);
  const mtime = pick(times.mtime, Set.mtime, Set.mtimeNow, old.mtimeNs);
  if (path !== null && native()?.setTimes(path, atime, mtime)) return;
  const [access, modified] = [Number(atime) / 1e9, Number(mtime) / 1e9];
  if (fd !== null) futimesSync(fd, access, modified);
  else if (path !== null) (isHandle(path) ? utimesSync : lutimesSync)(path, access, modified);
}
