/** WASI preview 1: `proc_*` and `sched_yield`. */
import { Errno } from './errno.ts';
import type { Family } from './host.ts';
import { unwind } from './unwind.ts';

/** The guest has ended itself; the code is what it gave to `proc_exit`. */
export class ProcessExit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`);
  }
}

const LAST_SIGNAL = 30;
/** None; and by default nothing happens at chld, cont, urg, winch. */
const IGNORED: readonly number[] = [0, 16, 17, 22, 27];
/** stop, tstp, ttin, ttou: nobody could continue the program. */
const STOPPING: readonly number[] = [18, 19, 20, 21];
/** As a shell tells the end by a signal. */
const SIGNALLED = 128;

export const proc: Family = () => ({
  proc_exit(code: number) {
    unwind(new ProcessExit(code >>> 0));
  },
  proc_raise(signal: number) {
    if (signal >>> 0 > LAST_SIGNAL) return Errno.inval;
    if (STOPPING.includes(signal)) return Errno.notsup;
    if (!IGNORED.includes(signal)) unwind(new ProcessExit(SIGNALLED + signal));
  },
  sched_yield() {},
});
