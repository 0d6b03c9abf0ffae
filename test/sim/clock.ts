/**
 * Simulated time. All timers of all nodes wait in one queue; time jumps to the next one when everything that ran before
 * it has come to rest. Work between two timers is microtasks only (stores, files and the bus of a simulation are
 * synchronous underneath), so one turn of the real event loop is rest, and a seed gives the same run each time.
 */
import type { World } from '../../runtime/world.ts';
import type { Random } from './random.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** 2026-01-01, so that times look like times. */
export const EPOCH_SECONDS = 1_767_225_600;
const EPOCH_NANOS = BigInt(EPOCH_SECONDS) * 1_000_000_000n;

const rest = () => new Promise<void>((done) => setImmediate(done));

export class SimClock {
  /** Milliseconds since the start. */
  now = 0;
  #order = 0;
  readonly #timers: Timer[] = [];

  /** Calls back at `now + ms`; the result cancels. */
  at(ms: number, fire: () => void): () => void {
    if (Number.isNaN(ms)) throw new RangeError('Cannot set a timer: its time is not a number');
    let live = true;
    this.#push({ at: this.now + Math.max(0, ms), order: this.#order++, fire: () => live && fire() });
    return () => live = false;
  }

  /**
   * Lets time pass until `done` holds, at most to `limit` ms.
   * @param step called after each timer, when everything is at rest; may throw
   * @returns whether `done` came to hold
   */
  async run(limit: number, done: () => boolean | Promise<boolean>, step?: () => void): Promise<boolean> {
    await rest();
    for (;;) {
      if (await done()) return true;
      const next = this.#timers[0];
      if (!next || next.at > limit) return false;
      this.#pop();
      this.now = Math.max(this.now, next.at);
      next.fire();
      await rest();
      step?.();
    }
  }

  #push(timer: Timer): void {
    let index = this.#timers.length;
    this.#timers.push(timer);
    while (index > 0 && before(timer, this.#timers[(index - 1) >> 1]!)) {
      this.#timers[index] = this.#timers[(index - 1) >> 1]!;
      index = (index - 1) >> 1;
    }
    this.#timers[index] = timer;
  }

  #pop(): void {
    const last = this.#timers.pop()!;
    if (this.#timers.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      if (left >= this.#timers.length) break;
      const least = right < this.#timers.length && before(this.#timers[right]!, this.#timers[left]!)
        ? right
        : left;
      if (!before(this.#timers[least]!, last)) break;
      this.#timers[index] = this.#timers[least]!;
      index = least;
    }
    this.#timers[index] = last;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** One node's view of time and chance; after `crash` none of its calls settles and none of its timers fires. */
export class SimWorld implements World {
  #crashed = false;

  /** @param skewMs what this node's wall clock is wrong by; it may be set forward */
  constructor(readonly clock: SimClock, readonly randomness: Random, public skewMs = 0) {}

  get crashed(): boolean {
    return this.#crashed;
  }

  crash(): void {
    this.#crashed = true;
  }

  now(): bigint {
    return EPOCH_NANOS + BigInt(Math.round((this.clock.now + this.skewMs) * 1e6));
  }

  elapsed(): number {
    return this.clock.now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.#later(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = () => {
        cancel();
        if (!this.#crashed) reject(signal!.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  after(ms: number, callback: () => void): Disposable {
    return { [Symbol.dispose]: this.#later(ms, callback) };
  }

  random(): number {
    return this.randomness.next();
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => this.randomness.below(16).toString(16)).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${
      hex.slice(20)
    }`;
  }

  #later(ms: number, callback: () => void): () => void {
    return this.clock.at(ms, () => {
      if (!this.#crashed) callback();
    });
  }
}
