/** WASI preview 1: `clock_*`. Real time has the millisecond of the host's clock, the others its monotonic nanosecond. */
import process from 'node:process';
import { Errno, WasiError } from './errno.ts';
import type { Family } from './host.ts';

/** Clock ids: 0 real time, 1 monotonic, 2 CPU time of the process, 3 of the thread (here the same). */
export function clockNanos(id: number): bigint {
  switch (id) {
    case 0:
      return BigInt(Date.now()) * 1_000_000n;
    case 1:
      return process.hrtime.bigint();
    case 2:
    case 3: {
      const { user, system } = process.cpuUsage();
      return BigInt(user + system) * 1000n;
    }
    default:
      throw new WasiError(Errno.inval);
  }
}

const RESOLUTION = [1_000_000n, 1n, 1000n, 1000n];

export const clock: Family = ({ memory }) => ({
  clock_res_get(id: number, result: number) {
    const resolution = RESOLUTION[id];
    if (resolution === undefined) return Errno.inval;
    memory.setU64(result, resolution);
  },
  clock_time_get(id: number, _precision: bigint, result: number) {
    memory.setU64(result, clockNanos(id));
  },
});
