/** WASI preview 1: `fd_*` that read, write, seek and manage numbers. What is known of a file is in fd_stat.ts. */
import { Buffer } from 'node:buffer';
import { closeSync, constants, fdatasyncSync, fsyncSync, ftruncateSync, openSync, statfsSync } from 'node:fs';
import type { Output } from './descriptors.ts';
import { Errno, fromHost, WasiError } from './errno.ts';
import { readInto, writeFrom } from './file_io.ts';
import type { Family } from './host.ts';
import { handlePath, native, openStat } from '../files/mod.ts';
import { demand, Right } from './rights.ts';

const SET = 0;
const CURRENT = 1;
const END = 2;

/** The longest file of ext4; every larger offset is refused there, too, and both runtimes can count as far. */
const MAX_OFFSET = 16n * 2n ** 40n;

/** @throws WasiError EINVAL */
export function toOffset(value: bigint): number {
  if (value < 0n || value > MAX_OFFSET) throw new WasiError(Errno.inval);
  return Number(value);
}

/** A host may fill its disk before it finds that there is not enough of it. No path: no way to reserve, either. */
function freeBytes(path: string | null): bigint {
  if (path === null) return MAX_OFFSET;
  const { bavail, bsize } = statfsSync(path, { bigint: true });
  return bavail * bsize;
}

/** Bytes of several buffers that are copied into one. */
const JOINED = 65_536;

/** Writes to a stream; what several buffers hold in one piece, so that a line written in parts is one record of the log. */
function writeOut({ write }: Output, buffers: readonly Uint8Array[]): number {
  const total = buffers.reduce((sum, { length }) => sum + length, 0);
  // All of them may be the same memory: more than a line or two is not held twice.
  if (buffers.length > 1 && total <= JOINED) write(Buffer.concat(buffers));
  else buffers.forEach((buffer) => write(buffer));
  return total;
}

export const fd: Family = ({ memory, descriptors }) => ({
  fd_read(fd: number, list: number, count: number, result: number) {
    const descriptor = descriptors.get(fd);
    if (descriptor.kind === 'output') return Errno.notcapable;
    const buffers = memory.buffers(list, count);
    memory.check(result, 4);
    if (descriptor.kind === 'empty') {
      demand(descriptor, Right.fdRead);
      memory.setU32(result, 0);
    } else memory.setU32(result, readInto(descriptors.file(fd, Right.fdRead), buffers));
  },
  fd_pread(fd: number, list: number, count: number, offset: bigint, result: number) {
    const file = descriptors.file(fd, Right.fdRead | Right.fdSeek);
    const buffers = memory.buffers(list, count);
    memory.check(result, 4);
    memory.setU32(result, readInto(file, buffers, toOffset(offset)));
  },
  fd_write(fd: number, list: number, count: number, result: number) {
    const descriptor = descriptors.get(fd);
    if (descriptor.kind === 'empty') return Errno.notcapable;
    const buffers = memory.buffers(list, count);
    memory.check(result, 4);
    if (descriptor.kind === 'output') {
      demand(descriptor, Right.fdWrite);
      memory.setU32(result, writeOut(descriptor, buffers));
    } else memory.setU32(result, writeFrom(descriptors.file(fd, Right.fdWrite), buffers, descriptors.limits));
  },
  fd_pwrite(fd: number, list: number, count: number, offset: bigint, result: number) {
    const file = descriptors.file(fd, Right.fdWrite | Right.fdSeek);
    const buffers = memory.buffers(list, count);
    memory.check(result, 4);
    memory.setU32(result, writeFrom(file, buffers, descriptors.limits, toOffset(offset)));
  },
  fd_seek(fd: number, offset: bigint, whence: number, result: number) {
    // Asking where one is needs less than going elsewhere.
    const file = descriptors.file(fd, offset === 0n && whence === CURRENT ? 0n : Right.fdSeek);
    let from: bigint;
    if (whence === SET) from = 0n;
    else if (whence === CURRENT) from = BigInt(file.position);
    else if (whence === END) from = openStat(file.hostFd).size;
    else return Errno.inval;
    const position = toOffset(from + offset);
    memory.setU64(result, BigInt(position));
    file.position = position;
  },
  fd_tell(fd: number, result: number) {
    memory.setU64(result, BigInt(descriptors.file(fd, 0n).position));
  },
  fd_close(fd: number) {
    descriptors.close(fd);
  },
  fd_renumber(from: number, to: number) {
    descriptors.renumber(from, to);
  },
  fd_sync(fd: number) {
    const descriptor = descriptors.get(fd);
    if (descriptor.kind !== 'directory') return fsyncSync(descriptors.file(fd, Right.fdSync).hostFd);
    demand(descriptor, Right.fdSync);
    const { directory } = descriptor.location;
    if (!directory) return;
    const hostFd = openSync(directory.self, constants.O_RDONLY);
    try {
      fsyncSync(hostFd);
    } finally {
      closeSync(hostFd);
    }
  },
  fd_datasync(fd: number) {
    fdatasyncSync(descriptors.file(fd, Right.fdDatasync).hostFd);
  },
  fd_advise(fd: number, offset: bigint, length: bigint, advice: number) {
    descriptors.file(fd, Right.fdAdvise);
    if (advice >>> 0 > 5 || offset < 0n || length < 0n) return Errno.inval;
  },
  fd_allocate(fd: number, offset: bigint, length: bigint) {
    const { hostFd } = descriptors.file(fd, Right.fdAllocate);
    if (offset < 0n || length <= 0n) return Errno.inval;
    const end = offset + length;
    if (end > MAX_OFFSET) return Errno.fbig;
    descriptors.limits.length(end);
    if (length > freeBytes(handlePath(hostFd))) return Errno.nospc;
    const failure = native()?.allocate(hostFd, offset, length);
    if (failure === 0) return;
    if (failure !== undefined && fromHost(failure) !== Errno.notsup) return fromHost(failure);
    // The next best: the size alone.
    if (openStat(hostFd).size < end) ftruncateSync(hostFd, Number(end));
  },
});
