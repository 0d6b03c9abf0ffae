/** A module whose compilation takes long enough to be measured. */
import { Buffer } from 'node:buffer';
import { expect } from 'vitest';
import { processCpuMs } from '../../../runtime/process.ts';
import type { Bench } from './helpers.ts';

const FUNCTIONS = 8000;
const INSTRUCTIONS = 300;

/** `_start` returns at once; the rest of its 12 MB is arithmetic that a compiler has to look at. */
export function largeModule(): Uint8Array {
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

/** Processor time of its process that one run takes, in milliseconds. */
export async function cost(bench: Bench, module: string): Promise<{ pid: number; cpuMs: number }> {
  const run = await bench.engine.create(bench.request(module), new AbortController().signal);
  const pid = Number(run.identity.id);
  const before = processCpuMs(pid)!;
  await run.start();
  expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
  return { pid, cpuMs: processCpuMs(pid)! - before };
}
