/** WASI preview 1: `path_*` other than `path_open`. Every name goes through tree.ts first. */
import { Buffer } from 'node:buffer';
import { linkSync, mkdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { Errno, WasiError } from './errno.ts';
import { FileType, putFilestat, putVirtualFilestat, setTimes } from './filestat.ts';
import type { Family } from './host.ts';
import { FOLLOW } from './path_open.ts';
import { Right } from './rights.ts';
import { absoluteRefused, type Place } from './tree.ts';

/** @throws WasiError EEXIST, or ENOENT for a name that only a directory could have */
function demandFree(place: Place): void {
  const stat = place.stat();
  if (place.mustBeDirectory && (!stat || !stat.isDirectory()) && !place.virtual) {
    throw new WasiError(stat ? Errno.notdir : Errno.noent);
  }
  if (stat || place.virtual) throw new WasiError(Errno.exist);
}

/** @throws WasiError EXDEV: mounts are file systems of their own, or one that is read-only could be written through another */
function demandSameMount(from: Place, to: Place): void {
  if (from.mount !== to.mount) throw new WasiError(Errno.xdev);
}

export const path: Family = ({ memory, descriptors, tree }) => {
  const walk = <T>(
    [fd, right]: readonly [number, bigint],
    [pointer, length]: readonly [number, number],
    follow: boolean,
    use: (place: Place) => T,
  ): T => tree.walk(descriptors.directory(fd, right).location, memory.path(pointer, length), follow, use);

  return {
    path_filestat_get(fd: number, lookup: number, pointer: number, length: number, result: number) {
      return walk([fd, Right.pathFilestatGet], [pointer, length], (lookup & FOLLOW) !== 0, (place) => {
        const stat = place.stat();
        if (stat) {
          if (place.mustBeDirectory && !stat.isDirectory()) return Errno.notdir;
          return putFilestat(memory, result, stat);
        }
        if (!place.virtual) return Errno.noent;
        putVirtualFilestat(memory, result, FileType.directory, place.id);
      });
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
      return walk([fd, Right.pathFilestatSetTimes], [pointer, length], (lookup & FOLLOW) !== 0, (place) => {
        const stat = place.stat();
        if (!stat) return place.virtual ? Errno.rofs : Errno.noent;
        if (place.mustBeDirectory && !stat.isDirectory()) return Errno.notdir;
        if (place.readOnly) return Errno.rofs;
        setTimes(stat, place.hostPath, null, { atime, mtime, flags });
      });
    },
    path_create_directory(fd: number, pointer: number, length: number) {
      walk([fd, Right.pathCreateDirectory], [pointer, length], false, (place) => {
        if (place.stat() || place.virtual) throw new WasiError(Errno.exist);
        mkdirSync(place.changeable(), 0o755);
      });
    },
    path_remove_directory(fd: number, pointer: number, length: number) {
      return walk([fd, Right.pathRemoveDirectory], [pointer, length], false, (place) => {
        if (place.name === '.') return Errno.inval;
        const stat = place.stat();
        if (!stat && !place.virtual) return Errno.noent;
        if (stat && !stat.isDirectory()) return Errno.notdir;
        rmdirSync(place.changeable());
      });
    },
    path_unlink_file(fd: number, pointer: number, length: number) {
      return walk([fd, Right.pathUnlinkFile], [pointer, length], false, (place) => {
        const stat = place.stat();
        if (stat?.isDirectory() || place.virtual) return Errno.isdir;
        if (!stat) return Errno.noent;
        if (place.mustBeDirectory) return Errno.notdir;
        unlinkSync(place.changeable());
      });
    },
    path_rename(
      fd: number,
      pointer: number,
      length: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) {
      return walk(
        [fd, Right.pathRenameSource],
        [pointer, length],
        false,
        (from) =>
          walk([newFd, Right.pathRenameTarget], [newPointer, newLength], false, (to) => {
            if (from.name === '.' || to.name === '.') return Errno.busy;
            const stat = from.stat();
            if (!stat && !from.virtual) return Errno.noent;
            if (stat && !stat.isDirectory() && (from.mustBeDirectory || to.mustBeDirectory)) {
              return Errno.notdir;
            }
            const [source, target] = [from.changeable(), to.changeable()];
            demandSameMount(from, to);
            renameSync(source, target);
          }),
      );
    },
    path_link(
      fd: number,
      lookup: number,
      pointer: number,
      length: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) {
      return walk(
        [fd, Right.pathLinkSource],
        [pointer, length],
        (lookup & FOLLOW) !== 0,
        (from) =>
          walk([newFd, Right.pathLinkTarget], [newPointer, newLength], false, (to) => {
            const stat = from.stat();
            if (!stat) return from.virtual ? Errno.perm : Errno.noent;
            if (stat.isDirectory()) return Errno.perm;
            if (from.mustBeDirectory) return Errno.notdir;
            demandFree(to);
            demandSameMount(from, to);
            linkSync(from.changeable(), to.changeable());
          }),
      );
    },
    path_symlink(
      targetPointer: number,
      targetLength: number,
      fd: number,
      pointer: number,
      length: number,
    ) {
      const target = memory.path(targetPointer, targetLength);
      if (target === '') return Errno.noent;
      if (target.includes('\0')) return Errno.inval;
      absoluteRefused(target);
      walk([fd, Right.pathSymlink], [pointer, length], false, (place) => {
        demandFree(place);
        symlinkSync(target, place.changeable());
      });
    },
    path_readlink(fd: number, pointer: number, length: number, buffer: number, size: number, result: number) {
      return walk([fd, Right.pathReadlink], [pointer, length], false, (place) => {
        const stat = place.stat();
        if (!stat && !place.virtual) return Errno.noent;
        if (place.hostPath === null || !stat?.isSymbolicLink()) return Errno.inval;
        // A host path is none of the guest's business, and it could not follow it.
        const target = Buffer.from(absoluteRefused(readlinkSync(place.hostPath)));
        const part = target.subarray(0, size >>> 0);
        memory.check(result, 4);
        memory.bytes(buffer, part.length).set(part);
        memory.setU32(result, part.length);
      });
    },
  };
};
