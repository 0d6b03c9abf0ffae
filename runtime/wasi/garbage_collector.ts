/**
 * Memories that runs have left to the collector. Neither runtime counts them as garbage that presses (16 memories of
 * 60 MiB were seen to wait together), so it is told to look once they have become many.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that may wait. */
const KEPT_BYTES = 64 * 2 ** 20;
/** A collector that scans the stack conservatively now and then misses one; larger ones must not be missed. */
const MOST_BYTES = 256 * 2 ** 20;

type Collect = () => void;

export class GarbageCollector {
  #bytes = 0;
  #collect: Collect | null | undefined;

  /** Whether memories of so many bytes can be left and the process stays as good as new. */
  canTake(bytes: number): boolean {
    return bytes <= KEPT_BYTES || (bytes <= MOST_BYTES && this.#collector() !== null);
  }

  /** After a run whose memories had so many bytes, when nothing refers to them any more. */
  left(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= KEPT_BYTES) return;
    this.#collector()?.();
    this.#bytes = 0;
  }

  #collector(): Collect | null {
    return this.#collect ??= findCollector();
  }
}

function findCollector(): Collect | null {
  const { Bun } = globalThis as { Bun?: { gc(synchronously: boolean): void } };
  if (Bun) return () => Bun.gc(true);
  // V8 has it in contexts that are made after the flag was set.
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('globalThis.gc');
  return typeof gc === 'function' ? gc as Collect : null;
}
