/**
 * Unpacks downloaded archives and moves their content into one folder (job-spec.md 5.6): `stdout`, `stderr` and `exitCode`
 * of several executions are appended in the order of the results, any other name clash is an error. Everything is checked
 * before anything is moved, so a clash leaves the folder as it was.
 */
import { createReadStream, existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { BacalhauError } from '../../mod/model/mod.ts';
import { unpackArchive } from '../../runtime/archive.ts';

const APPENDED = ['stdout', 'stderr', 'exitCode'];
const MAX_BYTES = 2 ** 50;

interface Found {
  /** Relative to the folder of its archive. */
  readonly name: string;
  readonly path: string;
}

async function below(folder: string): Promise<{ files: Found[]; folders: string[] }> {
  const files: Found[] = [];
  const folders: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (entry.isDirectory()) folders.push(name);
    else if (entry.isFile()) files.push({ path, name });
  }
  return { files: files.sort((a, b) => (a.name < b.name ? -1 : 1)), folders };
}

async function unpack(archive: string, signal: AbortSignal): Promise<string> {
  const folder = `${archive}.d`;
  await mkdir(folder, { recursive: true });
  try {
    await unpackArchive(createReadStream(archive), folder, { maxBytes: MAX_BYTES }, signal);
  } catch (cause) {
    throw new BacalhauError('IOError', `Cannot unpack "${archive}": ${(cause as Error).message}`, {
      hint: 'Use --raw to keep the archives as they are.',
      cause,
    });
  }
  return folder;
}

/** @throws BacalhauError naming the first file that exists already or that two results have */
function refuseClashes(files: readonly Found[], folder: string): void {
  const seen = new Set<string>();
  for (const { name } of files) {
    const again = seen.has(name) && !APPENDED.includes(name);
    if (again || existsSync(join(folder, name))) {
      throw new BacalhauError(
        'IOError',
        `Cannot write "${join(folder, name)}": ${again ? 'two results have it' : 'it exists already'}`,
        {
          hint: 'Use --raw to keep each result apart, or --output-dir with another folder.',
        },
      );
    }
    seen.add(name);
  }
}

/** @param archives downloaded files, in the order of the results */
export async function mergeResults(
  archives: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const files: Found[] = [];
  const folders: string[] = [];
  for (const archive of archives) {
    if (/\.(tar\.gz|tgz)$/.test(archive)) {
      const found = await below(await unpack(archive, signal));
      files.push(...found.files);
      folders.push(...found.folders);
    } else {
      files.push({ path: archive, name: relative(dirname(archive), archive) });
    }
  }
  refuseClashes(files, folder);
  // A result path that stayed empty is a result, too.
  for (const name of folders) await mkdir(join(folder, name), { recursive: true });
  const written = new Set<string>();
  for (const { name, path } of files) {
    const target = join(folder, name);
    await mkdir(dirname(target), { recursive: true });
    if (written.has(name)) await appendFile(target, await readFile(path));
    else await rename(path, target);
    written.add(name);
  }
}
