/** Waiting that can be cut short: a bell is rung, or the time is over. */
import type { World } from '../../../runtime/world.ts';

export class Bell {
  #rung = false;
  #waiter: (() => void) | undefined;

  constructor(private readonly world: World) {}

  /** Ends the wait that is under way, or else the next one. */
  ring(): void {
    this.#rung = true;
    this.#waiter?.();
  }

  /** Resolves when the bell is rung or after `ms`; without `ms` only when rung. One waiter at a time. */
  wait(ms?: number): Promise<void> {
    if (this.#rung) {
      this.#rung = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : this.world.after(ms, () => this.#waiter?.());
      this.#waiter = () => {
        this.#waiter = undefined;
        this.#rung = false;
        timer?.[Symbol.dispose]();
        resolve();
      };
    });
  }
}
