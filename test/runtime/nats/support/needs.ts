/** Programs that a test compares with. Where they cannot be had a test says SKIPPED and why; in CI it fails. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const exec = promisify(execFile);

export const inCi = process.env.CI === 'true' || (process.env.BACALHAU_CI ?? '') !== '';

/** Full path of a program on PATH or in the system folders, or the reason why there is none. */
export function findProgram(name: string): { path: string } | { missing: string } {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];
  const path = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  return path ? { path } : { missing: `${name} is not installed` };
}

/** A Python with nats-py in a virtual environment of ours, made at first use. */
export async function pythonWithNats(): Promise<{ path: string } | { missing: string }> {
  const cache = resolve(import.meta.dirname!, '..', '..', '..', '.cache');
  const home = join(cache, 'nats-py');
  const path = join(home, 'bin', 'python');
  if (existsSync(path)) return { path };
  const python = findProgram('python3');
  if ('missing' in python) return python;
  const fresh = `${home}.${process.pid}`;
  try {
    await mkdir(cache, { recursive: true });
    await exec(python.path, ['-m', 'venv', fresh]);
    await exec(join(fresh, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', 'nats-py==2.16.0']);
    await rename(fresh, home);
    return { path };
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    return { missing: `nats-py cannot be installed: ${(error as Error).message.split('\n')[0]}` };
  }
}

/** Throws in CI, otherwise gives the note for the test's name. */
export function skipNote(missing: string): string {
  if (inCi) throw new Error(`Needed in CI: ${missing}`);
  return `SKIPPED: ${missing}`;
}
