/** WASI preview 1: `fd_*` about what is known of an open file: flags, rights, size, times, the names of preopens. */
import { Buffer } from 'node:buffer';
import { ftruncateSync } from 'node:fs';
import type { Descriptor } from './descriptors.ts';
import { Errno } from './errno.ts';
import { toOffset } from './fd.ts';
import { ALL_FLAGS, setFlags } from './file_io.ts';
import { FileType, putFilestat, putVirtualFilestat, setTimes } from './filestat.ts';
import type { Family } from './host.ts';
import { handlePath, hostStat, openStat } from '../files/mod.ts';
import { demand, Right } from './rights.ts';

function typeOf({ kind }: Descriptor): number {
  if (kind === 'directory') return FileType.directory;
  return kind === 'file' ? FileType.regular : FileType.character;
}

export const fdStat: Family = ({ memory, descriptors }) => ({
  fd_fdstat_get(fd: number, result: number) {
    const descriptor = descriptors.get(fd);
    memory.bytes(result, 24).fill(0);
    const at = result >>> 0;
    memory.setU8(at, typeOf(descriptor));
    memory.setU16(at + 2, descriptor.flags);
    memory.setU64(at + 8, descriptor.rights);
    memory.setU64(at + 16, descriptor.inheriting);
  },
  fd_fdstat_set_flags(fd: number, flags: number) {
    const descriptor = descriptors.get(fd);
    demand(descriptor, Right.fdFdstatSetFlags);
    if (flags >>> 0 > ALL_FLAGS) return Errno.inval;
    if (descriptor.kind === 'file') setFlags(descriptor, flags);
    else descriptor.flags = flags;
  },
  fd_fdstat_set_rights(fd: number, base: bigint, inheriting: bigint) {
    descriptors.restrict(fd, base, inheriting);
  },
  fd_filestat_get(fd: number, result: number) {
    const descriptor = descriptors.get(fd);
    demand(descriptor, Right.fdFilestatGet);
    if (descriptor.kind === 'file') putFilestat(memory, result, openStat(descriptor.hostFd));
    else if (descriptor.kind === 'directory') {
      const { directory, node } = descriptor.location;
      const stat = directory && hostStat(directory.self);
      if (stat) putFilestat(memory, result, stat);
      else if (directory) return Errno.noent;
      else putVirtualFilestat(memory, result, FileType.directory, node?.id ?? 0n);
    } else putVirtualFilestat(memory, result, FileType.character, 0n);
  },
  fd_filestat_set_size(fd: number, size: bigint) {
    const { hostFd } = descriptors.file(fd, Right.fdFilestatSetSize);
    const length = toOffset(size);
    descriptors.limits.length(length);
    ftruncateSync(hostFd, length);
  },
  fd_filestat_set_times(fd: number, atime: bigint, mtime: bigint, flags: number) {
    const descriptor = descriptors.get(fd);
    demand(descriptor, Right.fdFilestatSetTimes);
    const times = { atime, mtime, flags };
    if (descriptor.kind === 'file') {
      if (descriptor.readOnly) return Errno.rofs;
      const { hostFd } = descriptor;
      setTimes(openStat(hostFd), handlePath(hostFd), hostFd, times);
    } else if (descriptor.kind === 'directory') {
      const { directory, mount } = descriptor.location;
      if (!directory || mount?.readOnly) return Errno.rofs;
      const stat = hostStat(directory.self);
      if (!stat) return Errno.noent;
      setTimes(stat, directory.self, null, times);
    }
  },
  fd_prestat_get(fd: number, result: number) {
    const { preopen } = descriptors.directory(fd, 0n);
    if (preopen === null) return Errno.badf;
    memory.bytes(result, 8).fill(0);
    memory.setU32((result >>> 0) + 4, Buffer.byteLength(preopen));
  },
  fd_prestat_dir_name(fd: number, buffer: number, length: number) {
    const { preopen } = descriptors.directory(fd, 0n);
    if (preopen === null) return Errno.badf;
    const name = Buffer.from(preopen);
    if (name.length > length >>> 0) return Errno.nametoolong;
    memory.bytes(buffer, name.length).set(name);
  },
});
