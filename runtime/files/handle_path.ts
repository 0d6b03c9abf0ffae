/** Open handles by path: on Linux `/proc/self/fd/N` is a link to what `N` is a handle of. */
import { existsSync } from 'node:fs';
import process from 'node:process';

/** Whether this system has such paths. */
export const byHandle = process.platform === 'linux' && existsSync('/proc/self/fd');

/** A path of an open file itself; null where the system has none. */
export function handlePath(fd: number): string | null {
  return byHandle ? `/proc/self/fd/${fd}` : null;
}

/** Whether a path is that of an open handle. */
export function isHandle(path: string): boolean {
  return /^\/proc\/self\/fd\/\d+$/.test(path);
}
