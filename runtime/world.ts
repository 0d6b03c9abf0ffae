/**
 * Time, timers, randomness and ids as one object, so that a whole cluster runs in one process on a simulated clock
 * (design.md section 2). Rooms behind the seam (schedule, orchestrator, compute, transport, the store's logic) take a
 * World and call nothing global. After a simulated crash no call of that node's World settles any more.
 */
import { randomUUID } from 'node:crypto';
import process from 'node:process';

export interface World {
  /** Wall clock in nanoseconds since the epoch. Never used for order, only shown and compared with stored times. */
  now(): bigint;
  /** Monotonic milliseconds, for measuring. */
  elapsed(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `ms`, or never when disposed before. */
  after(ms: number, callback: () => void): Disposable;
  /** In [0, 1). */
  random(): number;
  /** A v4 UUID. */
  uuid(): string;
}

const bootNanos = BigInt(Date.now()) * 1_000_000n;
const bootTick = process.hrtime.bigint();
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The real clock: millisecond wall time at start, continued by the monotonic clock, so it never goes back. */
export const realWorld: World = {
  now: () => bootNanos + (process.hrtime.bigint() - bootTick),
  elapsed: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, Math.min(ms, MAX_TIMEOUT_MS));
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, MAX_TIMEOUT_MS));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
};
