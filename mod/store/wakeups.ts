/** Who waits for which key. Notifications coalesce; a watch remembers one that came while nobody waited. */
import type { Watch } from './database.ts';

type Listener = () => void;

export class Wakeups {
  readonly #listeners = new Map<string, Set<Listener>>();

  notify(keys: Iterable<string>): void {
    for (const key of keys) {
      for (const listener of [...this.#listeners.get(key) ?? []]) listener();
    }
  }

  changed(key: string, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = this.#listen(key, () => {
        stop();
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = () => {
        stop();
        reject(signal!.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  watch(key: string): Watch {
    let changed = false;
    let wake: Listener | undefined;
    const stop = this.#listen(key, () => {
      changed = true;
      wake?.();
    });
    const next = (signal?: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        if (changed) {
          changed = false;
          return resolve();
        }
        const done = () => {
          wake = undefined;
          signal?.removeEventListener('abort', onAbort);
        };
        const onAbort = () => {
          done();
          reject(signal!.reason);
        };
        wake = () => {
          done();
          changed = false;
          resolve();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    return { next, [Symbol.dispose]: stop };
  }

  #listen(key: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      // A set that became empty may have been replaced since; only the current one is dropped.
      if (listeners.delete(listener) && listeners.size === 0 && this.#listeners.get(key) === listeners) {
        this.#listeners.delete(key);
      }
    };
  }
}
