/** Rights of what is mounted: images run as users of their own, which are strangers on this host. */
import { chmod, lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { RunRequest } from '../engine.ts';

const EVERYBODY_WRITES = 0o777;
const EVERYBODY_READS = 0o444;
const EVERYBODY_ENTERS = 0o111;

/**
 * Outputs become writable and private copies of inputs readable for any user. Both lie below the run's directory, which
 * other users of this host cannot enter. What an input source mounts in place (a directory of the host) keeps its rights.
 */
export async function openMounts({ directory, inputs, outputs }: RunRequest): Promise<void> {
  const copies = inputs.filter(({ hostPath }) => isBelow(directory, hostPath));
  await Promise.all([
    ...outputs.map(({ hostPath }) => chmod(hostPath, EVERYBODY_WRITES)),
    ...copies.map(({ hostPath }) => makeReadable(hostPath)),
  ]);
}

/** Links are not followed: they may lead out. */
async function makeReadable(path: string): Promise<void> {
  const entry = await lstat(path);
  if (entry.isDirectory()) {
    await addRights(path, entry.mode, EVERYBODY_READS | EVERYBODY_ENTERS);
    for (const name of await readdir(path)) await makeReadable(join(path, name));
  } else if (entry.isFile()) {
    const executable = (entry.mode & 0o100) !== 0;
    await addRights(path, entry.mode, executable ? EVERYBODY_READS | EVERYBODY_ENTERS : EVERYBODY_READS);
  }
}

async function addRights(path: string, mode: number, rights: number): Promise<void> {
  if ((mode & rights) !== rights) await chmod(path, (mode & 0o7777) | rights);
}

function isBelow(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== '' && !way.startsWith('..');
}
