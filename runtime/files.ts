/**
 * The few file operations that the compute node needs, as one object, so that a test or a simulation can hand in files
 * that fail, or that never settle after a crash. The real ones are `node:fs`.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, type Stats } from 'node:fs';
import { copyFile, lstat, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Files {
  /** Makes a folder and its parents, readable by this user only; fine when it exists. */
  makeFolder(path: string): Promise<void>;
  /** Removes a file or a folder with all below it; fine when it is absent. Links are removed, not followed. */
  remove(path: string): Promise<void>;
  /** Names in a folder, sorted; none when it is absent. */
  names(path: string): Promise<readonly string[]>;
  /** Bytes that a file, or all files below a folder, take on the disk; 0 when it is absent. Links are not followed. */
  usage(path: string): Promise<number>;
  /** Bytes of a file, or null when there is none. */
  size(path: string): Promise<number | null>;
  /** Writes under a temporary name, syncs and renames: after a crash there is the whole file or the one before. */
  write(path: string, data: Uint8Array | string): Promise<void>;
  /** Copies a file over whatever file is there; nothing when there is none to copy. */
  copy(from: string, to: string): Promise<void>;
  /** Syncs a file, or a folder with all below it, to the disk. Links are not followed. */
  sync(path: string): Promise<void>;
  /** Free bytes on the file system that holds `path`. */
  free(path: string): Promise<number>;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Windows refuses to sync what was opened for reading; its folders need no sync.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  } finally {
    await handle.close();
  }
}

async function syncTree(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isDirectory()) {
    for (const name of await readdir(path)) await syncTree(join(path, name));
  } else if (!entry.isFile()) return;
  await sync(path);
}

async function orNull<T>(attempt: Promise<T>): Promise<T | null> {
  try {
    return await attempt;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Sparse files count what they hold; a file that has several names counts once. */
async function usage(path: string, seen: Set<string>): Promise<number> {
  const entry = await orNull(lstat(path));
  if (entry === null) return 0;
  if (entry.isDirectory()) {
    let sum = allocated(entry);
    // Names may come and go meanwhile: what is gone counts nothing.
    for (const name of await orNull(readdir(path)) ?? []) sum += await usage(join(path, name), seen);
    return sum;
  }
  if (entry.nlink > 1) {
    const id = `${entry.dev}:${entry.ino}`;
    if (seen.has(id)) return 0;
    seen.add(id);
  }
  return allocated(entry);
}

/** Windows knows no blocks. */
function allocated({ blocks, size }: Stats): number {
  return Number.isFinite(blocks) ? blocks * 512 : size;
}

export const realFiles: Files = {
  // On the spot: a few microseconds, against a hop to another thread and back.
  async makeFolder(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  remove: (path) => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  async names(path) {
    return (await orNull(readdir(path)) ?? []).sort();
  },
  usage: (path) => usage(path, new Set()),
  async size(path) {
    return (await orNull(stat(path)))?.size ?? null;
  },
  async write(path, data) {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    await writeFile(temporary, data, { flush: true });
    await rename(temporary, path);
    await sync(dirname(path));
  },
  async copy(from, to) {
    await orNull(copyFile(from, to));
  },
  sync: syncTree,
  async free(path) {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};
