/** The struct `filestat` (64 bytes) and file types of WASI preview 1. */
import type { BigIntStats } from 'node:fs';
import type { GuestMemory } from './memory.ts';

export const FileType = { unknown: 0, character: 2, directory: 3, regular: 4, link: 7 } as const;

interface TypeTests {
  isDirectory(): boolean;
  isFile(): boolean;
  isSymbolicLink(): boolean;
}

export function fileType(entry: TypeTests): number {
  if (entry.isDirectory()) return FileType.directory;
  if (entry.isFile()) return FileType.regular;
  return entry.isSymbolicLink() ? FileType.link : FileType.unknown;
}

/** @param stat null for what only the guest's tree has: times and sizes are 0 */
export function putFilestat(memory: GuestMemory, at: number, type: number, stat: BigIntStats | null): void {
  memory.bytes(at, 64).fill(0);
  const base = at >>> 0;
  memory.setU8(base + 16, type);
  memory.setU64(base + 24, stat?.nlink ?? 1n);
  if (!stat) return;
  memory.setU64(base, stat.dev);
  memory.setU64(base + 8, stat.ino);
  memory.setU64(base + 32, stat.size);
  memory.setU64(base + 40, stat.atimeNs);
  memory.setU64(base + 48, stat.mtimeNs);
  memory.setU64(base + 56, stat.ctimeNs);
}

/** `fstflags`: which times are set, and whether to the present. Seconds, as the host's functions want them. */
export function newTimes(
  current: BigIntStats,
  atime: bigint,
  mtime: bigint,
  flags: number,
): { atime: number; mtime: number } {
  const pick = (value: bigint, set: number, now: number, old: bigint) =>
    (flags & now) !== 0
      ? Date.now() / 1000
      : Number((flags & set) !== 0 ? BigInt.asUintN(64, value) : old) / 1e9;
  return { atime: pick(atime, 1, 2, current.atimeNs), mtime: pick(mtime, 4, 8, current.mtimeNs) };
}
