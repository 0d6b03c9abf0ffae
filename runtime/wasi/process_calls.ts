/** WASI preview 1: `proc_*`, `sched_yield` and `random_get`. */
import { randomFillSync } from 'node:crypto';
import type { Family } from './host.ts';

/** Unwinds the guest; the code is what it gave to `proc_exit`. */
export class ProcessExit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`);
  }
}

export const processCalls: Family = ({ memory }) => ({
  proc_exit(code: number) {
    throw new ProcessExit(code >>> 0);
  },
  sched_yield() {},
  random_get(buffer: number, length: number) {
    const bytes = memory.bytes(buffer, length);
    // A copy, since neither runtime promises to fill views of WebAssembly memory.
    for (let at = 0; at < bytes.length; at += 65_536) {
      bytes.set(randomFillSync(new Uint8Array(Math.min(65_536, bytes.length - at))), at);
    }
  },
});
