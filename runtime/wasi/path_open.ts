/** WASI preview 1: `path_open`. */
import { closeSync, constants } from 'node:fs';
import { type Descriptors, inherited } from './descriptors.ts';
import { Errno, WasiError } from './errno.ts';
import { ALL_FLAGS, hostFlags } from './file_io.ts';
import type { Family } from './host.ts';
import { createFile } from '../files/mod.ts';
import { DIRECTORY_RIGHTS, FILE_RIGHTS, Right, WRITING_RIGHTS } from './rights.ts';
import { type Place, release } from './tree.ts';

export const FOLLOW = 1;
const Open = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;

interface Wanted {
  readonly oflags: number;
  readonly rights: bigint;
  readonly inheriting: bigint;
  readonly flags: number;
}

export const pathOpen: Family = ({ memory, descriptors, tree }) => ({
  path_open(
    fd: number,
    lookup: number,
    pointer: number,
    length: number,
    oflags: number,
    rightsBase: bigint,
    rightsInheriting: bigint,
    flags: number,
    result: number,
  ) {
    const create = (oflags & Open.create) !== 0;
    const parent = descriptors.directory(
      fd,
      Right.pathOpen | (create ? Right.pathCreateFile : 0n) |
        ((oflags & Open.truncate) !== 0 ? Right.pathFilestatSetSize : 0n),
    );
    if (oflags >>> 0 > 15 || flags >>> 0 > ALL_FLAGS) return Errno.inval;
    if (create && (oflags & Open.directory) !== 0) return Errno.inval;
    const wanted = {
      oflags,
      flags,
      rights: inherited(parent, rightsBase),
      // What is asked for beyond what there is, is not there: nothing was opened with it yet.
      inheriting: BigInt.asUintN(64, rightsInheriting) & parent.inheriting,
    };
    const path = memory.path(pointer, length);
    memory.check(result, 4);
    descriptors.reserve();
    const follow = (lookup & FOLLOW) !== 0 && !(create && (oflags & Open.exclusive) !== 0);
    const opened = tree.walk(parent.location, path, follow, (place) => open(place, wanted, descriptors));
    memory.setU32(result, opened);
  },
});

function open(place: Place, wanted: Wanted, descriptors: Descriptors): number {
  const { oflags } = wanted;
  const stat = place.stat();
  const exists = stat !== null || place.virtual;
  if (exists && (oflags & Open.exclusive) !== 0 && (oflags & Open.create) !== 0) {
    throw new WasiError(Errno.exist);
  }
  if (stat?.isDirectory() || place.virtual) return openDirectory(place, wanted, descriptors);
  if (!stat && (oflags & Open.create) === 0) throw new WasiError(Errno.noent);
  if (stat?.isSymbolicLink()) throw new WasiError(Errno.loop);
  if (stat && ((oflags & Open.directory) !== 0 || place.mustBeDirectory)) throw new WasiError(Errno.notdir);
  // A new file cannot be named as a directory.
  if (place.mustBeDirectory) throw new WasiError(Errno.isdir);
  return openFile(place, stat !== null, wanted, descriptors);
}

function openDirectory(place: Place, wanted: Wanted, descriptors: Descriptors): number {
  const { oflags, rights, inheriting, flags } = wanted;
  // Rights that only a file can use are simply not there; asking to change the content is the mistake.
  if ((oflags & (Open.truncate | Open.create)) !== 0 || (rights & Right.fdWrite) !== 0n) {
    throw new WasiError(Errno.isdir);
  }
  // Go opens directories without the right to cut files through them, and then cuts files: who may hand it on, has it.
  const cutting = (rights & Right.pathOpen) !== 0n ? inheriting & Right.pathFilestatSetSize : 0n;
  const location = place.location();
  try {
    return descriptors.add({
      kind: 'directory',
      location,
      preopen: null,
      rights: rights & DIRECTORY_RIGHTS | cutting,
      inheriting,
      flags,
      names: null,
    });
  } catch (error) {
    release(location);
    throw error;
  }
}

/** Why the host lets nobody write to a file. */
const UNWRITABLE: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS', 'ETXTBSY'];

function openFile(place: Place, exists: boolean, wanted: Wanted, descriptors: Descriptors): number {
  const truncate = (wanted.oflags & Open.truncate) !== 0;
  const writing = (wanted.rights & Right.fdWrite) !== 0n || truncate || !exists;
  if (place.readOnly && writing) throw new WasiError(Errno.rofs);
  const rights = wanted.rights & FILE_RIGHTS;
  // Go asks for the right to resize and to date a file with every open for reading: where nothing can be changed, the
  // file is opened without them.
  const reading = rights & ~WRITING_RIGHTS;
  if (place.readOnly) return openWith(place, exists, { ...wanted, rights: reading }, descriptors);
  try {
    return openWith(place, exists, { ...wanted, rights }, descriptors);
  } catch (error) {
    if (writing || rights === reading || !UNWRITABLE.includes((error as { code?: string }).code)) throw error;
    return openWith(place, exists, { ...wanted, rights: reading }, descriptors);
  }
}

function openWith(place: Place, exists: boolean, wanted: Wanted, descriptors: Descriptors): number {
  const { oflags, rights, inheriting, flags } = wanted;
  const writing = (rights & WRITING_RIGHTS) !== 0n;
  const readable = (rights & Right.fdRead) !== 0n;
  const truncate = (oflags & Open.truncate) !== 0;
  // Cutting a file takes a handle to write, even where the guest gets none.
  const access = writing && !readable
    ? constants.O_WRONLY
    : writing || truncate
    ? constants.O_RDWR
    : constants.O_RDONLY;
  const hostFd = exists
    ? place.openFile(access | hostFlags(flags) | (truncate ? constants.O_TRUNC : 0))
    : createFile(place.changeable(), access | hostFlags(flags));
  try {
    return descriptors.add({
      kind: 'file',
      hostFd,
      access,
      readOnly: place.readOnly,
      rights,
      inheriting: inheriting & FILE_RIGHTS,
      flags,
      position: 0,
    });
  } catch (error) {
    closeSync(hostFd);
    throw error;
  }
}
