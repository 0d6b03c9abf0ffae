/**
 * Single steps by a name in a folder, at once: for a process whose only work they are, and for what is small. The folder is
 * its caller's, and is to be there; what its last part names is never followed as a link.
 */
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { type HostDirectory, hostDirectory } from './host_directory.ts';
import { isPlainName } from './name.ts';
import { enter, named, NOFOLLOW } from './walk.ts';

/**
 * Opens a file; made for this user only where the flags (of `node:fs`) say so.
 * @throws the error of the file system
 */
export function openNow(path: string, flags: number, mode = 0o600): number {
  return at(path, (folder, name) => openSync(folder.at(name), flags | NOFOLLOW, mode));
}

/** Writes a new file. @throws EEXIST */
export function writeNow(path: string, data: Uint8Array, mode: number): void {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = openNow(path, O_WRONLY | O_CREAT | O_EXCL, mode);
  try {
    for (let done = 0; done < data.length;) done += writeSync(file, data, done);
  } finally {
    closeSync(file);
  }
}

/** Cuts a file to so many bytes. */
export function truncateNow(path: string, bytes: number): void {
  const file = openNow(path, constants.O_WRONLY);
  try {
    ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

/** Makes a folder, or takes the one that is there, with just these rights. @throws ENOTDIR for a link or a file */
export function makeFolderNow(path: string, mode = 0o700): void {
  at(path, (folder, name) => {
    const made = enter(folder, name, mode);
    try {
      chmodSync(made.self, mode);
    } finally {
      made.close();
    }
  });
}

/** Renames within a folder, over whatever file is there. */
export function renameNow(path: string, newName: string): void {
  at(path, (folder, name) => renameSync(folder.at(name), folder.at(plain(newName))));
}

/** Removes whatever it is, with all below it; fine when it is absent. */
export function removeNow(path: string): void {
  at(path, (folder, name) => rmSync(folder.at(name), { recursive: true, force: true }));
}

function at<T>(path: string, use: (folder: HostDirectory, name: string) => T): T {
  const name = plain(basename(path));
  const folder = hostDirectory(dirname(path));
  try {
    return use(folder, name);
  } catch (error) {
    throw named(error, path);
  } finally {
    folder.close();
  }
}

function plain(name: string): string {
  if (isPlainName(name)) return name;
  throw Object.assign(new Error(`Cannot use "${name}" as the name of a file`), { code: 'EINVAL' });
}
