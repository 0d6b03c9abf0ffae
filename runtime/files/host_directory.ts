/**
 * A directory of the host as the walk through the guest's tree holds it: by handle where the system can, so that
 * whatever happens to names meanwhile, "`name` in this directory" means just that.
 *
 * - Linux: an `O_PATH` handle; `/proc/self/fd/N/name` behaves as `openat(N, name)` does. No exchange of links or
 *   directories, before or during a call, leads anywhere else. A file is looked at through a handle before it is opened,
 *   so no pipe or device is ever opened.
 * - Elsewhere (and on Linux without `/proc`): by path. Each component is looked at before it is used, opening never
 *   follows a link in the last one (macOS: in any), and what was opened must be what was looked at. That leaves a gap of
 *   microseconds in which another process of the host, not the guest (which has one thread, and it waits for us), could
 *   exchange a directory above for a link.
 */
import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { byHandle, handlePath } from './handle_path.ts';
import { openStat } from './host_stat.ts';

/** One of the host's directories; `close` as often as it was opened or shared. */
export interface HostDirectory {
  /** A path of the directory itself. */
  readonly self: string;
  /** A path of `name` (one plain component) in it, for calls that do not follow a link at the end. */
  at(name: string): string;
  /** The directory of that name; `missing`, or `other` for a link or anything else that is none. */
  open(name: string): HostDirectory | 'missing' | 'other';
  /** The regular file of that name. @throws Error with the code ENOTSUP for pipes and devices, ELOOP for a link, EISDIR */
  file(name: string): HostFile;
  share(): HostDirectory;
  close(): void;
}

/** A regular file that was looked at, and can be opened as just that file. */
export interface HostFile {
  /** For `stat`. */
  readonly path: string;
  open(flags: number): number;
  close(): void;
}

/** Not in `constants`; the same on all of Linux. */
export const O_PATH = 0o10000000;
/** macOS only. */
const O_NOFOLLOW_ANY = process.platform === 'darwin' ? 0x20000000 : 0;
const NOFOLLOW = (constants.O_NOFOLLOW ?? 0) | O_NOFOLLOW_ANY;

/** @param path a real path (without links) of the host */
export function hostDirectory(path: string): HostDirectory {
  return byHandle
    ? new DirectoryHandle(openSync(path, O_PATH | constants.O_DIRECTORY))
    : new DirectoryPath(path);
}

/** @param path a real path (without links) of the host */
export function hostFile(path: string): HostFile {
  return byHandle ? new FileHandle(path) : new FilePath(path);
}

/** Makes a new file. @throws what the host says; EEXIST when there is anything of that name */
export function createFile(path: string, flags: number): number {
  return openSync(path, flags | constants.O_CREAT | constants.O_EXCL | NOFOLLOW, 0o644);
}

/** The same open file with other flags, at the same time as `fd`; null where the host cannot. */
export function reopen(fd: number, flags: number): number | null {
  const path = handlePath(fd);
  return path === null ? null : openSync(path, flags);
}

class DirectoryHandle implements HostDirectory {
  readonly self: string;
  readonly #fd: number;
  readonly #prefix: string;
  #users = 1;

  constructor(fd: number) {
    this.#fd = fd;
    this.#prefix = `/proc/self/fd/${fd}/`;
    this.self = `${this.#prefix}.`;
  }

  at(name: string): string {
    return this.#prefix + name;
  }

  open(name: string): HostDirectory | 'missing' | 'other' {
    try {
      return new DirectoryHandle(
        openSync(this.#prefix + name, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW),
      );
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === 'ENOENT') return 'missing';
      if (code === 'ENOTDIR' || code === 'ELOOP') return 'other';
      throw error;
    }
  }

  file(name: string): HostFile {
    return new FileHandle(this.#prefix + name);
  }

  share(): HostDirectory {
    // Its number may be that of something else by now.
    if (this.#users === 0) throw refused('EBADF', 'the folder was closed');
    this.#users++;
    return this;
  }

  close(): void {
    if (--this.#users === 0) closeSync(this.#fd);
  }
}

class FileHandle implements HostFile {
  readonly path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
    this.path = `/proc/self/fd/${this.#fd}`;
    try {
      demandFile(openStat(this.#fd));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  open(flags: number): number {
    return openSync(this.path, flags);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

class DirectoryPath implements HostDirectory {
  constructor(readonly self: string) {}

  at(name: string): string {
    return join(this.self, name);
  }

  open(name: string): HostDirectory | 'missing' | 'other' {
    const path = this.at(name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat ? stat.isDirectory() ? new DirectoryPath(path) : 'other' : 'missing';
  }

  file(name: string): HostFile {
    return new FilePath(this.at(name));
  }

  share(): HostDirectory {
    return this;
  }

  close(): void {}
}

class FilePath implements HostFile {
  constructor(readonly path: string) {
    demandFile(lstatSync(path));
  }

  open(flags: number): number {
    const seen = lstatSync(this.path, { bigint: true });
    // Cut only after it is known to be the file that was seen.
    const fd = openSync(this.path, (flags & ~constants.O_TRUNC) | NOFOLLOW | (constants.O_NONBLOCK ?? 0));
    try {
      const opened = fstatSync(fd, { bigint: true });
      demandFile(opened);
      if (opened.ino !== seen.ino || opened.dev !== seen.dev) throw refused('ELOOP', 'it was exchanged');
      if ((flags & constants.O_TRUNC) !== 0) ftruncateSync(fd, 0);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  close(): void {}
}

interface Kind {
  isFile(): boolean;
  isSymbolicLink(): boolean;
  isDirectory(): boolean;
}

/** Opening a pipe or device of the host could block us or worse. */
function demandFile(stat: Kind): void {
  if (stat.isFile()) return;
  if (stat.isSymbolicLink()) throw refused('ELOOP', 'it is a link');
  throw stat.isDirectory()
    ? refused('EISDIR', 'it is a folder')
    : refused('ENOTSUP', 'it is neither a file nor a folder');
}

/** As the system's own errors are. */
export function refused(code: string, why: string): Error {
  return Object.assign(new Error(`${code}: ${why}`), { code });
}

/** Whether a path of the host is a directory. */
export function isDirectory(path: string): boolean {
  return statSync(path).isDirectory();
}
