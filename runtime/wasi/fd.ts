/** WASI preview 1: `fd_*`, all that works on an open file. Directory listings are in readdir.ts. */
import { fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, futimesSync } from 'node:fs';
import { type Descriptor, FdFlag, type OpenFile, readInto, Right, writeFrom } from './descriptors.ts';
import { Errno, WasiError } from './errno.ts';
import { FileType, newTimes, putFilestat } from './filestat.ts';
import type { Family } from './host.ts';

const SET = 0;
const CURRENT = 1;
const END = 2;

/** Positions are numbers: a file beyond 2^53 bytes does not exist. */
function toPosition(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw new WasiError(Errno.inval);
  return Number(value);
}

/** The bytes of several buffers as one piece, so that a line written in parts is one record of the log. */
function joined(buffers: readonly Uint8Array[]): Uint8Array {
  return buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers);
}

function writable(file: OpenFile): OpenFile {
  if (!file.writable) throw new WasiError(Errno.notcapable);
  return file;
}

export const fd: Family = ({ memory, descriptors, tree }) => {
  const typeOf = (descriptor: Descriptor) =>
    descriptor.kind === 'directory'
      ? FileType.directory
      : descriptor.kind === 'file'
      ? FileType.regular
      : FileType.character;

  return {
    fd_read(fd: number, list: number, count: number, result: number) {
      const descriptor = descriptors.get(fd);
      if (descriptor.kind === 'output') return Errno.notcapable;
      memory.setU32(
        result,
        descriptor.kind === 'empty' ? 0 : readInto(descriptors.file(fd), memory.buffers(list, count)),
      );
    },
    fd_pread(fd: number, list: number, count: number, offset: bigint, result: number) {
      memory.setU32(result, readInto(descriptors.file(fd), memory.buffers(list, count), toPosition(offset)));
    },
    fd_write(fd: number, list: number, count: number, result: number) {
      const descriptor = descriptors.get(fd);
      const buffers = memory.buffers(list, count);
      if (descriptor.kind === 'empty') return Errno.notcapable;
      if (descriptor.kind !== 'output') {
        memory.setU32(result, writeFrom(descriptors.file(fd), buffers));
      } else {
        const bytes = buffers.length === 0 ? new Uint8Array(0) : joined(buffers);
        descriptor.write(bytes);
        memory.setU32(result, bytes.length);
      }
    },
    fd_pwrite(fd: number, list: number, count: number, offset: bigint, result: number) {
      memory.setU32(result, writeFrom(descriptors.file(fd), memory.buffers(list, count), toPosition(offset)));
    },
    fd_seek(fd: number, offset: bigint, whence: number, result: number) {
      const file = descriptors.file(fd);
      let from: bigint;
      if (whence === SET) from = 0n;
      else if (whence === CURRENT) from = BigInt(file.position);
      else if (whence === END) from = fstatSync(file.hostFd, { bigint: true }).size;
      else return Errno.inval;
      file.position = toPosition(from + offset);
      memory.setU64(result, BigInt(file.position));
    },
    fd_tell(fd: number, result: number) {
      memory.setU64(result, BigInt(descriptors.file(fd).position));
    },
    fd_close(fd: number) {
      descriptors.close(fd);
    },
    fd_renumber(from: number, to: number) {
      descriptors.renumber(from, to);
    },
    fd_sync(fd: number) {
      fsyncSync(descriptors.file(fd).hostFd);
    },
    fd_datasync(fd: number) {
      fdatasyncSync(descriptors.file(fd).hostFd);
    },
    fd_advise(fd: number, _offset: bigint, _length: bigint, advice: number) {
      descriptors.file(fd);
      if (advice >>> 0 > 5) return Errno.inval;
    },
    fd_fdstat_get(fd: number, result: number) {
      const descriptor = descriptors.get(fd);
      memory.bytes(result, 24).fill(0);
      const at = result >>> 0;
      memory.setU8(at, typeOf(descriptor));
      if (descriptor.kind === 'file') memory.setU16(at + 2, descriptor.flags);
      if (descriptor.kind === 'file' || descriptor.kind === 'directory') {
        memory.setU64(at + 8, descriptor.rights);
        memory.setU64(at + 16, descriptor.inheriting);
      } else {
        // No seek or tell: that is how C libraries tell a terminal or pipe from a file.
        memory.setU64(at + 8, descriptor.kind === 'output' ? Right.write : Right.read);
      }
    },
    fd_fdstat_set_flags(fd: number, flags: number) {
      const descriptor = descriptors.get(fd);
      if (descriptor.kind !== 'file') return;
      // Synchronous writing is fixed when a file is opened.
      descriptor.flags = (descriptor.flags & ~(FdFlag.append | FdFlag.nonblock)) |
        (flags & (FdFlag.append | FdFlag.nonblock));
    },
    fd_fdstat_set_rights(fd: number, base: bigint, inheriting: bigint) {
      const descriptor = descriptors.get(fd);
      if (descriptor.kind !== 'file' && descriptor.kind !== 'directory') return Errno.notcapable;
      // Rights are only ever given up.
      const [rights, inherited] = [BigInt.asUintN(64, base), BigInt.asUintN(64, inheriting)];
      if ((rights & ~descriptor.rights) !== 0n || (inherited & ~descriptor.inheriting) !== 0n) {
        return Errno.notcapable;
      }
      descriptor.rights = rights;
      descriptor.inheriting = inherited;
    },
    fd_filestat_get(fd: number, result: number) {
      const descriptor = descriptors.get(fd);
      const stat = descriptor.kind === 'file' ? fstatSync(descriptor.hostFd, { bigint: true }) : null;
      if (descriptor.kind === 'directory') tree.locate(descriptor.path);
      putFilestat(memory, result, typeOf(descriptor), stat);
    },
    fd_filestat_set_size(fd: number, size: bigint) {
      ftruncateSync(writable(descriptors.file(fd)).hostFd, toPosition(size));
    },
    fd_filestat_set_times(fd: number, atime: bigint, mtime: bigint, flags: number) {
      const { hostFd } = writable(descriptors.file(fd));
      const times = newTimes(fstatSync(hostFd, { bigint: true }), atime, mtime, flags);
      futimesSync(hostFd, times.atime, times.mtime);
    },
    fd_prestat_get(fd: number, result: number) {
      const { preopen } = descriptors.directory(fd);
      if (preopen === null) return Errno.badf;
      memory.setU32(result, 0);
      memory.setU32((result >>> 0) + 4, Buffer.byteLength(preopen));
    },
    fd_prestat_dir_name(fd: number, buffer: number, length: number) {
      const { preopen } = descriptors.directory(fd);
      if (preopen === null) return Errno.badf;
      const name = Buffer.from(preopen);
      if (name.length > length >>> 0) return Errno.nametoolong;
      memory.bytes(buffer, name.length).set(name);
    },
  };
};
