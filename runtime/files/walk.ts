/** Steps of a walk by handles: into a folder, and over all below it. */
import { chmodSync, constants, mkdirSync, type Stats } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import process from 'node:process';
import { type HostDirectory, refused } from './host_directory.ts';

/** What a visit comes to; valid during the visit. */
export interface Entry {
  readonly stat: Stats;
  /** A path of the folder itself; of anything else one for calls that do not follow a link at the end. */
  readonly path: string;
  /** Changes the rights of a file or folder. @throws Error when it was exchanged for a link */
  chmod(mode: number): void;
}

export type Visitor = (entry: Entry) => void | Promise<void>;

export const NOFOLLOW = constants.O_NOFOLLOW ?? 0;
/** Folders in folders; each takes a descriptor while it is visited. */
const MAX_DEPTH = 256;

/**
 * The folder `name` in a folder, to be closed.
 * @param make first, with these rights, unless there is anything of that name
 * @throws Error with the code ENOENT, or ENOTDIR for a file or a link
 */
export function enter(folder: HostDirectory, name: string, make?: number): HostDirectory {
  if (make !== undefined) {
    try {
      mkdirSync(folder.at(name), make);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const found = name === '.' ? folder.share() : folder.open(name);
  if (found === 'missing') throw refused('ENOENT', `there is no folder "${name}"`);
  if (found === 'other') throw refused('ENOTDIR', `"${name}" is no folder; links are not followed`);
  return found;
}

/** What is at a name; if deep, after all below it. What goes meanwhile is not visited. */
export async function visit(
  folder: HostDirectory,
  name: string,
  use: Visitor,
  deep: boolean,
  depth = 0,
): Promise<void> {
  const stat = await orNull(lstat(folder.at(name)));
  if (stat === null) return;
  if (!stat.isDirectory()) {
    const chmod = (mode: number) => {
      const file = folder.file(name);
      try {
        chmodSync(file.path, mode);
      } finally {
        file.close();
      }
    };
    return await use({ stat, path: folder.at(name), chmod });
  }
  if (depth > MAX_DEPTH) throw refused('ENAMETOOLONG', `folders are nested deeper than ${MAX_DEPTH}`);
  const below = enter(folder, name);
  try {
    const names = deep ? await orNull(readdir(below.self)) : null;
    for (const child of names ?? []) await visit(below, child, use, deep, depth + 1);
    await use({ stat, path: below.self, chmod: (mode) => chmodSync(below.self, mode) });
  } finally {
    below.close();
  }
}

async function orNull<T>(attempt: Promise<T>): Promise<T | null> {
  try {
    return await attempt;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A file or folder, not a link. */
export async function syncPath(path: string): Promise<void> {
  // Windows refuses to open folders and to sync what was opened for reading; its folders need no sync.
  const tolerated = (error: NodeJS.ErrnoException) => {
    if (process.platform !== 'win32' || !['EISDIR', 'EPERM'].includes(error.code ?? '')) throw error;
  };
  const flags = constants.O_RDONLY | NOFOLLOW | (constants.O_NONBLOCK ?? 0);
  const handle = await open(path, flags).catch(tolerated);
  await handle?.sync().catch(tolerated).finally(() => handle.close());
}

/** The error with the path that was meant, instead of that of a handle. */
export function named(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !error.message.includes('/proc/self/fd/')) return error;
  const message = error.message.replaceAll(/\/proc\/self\/fd\/\d+(?:\/[^']*)?/g, path);
  return Object.assign(new Error(message, { cause: error }), { code: (error as NodeJS.ErrnoException).code });
}
