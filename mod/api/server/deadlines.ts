import { realWorld } from '../../../runtime/world.ts';

/** Time limits of the same length for many operations: first in, first out, so one timer serves them all. */
export class Deadlines {
  readonly #entries = new Set<{ readonly at: number; readonly expire: () => void }>();
  #timer: Disposable | undefined;

  /** @param limit milliseconds */
  constructor(readonly limit: number) {}

  /** The result of `work`, or of `late` when the limit passes first; `work` then goes on unheeded. */
  race<T>(work: Promise<T>, late: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const entry = { at: performance.now() + this.limit, expire: () => resolve(late()) };
      this.#entries.add(entry);
      this.#timer ??= realWorld.after(this.limit, () => this.#expire());
      work.then(resolve, reject).finally(() => {
        this.#entries.delete(entry);
      });
    });
  }

  close(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#entries.clear();
  }

  #expire(): void {
    const now = performance.now();
    this.#timer = undefined;
    for (const entry of this.#entries) {
      if (entry.at > now) {
        this.#timer = realWorld.after(entry.at - now, () => this.#expire());
        return;
      }
      this.#entries.delete(entry);
      entry.expire();
    }
  }
}
