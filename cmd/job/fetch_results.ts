/**
 * Results, from their URLs into a folder (job-spec.md 5.6): archives are unpacked as they come, into a fresh folder below the
 * target, and moved from there when all is well: `stdout`, `stderr` and `exitCode` of several results are appended in their
 * order, any other name clash is an error that leaves the target as it was. Nothing is removed but that fresh folder.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdir, mkdtemp, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BacalhauError } from '../../mod/model/mod.ts';
import { ArchiveError, limitBytes, unpackArchive } from '../../runtime/archive.ts';
import { openResult, rawFileName } from './download.ts';

const APPENDED = ['stdout', 'stderr', 'exitCode'];
const MAX_ENTRIES = 1_000_000;
/** Of the disk, for others. */
const RESERVE = 64 * 2 ** 20;

export interface FetchOptions {
  /** Exists. */
  readonly folder: string;
  /** Bytes of all results, unpacked; 0 = as much as the disk has free. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Told of what an archive has and is left out. */
  readonly skipped: (name: string, why: string) => void;
}

/** @throws BacalhauError that names the URL or the file */
export async function fetchResults(urls: readonly string[], options: FetchOptions): Promise<void> {
  const { folder, signal, skipped } = options;
  const fresh = await mkdtemp(join(folder, '.job-get-'));
  const all = join(fresh, 'all');
  const one = join(fresh, 'one');
  try {
    await mkdir(all);
    let used = 0;
    for (const url of urls) {
      await mkdir(one);
      const maxBytes = await room(options, used);
      used += await fetchOne(url, options, async (content) => {
        const name = rawFileName(url);
        if (!/\.(tar\.gz|tgz)$/.test(name)) return await save(content, join(one, name), maxBytes, signal);
        const limits = { maxBytes, maxEntries: MAX_ENTRIES };
        return (await unpackArchive(content, one, limits, signal, skipped)).bytes;
      });
      await moveInto(one, all, APPENDED);
      await rm(one, { recursive: true });
    }
    await moveInto(all, folder, []);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Keeps each result as it comes, in files that did not exist before. */
export async function fetchRaw(urls: readonly string[], options: FetchOptions): Promise<void> {
  let used = 0;
  for (const url of urls) {
    const file = join(options.folder, rawFileName(url));
    const maxBytes = await room(options, used);
    used += await fetchOne(url, options, (content) => save(content, file, maxBytes, options.signal));
  }
}

async function room({ folder, maxBytes }: FetchOptions, used: number): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.max(0, Math.min(bavail * bsize - RESERVE, (maxBytes || Infinity) - used));
}

async function fetchOne(
  url: string,
  { signal }: FetchOptions,
  take: (content: AsyncIterable<Uint8Array>) => Promise<number>,
): Promise<number> {
  try {
    return await take(await openResult(url, signal));
  } catch (cause) {
    if (signal.aborted || cause instanceof BacalhauError) throw cause;
    const full = cause instanceof ArchiveError && cause.kind === 'limit';
    throw new BacalhauError('IOError', `Cannot fetch "${url}": ${(cause as Error).message}`, {
      hint: full
        ? 'Free some disk, choose another one with --output-dir, or see the key ResultDownloaders.MaxSize.'
        : 'Use --raw to keep the archives as they are.',
      cause,
    });
  }
}

/** @returns bytes; a file that could not be written whole is removed again */
async function save(
  content: AsyncIterable<Uint8Array>,
  file: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<number> {
  const to = createWriteStream(file, { flags: 'wx' });
  try {
    await pipeline(content, limitBytes(maxBytes), to, { signal });
    return to.bytesWritten;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await rm(file, { force: true });
    throw error;
  }
}

/** Moves all that is in `from`. @throws BacalhauError before anything was moved, naming a file that is there already */
async function moveInto(from: string, into: string, append: readonly string[]): Promise<void> {
  for await (const { target, clash } of pairs(from, into, append)) {
    if (clash) {
      throw new BacalhauError('IOError', `Cannot write "${target}": it exists already`, {
        hint: 'Use --raw to keep each result apart, or --output-dir with another folder.',
      });
    }
  }
  for await (const { source, target, there } of pairs(from, into, append)) {
    if (there) await pipeline(createReadStream(source), createWriteStream(target, { flags: 'a' }));
    else await rename(source, target);
  }
}

interface Pair {
  readonly source: string;
  readonly target: string;
  readonly there: boolean;
  readonly clash: boolean;
}

/** What has to be moved: a folder as a whole where there is none of its name, otherwise what it holds. */
async function* pairs(from: string, into: string, append: readonly string[]): AsyncGenerator<Pair> {
  for (const name of (await readdir(from)).sort()) {
    const source = join(from, name);
    const target = join(into, name);
    const [own, other] = await Promise.all([lstat(source), lstat(target).catch(() => undefined)]);
    if (own.isDirectory() && other?.isDirectory()) yield* pairs(source, target, []);
    else {
      const appends = append.includes(name) && own.isFile() && other?.isFile();
      yield { source, target, there: other !== undefined, clash: other !== undefined && !appends };
    }
  }
}
