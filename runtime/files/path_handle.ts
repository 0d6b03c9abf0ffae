/**
 * A file or folder that is held from its check to its use, so that names exchanged meanwhile change nothing: what was
 * checked is what its handle names, and {@link PathHandle.place} leads other processes to just that.
 */
import { closeSync, constants, openSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { byHandle, handlePath } from './handle_path.ts';
import { O_PATH } from './host_directory.ts';
import { hostStat, openStat } from './host_stat.ts';
import type { HostStat } from './native.ts';

/** Holds a file or folder of the host from its check to its use, whatever its name leads to meanwhile. */
export class PathHandle implements Disposable {
  /** Where it really is; no part of it is a link. */
  readonly path: string;
  readonly isFolder: boolean;
  readonly isFile: boolean;
  /** Device and inode, which nothing else has while it is held. */
  readonly identity: string;
  #fd: number | null;

  /**
   * @param path what it leads to is held, which may be what a link leads to
   * @param follow false: a link at the end is refused
   * @throws the error of the file system
   */
  constructor(path: string, follow = true) {
    const flags = O_PATH | (follow ? 0 : constants.O_NOFOLLOW ?? 0);
    this.#fd = byHandle ? openSync(path, flags) : null;
    const stat = this.#fd === null ? statSync(path, { bigint: true }) : openStat(this.#fd);
    this.path = this.#fd === null ? realpathSync(path) : readlinkSync(handlePath(this.#fd)!);
    this.isFolder = stat.isDirectory();
    this.isFile = stat.isFile();
    this.identity = identityOf(stat);
  }

  /** A path of the thing itself for another process that sees this one; its name where the system has no such paths. */
  get place(): string {
    return this.#fd === null ? this.path : `/proc/${readlinkSync('/proc/self')}/fd/${this.#fd}`;
  }

  /** @throws Error when its name leads to something else by now, or nowhere */
  check(): void {
    const now = hostStat(this.path);
    if (now && identityOf(now) === this.identity) return;
    throw Object.assign(new Error(`"${this.path}" was moved or exchanged since it was checked`), {
      code: 'ESTALE',
    });
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/** What {@link PathHandle.identity} is of an open file. */
export function identityOf({ dev, ino }: Pick<HostStat, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}
