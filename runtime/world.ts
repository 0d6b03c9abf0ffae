/**
 * Time, timers, randomness and ids as one object, so that a whole cluster runs in one process on a simulated clock
 * (architecture.md section 2). Rooms behind the seam (schedule, orchestrator, compute, transport, the store's logic) take a
 * World and call nothing global. After a simulated crash no call of that node's World settles any more.
 */
import { randomUUID } from 'node:crypto';
import process from 'node:process';

export interface World {
  /**
   * Wall clock in nanoseconds since the epoch, never going back within a process. Never used for order or durations, only
   * stored, shown and compared with stored times.
   */
  now(): bigint;
  /** Monotonic milliseconds, for durations. */
  elapsed(): number;
  /** Resolves after `ms` (any number, however large); rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `ms` (any number, however large), or never when disposed before. */
  after(ms: number, callback: () => void): Disposable;
  /** In [0, 1). */
  random(): number;
  /** A v4 UUID. */
  uuid(): string;
}

/** The longest time that a timer of the runtime can have: 24.8 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The wall clock that follows each step forward (also after the machine slept) and takes one back by going half as fast
 * until it is right again.
 * @param wall milliseconds since the epoch; @param ticks monotonic nanoseconds
 */
export function steadyClock(wall: () => number, ticks: () => bigint): () => bigint {
  let last = 0n;
  let lastTick = ticks();
  return () => {
    const tick = ticks();
    const onward = last + (tick - lastTick) / 2n;
    const now = BigInt(wall()) * 1_000_000n;
    lastTick = tick;
    return last = now > onward ? now : onward;
  };
}

/**
 * By monotonic time. A wait beyond what the runtime's timers can do is made of several.
 * @param keepsAlive whether this program runs at least so long
 */
function after(ms: number, callback: () => void, keepsAlive = true): Disposable {
  if (Number.isNaN(ms)) throw new RangeError('Cannot set a timer: its time is not a number');
  let timer: ReturnType<typeof setTimeout>;
  const arm = (left: number) => {
    timer = left > MAX_TIMER_MS
      ? setTimeout(() => arm(left - MAX_TIMER_MS), MAX_TIMER_MS)
      : setTimeout(callback, left);
    if (!keepsAlive) timer.unref();
  };
  arm(ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Calls back again and again, `ms` after the last time, until disposed. */
export function every(ms: number, callback: () => void): Disposable {
  const next = (): Disposable =>
    after(ms, () => {
      timer = next();
      callback();
    });
  let timer = next();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/** Aborted with a TimeoutError after `ms`, as by `AbortSignal.timeout`, but for any number; keeps no program alive. */
export function timeoutSignal(ms: number): AbortSignal {
  const controller = new AbortController();
  after(ms, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')), false);
  return controller.signal;
}

export const realWorld: World = {
  now: steadyClock(Date.now, () => process.hrtime.bigint()),
  elapsed: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        timer[Symbol.dispose]();
        reject(signal!.reason);
      };
      const timer = after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
  after,
  random: () => Math.random(),
  uuid: () => randomUUID(),
};
