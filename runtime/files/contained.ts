/**
 * Files below one folder, and nowhere else: whatever a path says, and whatever links and folders are exchanged meanwhile.
 * A path is its folder plus plain names. It is walked one name at a time from a handle of the folder, links are never
 * followed, and each call is made in the folder that the walk holds (host_directory.ts). The one place of this program
 * that makes, writes, renames and removes what lies in the data directory; `test/architecture.test.ts` sees to that.
 */
import { randomBytes } from 'node:crypto';
import { constants, mkdirSync, realpathSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Files } from './files.ts';
import { type HostDirectory, hostDirectory } from './host_directory.ts';
import { isPlainName } from './name.ts';
import { PathHandle } from './path_handle.ts';
import { enter, named, NOFOLLOW, syncPath, visit, type Visitor } from './walk.ts';

/** All changes of files below one folder, by handles from that folder down. */
export class ContainedFiles implements Files, Disposable {
  readonly #root: HostDirectory;
  readonly #prefix: string;

  /**
   * @param root the operator's own path: links in it are followed
   * @param mode of the root and of folders above it where they are made; null: it is to be there
   * @throws the error of the file system
   */
  constructor(root: string, mode: number | null = 0o700) {
    if (mode !== null) mkdirSync(root, { recursive: true, mode });
    this.#root = hostDirectory(realpathSync(root));
    this.#prefix = join(root, sep);
  }

  /** Where the root that is held really is. */
  get real(): string {
    return realpathSync(this.#root.self);
  }

  [Symbol.dispose](): void {
    this.#root.close();
  }

  makeFolder(path: string, mode = 0o700): Promise<void> {
    return this.#in(
      path,
      (folder, name) => name === '.' ? undefined : enter(folder, name, mode).close(),
      mode,
    );
  }

  remove(path: string): Promise<void> {
    // Both runtimes remove trees by handles of their own and follow no link (Rust's and Zig's libraries do).
    return this.#ifThere(
      path,
      undefined,
      (folder, name) => rm(folder.at(name), { recursive: true, force: true, maxRetries: 3 }),
    );
  }

  names(path: string): Promise<readonly string[]> {
    return this.#ifThere(path, [], async (folder, name) => {
      const found = enter(folder, name);
      try {
        return (await readdir(found.self)).sort();
      } finally {
        found.close();
      }
    });
  }

  /** Sparse files count what they hold; a file that has several names counts once. */
  async usage(path: string): Promise<number> {
    const seen = new Set<string>();
    let sum = 0;
    const add: Visitor = ({ stat }) => {
      const id = `${stat.dev}:${stat.ino}`;
      if (!stat.isDirectory() && stat.nlink > 1 && seen.has(id)) return;
      seen.add(id);
      // Windows knows no blocks.
      sum += Number.isFinite(stat.blocks) ? stat.blocks * 512 : stat.size;
    };
    await this.visit(path, add).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENAMETOOLONG') throw error;
      sum = Infinity;
    });
    return sum;
  }

  async write(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const file = await this.create(temporary, mode);
      try {
        await file.writeFile(data);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await this.remove(temporary);
      throw error;
    }
    await this.rename(temporary, path);
  }

  async copy(from: string, to: string): Promise<void> {
    const file = await this.open(from, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (!file) return;
    try {
      await this.write(to, await file.readFile(), 0o644);
    } finally {
      await file.close();
    }
  }

  async sync(path: string): Promise<void> {
    await this.visit(path, async ({ stat, path }) => {
      if (stat.isFile() || stat.isDirectory()) await syncPath(path);
    });
  }

  free(path: string): Promise<number> {
    return this.#in(path, async (folder, name) => {
      const { bavail, bsize } = await statfs(folder.at(name));
      return bavail * bsize;
    });
  }

  /** A new file, to be closed. @throws EEXIST when there is anything of that name */
  create(path: string, mode = 0o600): Promise<FileHandle> {
    const { O_CREAT, O_EXCL, O_RDWR } = constants;
    return this.open(path, O_RDWR | O_CREAT | O_EXCL, mode);
  }

  /** @param flags of `node:fs` constants. @throws ELOOP for a link */
  open(path: string, flags: number, mode = 0o600): Promise<FileHandle> {
    return this.#in(path, (folder, name) => open(folder.at(name), flags | NOFOLLOW, mode));
  }

  /** Over whatever file is there; durable. */
  async rename(from: string, to: string): Promise<void> {
    await this.#in(from, (source, name) =>
      this.#in(to, async (target, newName) => {
        await rename(source.at(name), target.at(newName));
        await syncPath(target.self);
      }));
  }

  /** What is at a path, held; a link is refused. */
  hold(path: string): Promise<PathHandle> {
    return this.#in(path, (folder, name) => new PathHandle(folder.at(name), false));
  }

  /** What is at a path; if deep, after all below it. Links are not followed; what goes meanwhile is not visited. */
  visit(path: string, use: Visitor, deep = true): Promise<void> {
    return this.#ifThere(path, undefined, (folder, name) => visit(folder, name, use, deep));
  }

  #ifThere<T>(
    path: string,
    otherwise: T,
    use: (folder: HostDirectory, name: string) => Promise<T>,
  ): Promise<T> {
    return this.#in(path, use).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return otherwise;
      throw error;
    });
  }

  /** @param use in the folder of what the path ends with; the folder itself is `.` */
  async #in<T>(
    path: string,
    use: (folder: HostDirectory, name: string) => T | Promise<T>,
    make?: number,
  ): Promise<T> {
    const names = this.#names(path);
    const last = names.pop() ?? '.';
    let folder = this.#root.share();
    try {
      for (const name of names) {
        const next = enter(folder, name, make);
        folder.close();
        folder = next;
      }
      return await use(folder, last);
    } catch (error) {
      throw named(error, path);
    } finally {
      folder.close();
    }
  }

  /** @throws Error for a path that is anything but this folder and plain names */
  #names(path: string): string[] {
    if (join(path, sep) === this.#prefix) return [];
    const names = path.startsWith(this.#prefix)
      ? path.slice(this.#prefix.length).split(sep === '\\' ? /[\\/]/ : '/')
      : [''];
    if (names.every(isPlainName)) return names;
    throw Object.assign(
      new Error(`Cannot use "${path}": it is no path of plain names below "${this.#prefix}"`),
      { code: 'EINVAL' },
    );
  }
}
