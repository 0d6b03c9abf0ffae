/**
 * Memory of streams and of large requests. What was passed on is garbage at once, but Bun, which looks at its own heap
 * first, lets the buffers and long texts of a gigabyte pile up to more than 100 MB. So whoever passes on tells how much, and
 * from time to time a collection is asked for. Other runtimes need no help.
 */
const bun = (globalThis as { readonly Bun?: { gc(now: boolean): void } }).Bun;

/** A collection takes some 30 ms; asked for without haste it changes nothing (seen with 1.4.5). */
const COLLECT_AFTER_BYTES = 64 * 2 ** 20;

let passed = 0;

/** @param bytes of buffers and texts that nobody needs any more */
export function addMemoryPressure(bytes: number): void {
  passed += bytes;
  if (passed < COLLECT_AFTER_BYTES) return;
  passed = 0;
  bun?.gc(true);
}
