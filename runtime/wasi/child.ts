/**
 * A module process: says hello, then runs one module after the other until its control pipe closes. It never returns
 * to the event loop, so nothing of a module (timers, promises) can outlive its run.
 */
import { resolve } from 'node:path';
import process from 'node:process';
import { Channel } from './channel.ts';
import type { RunFrame } from './frames.ts';
import { GarbageCollector } from './garbage_collector.ts';
import { keepGuestFrames } from './guest_stack.ts';
import { ModuleCache } from './module_cache.ts';
import { ModuleStore, STORE_FOLDER } from './module_store.ts';
import { runModule } from './run.ts';
import { startWatchdog } from './watchdog.ts';

/** Without work for so long, it prepares for some. */
const IDLE_MS = 25;

/** Main program of `__wasm-child`; ends with the process. */
export async function runChild(): Promise<never> {
  keepGuestFrames();
  const channel = new Channel(await startWatchdog());
  const cache = new ModuleCache(new ModuleStore(resolve(STORE_FOLDER)));
  const collector = new GarbageCollector();
  const preparation = cache.prepare();
  channel.send({ type: 'hello', pid: process.pid });
  for (;;) {
    while (!channel.waits(IDLE_MS) && !preparation.next().done);
    // Between two runs the node sends nothing but the next.
    const { frame, memory } = runModule(channel.receive() as RunFrame, { cache, channel, collector });
    // The answer to one that is not reusable is its end.
    if (!frame.reusable) cache.store();
    channel.send(frame);
    cache.store();
    collector.left(memory);
  }
}
