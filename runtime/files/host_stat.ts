/**
 * What the host knows of a file. Under Deno on Linux its C library is asked: Deno's own `stat` takes ten times as long and
 * keeps only milliseconds of the times.
 */
import { fstatSync, lstatSync, statSync } from 'node:fs';
import process from 'node:process';
import { isHandle } from './handle_path.ts';
import { type HostStat, native } from './native.ts';

const coarse = 'Deno' in globalThis && process.platform === 'linux';

/** What is at a path, be it a link; of a handle what it is a handle of. Null when there is nothing. */
export function hostStat(path: string): HostStat | null {
  const known = coarse ? native()?.stat(path) : null;
  return known ?? (isHandle(path) ? statSync : lstatSync)(path, { bigint: true, throwIfNoEntry: false }) ??
    null;
}

/** An open file. */
export function openStat(fd: number): HostStat {
  const known = coarse ? native()?.stat(fd) : null;
  return known ?? fstatSync(fd, { bigint: true });
}
