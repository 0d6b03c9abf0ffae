/**
 * Reads the control pipe on a thread of its own. A module that never returns keeps the main thread inside WebAssembly,
 * where it cannot see that the parent died; the thread that sits in a blocking read can, and kills the process.
 * What it reads it hands to the main thread through shared memory, which is faster than messages and lets the main
 * thread, which has nothing else to do, wait without an event loop.
 *
 * The worker is started from a blob, since a file beside this one does not exist in a compiled executable.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';

/** Cells of the shared header: bytes waiting (0: slot free); then a cell only to sleep on. */
const CELLS = 2;
const SLOT = 65_536;

const SOURCE = `
import { readSync } from 'node:fs';
import process from 'node:process';
self.onmessage = ({ data: { shared, pid, cells } }) => {
  const control = new Int32Array(shared, 0, cells);
  const slot = new Uint8Array(shared, cells * 4);
  const buffer = new Uint8Array(slot.length);
  for (;;) {
    let count = 0;
    try {
      count = readSync(0, buffer, 0, buffer.length, null);
    } catch (error) {
      if (error.code === 'EAGAIN') {
        Atomics.wait(control, 1, 0, 20);
        continue;
      }
    }
    if (count === 0) {
      process.kill(pid, 'SIGKILL');
      return;
    }
    for (let waiting; (waiting = Atomics.load(control, 0)) !== 0;) Atomics.wait(control, 0, waiting);
    slot.set(buffer.subarray(0, count));
    Atomics.store(control, 0, count);
    Atomics.notify(control, 0);
  }
};
self.postMessage('ready');
`;

/** What the parent writes. The process dies when the pipe is closed. */
export interface Control {
  /** Blocks until there is something, and returns it. */
  read(): Uint8Array;
  /** Blocks for so many milliseconds at most, or until there is something to read; whether there is. */
  waits(ms: number): boolean;
}

/** Starts the thread. */
export async function startWatchdog(): Promise<Control> {
  const shared = new SharedArrayBuffer(CELLS * 4 + SLOT);
  const control = new Int32Array(shared, 0, CELLS);
  const slot = new Uint8Array(shared, CELLS * 4);
  const url = URL.createObjectURL(new Blob([SOURCE], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(`Cannot start the watchdog: ${event.message}`));
  });
  worker.postMessage({ shared, pid: process.pid, cells: CELLS });
  return {
    read() {
      let count: number;
      while ((count = Atomics.load(control, 0)) === 0) Atomics.wait(control, 0, 0);
      const bytes = Buffer.from(slot.subarray(0, count));
      Atomics.store(control, 0, 0);
      Atomics.notify(control, 0);
      return bytes;
    },
    waits: (ms) => Atomics.wait(control, 0, 0, ms) !== 'timed-out',
  };
}
