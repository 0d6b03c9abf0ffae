/** Reading and writing of open files: straight from and to the guest's memory, nothing is copied on the way. */
import { closeSync, constants, readSync, writeSync } from 'node:fs';
import type { OpenFile } from './descriptors.ts';
import { openStat, reopen } from '../files/mod.ts';
import type { Limits } from './limits.ts';

export const FdFlag = { append: 1, dsync: 2, nonblock: 4, rsync: 8, sync: 16 } as const;
export const ALL_FLAGS = 31;

/** Neither runtime takes more at once. */
const MAX_PIECE = 2 ** 30;

/** The host's flags for `fdflags`. Files never block, so `nonblock` changes nothing. */
export function hostFlags(flags: number): number {
  const { append, dsync, rsync, sync } = FdFlag;
  return ((flags & append) !== 0 ? constants.O_APPEND : 0) |
    ((flags & (sync | rsync)) !== 0 ? constants.O_SYNC ?? 0 : 0) |
    ((flags & dsync) !== 0 ? constants.O_DSYNC ?? constants.O_SYNC ?? 0 : 0);
}

/** Gives an open file other `fdflags`. Where the host cannot open it anew, only append can change, and we see to it. */
export function setFlags(file: OpenFile, flags: number): void {
  if (hostFlags(flags) !== hostFlags(file.flags)) {
    const hostFd = reopen(file.hostFd, file.access | hostFlags(flags));
    if (hostFd !== null) {
      closeSync(file.hostFd);
      file.hostFd = hostFd;
    }
  }
  file.flags = flags;
}

/** Fills `buffers` from `position` (or the file's own); returns the number of bytes, 0 at the end. */
export function readInto(file: OpenFile, buffers: readonly Uint8Array[], position?: number): number {
  let at = position ?? file.position;
  let total = 0;
  for (const buffer of buffers) {
    const length = Math.min(buffer.length, MAX_PIECE);
    const count = readSync(file.hostFd, buffer, 0, length, at);
    total += count;
    at += count;
    if (count < buffer.length) break;
  }
  if (position === undefined) file.position = at;
  return total;
}

/**
 * Writes all of `buffers` at `position` (or the file's own, or its end in append mode), or as much as the limits allow;
 * returns the number of bytes.
 */
export function writeFrom(
  file: OpenFile,
  buffers: readonly Uint8Array[],
  limits: Limits,
  position?: number,
): number {
  const append = (file.flags & FdFlag.append) !== 0 && position === undefined;
  let at = position ?? (append ? Number(openStat(file.hostFd).size) : file.position);
  let total = 0;
  try {
    for (const buffer of buffers) {
      for (let done = 0; done < buffer.length;) {
        const length = limits.writable(at, Math.min(buffer.length - done, MAX_PIECE));
        const count = writeSync(file.hostFd, buffer, done, length, at);
        done += count;
        at += count;
        total += count;
      }
    }
  } catch (error) {
    // A full disk: what was written counts, the next call says why there is no more.
    if (total === 0) throw error;
  }
  if (position === undefined) file.position = append ? Number(openStat(file.hostFd).size) : at;
  return total;
}
