/**
 * A module process: says hello, then runs one module after the other until its control pipe closes. It never returns
 * to the event loop, so nothing of a module (timers, promises) can outlive its run.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { type ChildFrame, encodeFrame, Lines, type RunFrame } from './frames.ts';
import { keepGuestFrames } from './guest_stack.ts';
import { ModuleCache } from './module_cache.ts';
import { runModule } from './run.ts';
import { startWatchdog } from './watchdog.ts';

/** Main program of `__wasm-child`; ends with the process. */
export async function runChild(): Promise<never> {
  keepGuestFrames();
  const read = await startWatchdog();
  const cache = new ModuleCache();
  const lines = new Lines();
  const decoder = new TextDecoder();
  send({ type: 'hello', pid: process.pid });
  for (;;) {
    for (const line of lines.push(decoder.decode(read(), { stream: true }))) {
      send(runModule(JSON.parse(line) as RunFrame, cache));
    }
  }
}

function send(frame: ChildFrame): void {
  const bytes = Buffer.from(encodeFrame(frame));
  for (let done = 0; done < bytes.length;) done += writeSync(1, bytes, done);
}
