import { MAX_TIMER_MS } from '../../../runtime/world.ts';

/** Time limits of the same length for many operations: first in, first out, so one timer serves them all. */
export class Deadlines {
  readonly #entries = new Set<{ readonly at: number; readonly expire: () => void }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param limit milliseconds */
  constructor(readonly limit: number) {}

  /** The result of `work`, or of `late` when the limit passes first; `work` then goes on unheeded. */
  race<T>(work: Promise<T>, late: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry = { at: performance.now() + this.limit, expire: () => resolve(late()) };
      this.#entries.add(entry);
      this.#timer ??= this.#arm(this.limit);
      work.then(resolve, reject).finally(() => {
        this.#entries.delete(entry);
      });
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#entries.clear();
  }

  #arm(milliseconds: number): ReturnType<typeof setTimeout> {
    // One that fires early finds nothing to expire, and is set again.
    const timer = setTimeout(() => this.#expire(), Math.min(milliseconds, MAX_TIMER_MS));
    timer.unref?.();
    return timer;
  }

  #expire(): void {
    const now = performance.now();
    this.#timer = undefined;
    for (const entry of this.#entries) {
      if (entry.at > now) {
        this.#timer = this.#arm(entry.at - now);
        return;
      }
      this.#entries.delete(entry);
      entry.expire();
    }
  }
}
