/**
 * WASI preview 1 as an import object. The families together are what a program in C, Rust, Go or AssemblyScript needs;
 * what is missing exists and returns ENOSYS, so that every module links.
 */
import { args } from './args.ts';
import { clock } from './clock.ts';
import { Errno, errnoOf } from './errno.ts';
import { fd } from './fd.ts';
import type { Host, WasiFunction } from './host.ts';
import { path } from './path.ts';
import { poll } from './poll.ts';
import { processCalls } from './process_calls.ts';
import { readdir } from './readdir.ts';

export const WASI_MODULE = 'wasi_snapshot_preview1';

const FAMILIES = [args, clock, fd, readdir, path, poll, processCalls];

const MISSING = [
  'fd_allocate',
  'path_link',
  'path_symlink',
  'proc_raise',
  'sock_accept',
  'sock_recv',
  'sock_send',
  'sock_shutdown',
];

/** The functions of `wasi_snapshot_preview1` for one module instance. */
export function wasiImports(host: Host): Record<string, (...args: never[]) => number> {
  const result: Record<string, (...args: never[]) => number> = {};
  for (const name of MISSING) result[name] = () => Errno.nosys;
  for (const family of FAMILIES) {
    for (const [name, call] of Object.entries(family(host))) result[name] = guarded(call);
  }
  return result;
}

function guarded(call: WasiFunction): (...args: never[]) => number {
  return (...args) => {
    try {
      return call(...args) ?? Errno.success;
    } catch (error) {
      return errnoOf(error);
    }
  };
}
