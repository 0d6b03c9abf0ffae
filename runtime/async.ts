/** Asynchronous tools that several rooms need, on the clock of a World. */
import type { World } from './world.ts';

/** Waiting that can be cut short: it is notified, or the time is over. */
export class Signal {
  #notified = false;
  #waiter: (() => void) | undefined;

  constructor(private readonly world: World) {}

  /** Ends the wait that is under way, or else the next one. */
  notify(): void {
    this.#notified = true;
    this.#waiter?.();
  }

  /** Resolves when notified or after `ms`; without `ms` only when notified. One waiter at a time. */
  wait(ms?: number): Promise<void> {
    if (this.#notified) {
      this.#notified = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : this.world.after(ms, () => this.#waiter?.());
      this.#waiter = () => {
        this.#waiter = undefined;
        this.#notified = false;
        timer?.[Symbol.dispose]();
        resolve();
      };
    });
  }
}
