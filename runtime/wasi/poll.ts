/** WASI preview 1: `poll_oneoff`, which is how programs sleep. Files are always ready. */
import { clockNanos } from './clock.ts';
import { Errno, errnoOf } from './errno.ts';
import type { Family } from './host.ts';

const SUBSCRIPTION = 48;
const EVENT = 32;
const CLOCK = 0;
const READ = 1;
const ABSOLUTE = 1;

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread. */
function sleep(nanos: bigint): void {
  if (nanos > 0n) Atomics.wait(cell, 0, 0, Number(nanos) / 1e6);
}

export const poll: Family = ({ memory, descriptors }) => ({
  poll_oneoff(input: number, output: number, count: number, result: number) {
    if (count === 0) return Errno.inval;
    const timers: { userdata: bigint; wait: bigint; errno: Errno }[] = [];
    const ready: { userdata: bigint; type: number; errno: Errno; bytes: bigint }[] = [];
    for (let index = 0; index < count >>> 0; index++) {
      const at = (input >>> 0) + index * SUBSCRIPTION;
      const { view } = memory;
      const userdata = view.getBigUint64(at, true);
      const type = view.getUint8(at + 8);
      if (type === CLOCK) {
        const id = view.getUint32(at + 16, true);
        const timeout = view.getBigUint64(at + 24, true);
        const absolute = (view.getUint16(at + 40, true) & ABSOLUTE) !== 0;
        if (id > 1) ready.push({ userdata, type, errno: Errno.inval, bytes: 0n });
        else {timers.push({
            userdata,
            wait: absolute ? timeout - clockNanos(id) : timeout,
            errno: Errno.success,
          });}
      } else {
        let errno: Errno = Errno.success;
        try {
          descriptors.get(view.getUint32(at + 16, true));
        } catch (error) {
          errno = errnoOf(error);
        }
        ready.push({ userdata, type, errno, bytes: type === READ ? 0n : 65_536n });
      }
    }
    if (ready.length === 0) {
      const soonest = timers.reduce((least, { wait }) => wait < least ? wait : least, timers[0]!.wait);
      sleep(soonest);
      for (const { userdata, wait, errno } of timers) {
        if (wait <= soonest) ready.push({ userdata, type: CLOCK, errno, bytes: 0n });
      }
    }
    ready.forEach(({ userdata, type, errno, bytes }, index) => {
      const at = (output >>> 0) + index * EVENT;
      memory.bytes(at, EVENT).fill(0);
      memory.setU64(at, userdata);
      memory.setU16(at + 8, errno);
      memory.setU8(at + 10, type);
      memory.setU64(at + 16, bytes);
    });
    memory.setU32(result, ready.length);
  },
});
