/** WASI preview 1: `path_*`, all that works on names. Every name goes through tree.ts first. */
import {
  type BigIntStats,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { Buffer } from 'node:buffer';
import { FdFlag, Right } from './descriptors.ts';
import { Errno, WasiError } from './errno.ts';
import { FileType, fileType, newTimes, putFilestat } from './filestat.ts';
import type { Family } from './host.ts';
import { lstat, type Place } from './tree.ts';

const FOLLOW = 1;
const Open = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;

/** Null when there is nothing. */
function bigStat(hostPath: string): BigIntStats | null {
  return lstatSync(hostPath, { bigint: true, throwIfNoEntry: false }) ?? null;
}

/** The host's name of something that is to change. */
function changeable(place: Place): string {
  if (place.hostPath === null || place.readOnly) throw new WasiError(Errno.rofs);
  if (place.pinned) throw new WasiError(Errno.busy);
  return place.hostPath;
}

export const path: Family = ({ memory, descriptors, tree }) => {
  const walk = (fd: number, pointer: number, length: number, follow: boolean, create = false) =>
    tree.resolve(descriptors.directory(fd).path, memory.text(pointer, length), follow, create);

  return {
    path_open(
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      oflags: number,
      rightsBase: bigint,
      rightsInheriting: bigint,
      fdflags: number,
      result: number,
    ) {
      const parent = descriptors.directory(fd);
      const rights = BigInt.asUintN(64, rightsBase) & parent.inheriting;
      const inheriting = BigInt.asUintN(64, rightsInheriting) & parent.inheriting;
      const create = (oflags & Open.create) !== 0;
      const place = walk(fd, pointer, length, (lookup & FOLLOW) !== 0, create);
      const stat = place.hostPath === null ? null : lstat(place.hostPath);
      const isDirectory = place.hostPath === null || (stat?.isDirectory() ?? false);
      const directory = (oflags & Open.directory) !== 0;
      const truncate = (oflags & Open.truncate) !== 0;
      const writing = (rights & Right.writing) !== 0n;
      if (create && directory) return Errno.inval;
      if (create && (oflags & Open.exclusive) !== 0 && (stat || isDirectory)) return Errno.exist;
      descriptors.reserve();
      if (isDirectory) {
        // Rights that only a file can use are simply not there; asking for the content is the mistake.
        if (truncate || (rights & Right.write) !== 0n) return Errno.isdir;
        memory.setU32(
          result,
          descriptors.add({
            kind: 'directory',
            path: place.path,
            preopen: null,
            rights,
            inheriting,
            entries: null,
          }),
        );
        return;
      }
      if (!stat && !create) return Errno.noent;
      if (stat?.isSymbolicLink()) return Errno.loop;
      if (directory || place.mustBeDirectory) return Errno.notdir;
      // A pipe or device of the host could block us or worse.
      if (stat && !stat.isFile()) return Errno.notsup;
      if (place.readOnly && (writing || truncate || !stat)) return Errno.rofs;
      const append = (fdflags & FdFlag.append) !== 0;
      const readable = (rights & Right.read) !== 0n;
      const hostFd = openSync(
        place.hostPath!,
        (writing || truncate ? (readable ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY) |
          (stat ? 0 : constants.O_CREAT | constants.O_EXCL) |
          (truncate ? constants.O_TRUNC : 0) |
          (append ? constants.O_APPEND : 0) |
          ((fdflags & (FdFlag.sync | FdFlag.dsync)) !== 0 ? constants.O_SYNC ?? 0 : 0) |
          // The walk has seen every link; one that appears now is an attack.
          (constants.O_NOFOLLOW ?? 0),
        0o644,
      );
      const file = { hostFd, readable, writable: writing, rights, inheriting, flags: fdflags, position: 0 };
      memory.setU32(result, descriptors.add({ kind: 'file', ...file }));
    },
    path_filestat_get(fd: number, lookup: number, pointer: number, length: number, result: number) {
      const place = walk(fd, pointer, length, (lookup & FOLLOW) !== 0);
      if (place.hostPath === null) return putFilestat(memory, result, FileType.directory, null);
      const stat = bigStat(place.hostPath);
      if (!stat) return Errno.noent;
      putFilestat(memory, result, fileType(stat), stat);
    },
    path_filestat_set_times(
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      atime: bigint,
      mtime: bigint,
      flags: number,
    ) {
      const place = walk(fd, pointer, length, (lookup & FOLLOW) !== 0);
      if (place.hostPath === null || place.readOnly) return Errno.rofs;
      const stat = bigStat(place.hostPath);
      if (!stat) return Errno.noent;
      if (stat.isSymbolicLink()) return Errno.notsup;
      const times = newTimes(stat, atime, mtime, flags);
      utimesSync(place.hostPath, times.atime, times.mtime);
    },
    path_create_directory(fd: number, pointer: number, length: number) {
      const place = walk(fd, pointer, length, false, true);
      if (place.hostPath === null || lstat(place.hostPath)) return Errno.exist;
      mkdirSync(changeable(place), 0o755);
    },
    path_remove_directory(fd: number, pointer: number, length: number) {
      const place = walk(fd, pointer, length, false);
      const hostPath = changeable(place);
      const stat = lstat(hostPath);
      if (!stat) return Errno.noent;
      if (!stat.isDirectory()) return Errno.notdir;
      rmdirSync(hostPath);
    },
    path_unlink_file(fd: number, pointer: number, length: number) {
      const place = walk(fd, pointer, length, false);
      const hostPath = changeable(place);
      const stat = lstat(hostPath);
      if (!stat) return Errno.noent;
      if (stat.isDirectory()) return Errno.isdir;
      if (place.mustBeDirectory) return Errno.notdir;
      unlinkSync(hostPath);
    },
    path_rename(
      fd: number,
      pointer: number,
      length: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) {
      const from = changeable(walk(fd, pointer, length, false));
      const to = changeable(walk(newFd, newPointer, newLength, false, true));
      renameSync(from, to);
    },
    path_readlink(fd: number, pointer: number, length: number, buffer: number, size: number, result: number) {
      const place = walk(fd, pointer, length, false);
      if (place.hostPath === null) return Errno.inval;
      const target = Buffer.from(readlinkSync(place.hostPath));
      // A host path is none of the guest's business, and it could not follow it.
      if (target[0] === 0x2f) return Errno.notcapable;
      const part = target.subarray(0, size >>> 0);
      memory.bytes(buffer, part.length).set(part);
      memory.setU32(result, part.length);
    },
  };
};
