/** WASI preview 1 as an import object: all 46 functions, one file a family. */
import { args } from './args.ts';
import { clock } from './clock.ts';
import { Errno, errnoOf } from './errno.ts';
import { fd } from './fd.ts';
import { fdStat } from './fd_stat.ts';
import type { Host, WasiFunction } from './host.ts';
import { path } from './path.ts';
import { pathOpen } from './path_open.ts';
import { poll } from './poll.ts';
import { proc } from './proc.ts';
import { random } from './random.ts';
import { readdir } from './readdir.ts';
import { sock } from './sock.ts';

export const WASI_MODULE = 'wasi_snapshot_preview1';

const FAMILIES = [args, clock, fd, fdStat, readdir, path, pathOpen, poll, proc, random, sock];

/** The functions of `wasi_snapshot_preview1` for one module instance. */
export function wasiImports(host: Host): Record<string, (...args: never[]) => number> {
  const result: Record<string, (...args: never[]) => number> = {};
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
