/**
 * Waiting for a file to change by the operating system's notification (inotify, FSEvents, ReadDirectoryChangesW).
 * Deno's `node:fs` starts its watcher some milliseconds late and so can miss a change; its own call does not.
 */
import { existsSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { realWorld } from './world.ts';

interface DenoWatch {
  watchFs(path: string, options: { recursive: boolean }): AsyncIterable<{ kind: string }> & { close(): void };
}

/** Where no watcher can be had (the user's limit of inotify instances), the file is looked at this often. */
const FALLBACK_MS = 200;

/** Watchers by directory: followers of one log share one. */
const shared = new Map<string, { listeners: Set<() => void>; close: () => void }>();

/** A change of a file that may not exist yet; its folder may not exist either. */
export class FileWatch {
  readonly #path: string;
  #directory = '';
  #changed = true;
  #wake: (() => void) | null = null;
  #unsubscribe: (() => void) | null = null;

  constructor(path: string) {
    this.#path = path;
    this.#arm();
  }

  /** Resolves after a change or {@link wake} since the last call (or since the watch began); may resolve without one. */
  async next(): Promise<void> {
    this.#arm();
    if (!this.#changed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _timer = this.#unsubscribe ? undefined : realWorld.after(FALLBACK_MS, resolve);
      await promise;
      this.#wake = null;
    }
    this.#changed = false;
  }

  /** Ends the present or next wait. */
  wake(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Idempotent. */
  close(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }

  /** Watches the nearest folder that exists; when a nearer one appeared, all may have changed. */
  #arm(): void {
    let directory = dirname(this.#path);
    while (!existsSync(directory) && dirname(directory) !== directory) directory = dirname(directory);
    if (directory === this.#directory && this.#unsubscribe) return;
    this.#unsubscribe?.();
    this.#directory = directory;
    this.#unsubscribe = subscribe(directory, () => this.wake());
    this.#changed = true;
  }
}

function subscribe(directory: string, listener: () => void): (() => void) | null {
  let entry = shared.get(directory);
  if (!entry) {
    const listeners = new Set<() => void>();
    const notify = () => listeners.forEach((each) => each());
    const close = watchDirectory(directory, notify);
    if (!close) return null;
    entry = { listeners, close };
    shared.set(directory, entry);
  }
  const { listeners, close } = entry;
  listeners.add(listener);
  return () => {
    if (listeners.delete(listener) && listeners.size === 0) {
      shared.delete(directory);
      close();
    }
  };
}

/** Null when the operating system gives no watcher. */
function watchDirectory(directory: string, notify: () => void): (() => void) | null {
  const { Deno } = globalThis as { Deno?: DenoWatch };
  try {
    if (!Deno) {
      const watcher = watch(directory, { persistent: false }, notify);
      watcher.on('error', notify);
      return () => watcher.close();
    }
    const watcher = Deno.watchFs(directory, { recursive: false });
    const pump = async () => {
      for await (const event of watcher) {
        // Our own reading is reported too.
        if (event.kind !== 'access') notify();
      }
    };
    pump().catch(notify);
    return () => watcher.close();
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
