/** A module of several MB is compiled once, and again only where nobody waits for it. */
import { Buffer } from 'node:buffer';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { expect, test } from 'vitest';
import { processCpuMs } from '../../../runtime/process.ts';
import { Bench, CHILDREN } from './helpers.ts';
import { until } from '../../support/until.ts';

const NEVER = new AbortController().signal;
const FUNCTIONS = 8000;
const INSTRUCTIONS = 300;

/** `_start` returns at once; the rest of its 12 MB is arithmetic that a compiler has to look at. */
function largeModule(): Uint8Array {
  const number = (value: number): number[] =>
    value < 128 ? [value] : [(value & 0x7f) | 0x80, ...number(value >> 7)];
  const section = (id: number, content: Uint8Array) =>
    Buffer.concat([Uint8Array.of(id, ...number(content.length)), content]);
  const step = [0x20, 0, 0x41, 0x07, 0x6a]; // local.get 0; i32.const 7; i32.add
  const body = Uint8Array.of(0, ...Array.from({ length: INSTRUCTIONS }, () => [...step, 0x1a]).flat(), 0x0b);
  const one = Buffer.concat([Uint8Array.of(...number(body.length)), body]);
  const count = number(FUNCTIONS + 1);
  return Buffer.concat([
    Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    section(1, Uint8Array.of(2, 0x60, 0, 0, 0x60, 1, 0x7f, 0)),
    section(3, Uint8Array.of(...count, 0, ...new Array<number>(FUNCTIONS).fill(1))),
    section(7, Uint8Array.of(1, 6, ...Buffer.from('_start'), 0, 0)),
    section(10, Buffer.concat([Uint8Array.of(...count, 2, 0, 0x0b), ...new Array(FUNCTIONS).fill(one)])),
  ]);
}

/** Processes of this bench, as the system lists them. */
function processes(bench: Bench): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === bench.path('wasm');
    } catch {
      return false; // gone, or not ours to see
    }
  });
}

/** Processor time of its process that one run takes, in milliseconds. */
async function cost(bench: Bench, module: string): Promise<{ pid: number; cpuMs: number }> {
  const run = await bench.engine.create(bench.request(module), NEVER);
  const pid = Number(run.identity.id);
  const before = processCpuMs(pid)!;
  await run.start();
  expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
  return { pid, cpuMs: processCpuMs(pid)! - before };
}

// V8 compiles a function when it is called, so only JavaScriptCore takes long enough to be measured in ticks of 10 ms.
test.skipIf(process.platform !== 'linux')('compiled once; by a new process before it is asked', async () => {
  await using bench = new Bench({ childCommand: CHILDREN.bun, poolSize: 1 });
  const module = bench.path('large.wasm');
  writeFileSync(module, largeModule());
  const first = await cost(bench, module);
  const second = await cost(bench, module);
  expect(second.pid).toBe(first.pid);

  // The next process is started while this one is busy, so it is ready when this one is killed.
  const busy = await bench.engine.create(bench.request('loop'), NEVER);
  expect(Number(busy.identity.id)).toBe(first.pid);
  await busy.start();
  const [spare] = await until(() => {
    const others = processes(bench).filter((pid) => pid !== first.pid && processCpuMs(pid)! > 0);
    return others.length > 0 ? others : null;
  });
  await settled(spare!);
  await busy.stop(0);
  const third = await cost(bench, module);
  expect(third.pid).toBe(spare);
  console.log(
    `processor time of 12 MB: first ${first.cpuMs} ms, again ${second.cpuMs}, elsewhere ${third.cpuMs}`,
  );
  expect(second.cpuMs).toBeLessThan(first.cpuMs / 2);
  expect(third.cpuMs).toBeLessThan(first.cpuMs / 2);
});

/** Waits until a process has used no processor time for a while. */
async function settled(pid: number): Promise<void> {
  let last = -1;
  let since = performance.now();
  await until(() => {
    const now = processCpuMs(pid)!;
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 300;
  });
}
