/**
 * WASI preview 1: `poll_oneoff`, which is how programs sleep. Files and streams are always ready; standard input is at
 * its end.
 */
import { clockNanos } from './clock.ts';
import type { Descriptors } from './descriptors.ts';
import { Errno, errnoOf, WasiError } from './errno.ts';
import type { Family } from './host.ts';
import { openStat } from '../files/mod.ts';
import type { GuestMemory } from './memory.ts';
import { demand, Right } from './rights.ts';

const SUBSCRIPTION = 48;
const EVENT = 32;
const Type = { clock: 0, read: 1, write: 2 } as const;
const ABSOLUTE = 1;
const HANGUP = 1;
/** What a pipe takes at once; files take it all. */
const WRITABLE = 65_536n;

/** Real time and monotonic; the others do not go on while one sleeps. */
const SLEEP_CLOCKS = 2;
const LONGEST_WAIT_MS = 2 ** 30;

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Nanoseconds until a clock subscription is due, by the clocks at the start of the call; null: no such clock. */
function waitOf(view: DataView, at: number, starts: readonly bigint[]): bigint | null {
  const id = view.getUint32(at + 16, true);
  if (id >= SLEEP_CLOCKS) return null;
  const timeout = view.getBigUint64(at + 24, true);
  const absolute = (view.getUint16(at + 40, true) & ABSOLUTE) !== 0;
  return absolute ? timeout - starts[id]! : timeout;
}

/** What a descriptor is ready for. @throws what becomes the event's error */
function readiness(descriptors: Descriptors, fd: number, type: number): { bytes: bigint; flags: number } {
  const descriptor = descriptors.get(fd);
  demand(descriptor, Right.pollFdReadwrite);
  if (type === Type.write) {
    demand(descriptor, Right.fdWrite);
    return { bytes: WRITABLE, flags: 0 };
  }
  demand(descriptor, Right.fdRead);
  if (descriptor.kind !== 'file') return { bytes: 0n, flags: HANGUP };
  const left = openStat(descriptor.hostFd).size - BigInt(descriptor.position);
  return { bytes: left > 0n ? left : 0n, flags: 0 };
}

/** Blocks this thread. */
function sleep(nanos: bigint): void {
  const end = clockNanos(1) + nanos;
  for (let left = nanos; left > 0n; left = end - clockNanos(1)) {
    Atomics.wait(cell, 0, 0, Math.min(Number(left) / 1e6, LONGEST_WAIT_MS));
  }
}

function putEvent(
  memory: GuestMemory,
  at: number,
  event: { userdata: bigint; errno: Errno; type: number; bytes?: bigint; flags?: number },
): void {
  memory.bytes(at, EVENT).fill(0);
  memory.setU64(at, event.userdata);
  memory.setU16(at + 8, event.errno);
  memory.setU8(at + 10, event.type);
  memory.setU64(at + 16, event.bytes ?? 0n);
  memory.setU16(at + 24, event.flags ?? 0);
}

export const poll: Family = ({ memory, descriptors }) => ({
  poll_oneoff(input: number, output: number, count: number, result: number) {
    const total = count >>> 0;
    if (total === 0) return Errno.inval;
    // All that is read or written is looked at before time passes.
    memory.check(input, total * SUBSCRIPTION);
    memory.check(output, total * EVENT);
    memory.check(result, 4);
    const starts = [clockNanos(0), clockNanos(1)];
    const { view } = memory;
    const from = (index: number) => (input >>> 0) + index * SUBSCRIPTION;
    let soonest: bigint | null = null;
    for (let index = 0; index < total; index++) {
      const type = view.getUint8(from(index) + 8);
      if (type > Type.write) return Errno.inval;
      const wait = type === Type.clock ? waitOf(view, from(index), starts) : 0n;
      if (soonest === null || wait === null || wait < soonest) soonest = wait ?? 0n;
    }
    sleep(soonest!);
    let events = 0;
    for (let index = 0; index < total; index++) {
      const at = from(index);
      const type = view.getUint8(at + 8);
      const event = { userdata: view.getBigUint64(at, true), type };
      const to = (output >>> 0) + events * EVENT;
      if (type === Type.clock) {
        const wait = waitOf(view, at, starts);
        if (wait !== null && wait > soonest!) continue;
        putEvent(memory, to, { ...event, errno: wait === null ? Errno.inval : Errno.success });
      } else {
        try {
          const ready = readiness(descriptors, view.getUint32(at + 16, true), type);
          putEvent(memory, to, { ...event, ...ready, errno: Errno.success });
        } catch (error) {
          if (!(error instanceof WasiError)) throw error;
          putEvent(memory, to, { ...event, errno: errnoOf(error) });
        }
      }
      events++;
    }
    memory.setU32(result, events);
  },
});
