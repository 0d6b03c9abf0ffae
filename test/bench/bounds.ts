/** Figures with a bound of their own that no test may judge, since a busy machine moves them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogWriter, previewLog, readLog, tailLog } from '../../runtime/log/mod.ts';
import { Bench, CHILDREN } from '../engine/wasm/helpers.ts';
import { cost, largeModule } from '../engine/wasm/large_module.ts';
import { copyRows } from './copy.ts';
import { type Aim, median, renderAim } from './measure.ts';

const print = (aim: Aim) => console.log(renderAim(aim));

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function logs(folder: string): Promise<void> {
  const limit = { bytes: 2e9, now: () => BigInt(Date.now()) * 1_000_000n };
  const large = join(folder, 'large');
  const log = new LogWriter(large, limit);
  for (let i = 0; i < 16_000; i++) log.write(1, new TextEncoder().encode(`${'x'.repeat(99)}\n`.repeat(650)));
  log.close();
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    times.push(
      await msOf(async () => {
        for await (const _ of readLog(large, await tailLog(large, 100)));
      }),
    );
  }
  print({ what: 'last 100 lines of a log of 1 GB', value: median(times), unit: 'ms', most: 100 });
  print({ what: 'its preview', value: await msOf(() => previewLog(large, 1000)), unit: 'ms', most: 1000 });

  const followed = join(folder, 'followed');
  const writer = new LogWriter(followed, limit);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const records = readLog(followed, { follow: true, ended });
  const late: number[] = [];
  for (let i = 0; i < 20; i++) {
    const next = records.next();
    late.push(
      await msOf(async () => {
        writer.write(1, Uint8Array.of(i));
        await next;
      }),
    );
  }
  end();
  writer.close();
  print({ what: 'from a write to a follower', value: median(late), unit: 'ms', most: 150 });
}

async function modules(): Promise<void> {
  await using bench = new Bench({ childCommand: CHILDREN.bun });
  const run = await bench.engine.create(bench.request('loop'), new AbortController().signal);
  await run.start();
  print({ what: 'stop of a busy module', value: await msOf(() => run.stop(10_000)), unit: 'ms', most: 1000 });
  await run.remove();
  const module = bench.path('large.wasm');
  writeFileSync(module, largeModule());
  const first = await cost(bench, module);
  const second = await cost(bench, module);
  print({
    what: 'CPU of 12 MB again, of the first time',
    value: second.cpuMs / first.cpuMs,
    unit: '×',
    most: 0.5,
  });
}

export async function boundRows(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    await logs(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
  await modules();
  await copyRows();
}
