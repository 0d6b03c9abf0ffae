/**
 * `deno task bench`: drives the executable from outside, orchestrator and compute as two processes, over REST and the
 * command line. In brackets the original's figure on two cores (shared reference, corrections.md). Machines are shared
 * and noisy: compare rows of one run.
 */
import process from 'node:process';
import { load } from '../support/http_load.ts';
import { PROGRAMS, run, temporaryFolder } from '../support/program.ts';
import { boundRows } from './bounds.ts';
import { burst, costRows, JOBS, withPair } from './cost.ts';
import { dockerRows } from './docker.ts';
import { median, render, type Row } from './measure.ts';
import { scheduleRows } from './schedule.ts';
import { wasmRows } from './wasm.ts';

function row(what: string, ours: number, original: number, unit: string, more: boolean, aim: number): void {
  const measured: Row = { what, ours, original, unit, more, aim };
  process.stdout.write(`${render([measured])}\n`);
}

async function timed<T>(work: () => Promise<T>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function startUp(what: string, args: readonly string[], original: number, env = {}): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 21; i++) {
    times.push(
      await timed(async () => {
        const { code, stderr } = await run('bun', args, { env });
        if (code !== 0) throw new Error(`${args.join(' ')} failed: ${stderr}`);
      }),
    );
  }
  row(what, median(times.slice(1)), original, 'ms', false, 2);
}

async function reads(port: number, ids: readonly string[]): Promise<void> {
  const get = (count: number, path: (index: number) => string) =>
    timed(async () => {
      const answers = await load(port, 8, count, (index) => ({ method: 'GET', path: path(index) }));
      const bad = answers.find((answer) => answer.status !== 200);
      if (bad) throw new Error(`read failed: ${bad.status} ${bad.body}`);
    });
  const one = (index: number) => `${JOBS}/${ids[index % ids.length]}`;
  await get(2_000, one);
  row('GET job, 8 connections', 20_000 / await get(20_000, one) * 1000, 2_700, '/s', true, 2);
  const list = () => `${JOBS}?limit=50`;
  row('GET list of 50, 600 stored', 1_000 / await get(1_000, list) * 1000, 53, '/s', true, 2);
}

async function main(): Promise<void> {
  process.stdout.write(`${PROGRAMS.bun[0]}, Bun-compiled; in brackets the original on two cores\n\n`);
  await withPair('bun', async ({ apiPort }) => {
    await using folder = await temporaryFolder();
    const env = { BACALHAU_DIR: folder.path, BACALHAU_API_PORT: String(apiPort) };
    await startUp('start-up, version --client', ['version', '--client'], 25, env);
    await startUp('start-up, job list', ['job', 'list'], 27, env);
    await reads(apiPort, (await burst(apiPort, 16, 600)).ids);
  });
  process.stdout.write('\n');
  await costRows();
  process.stdout.write('\n');
  await wasmRows().catch((error: Error) => {
    process.stdout.write(`SKIPPED: modules: ${error.message}\n`);
    if (process.env.CI === 'true') throw error;
  });
  await dockerRows().catch((error: Error) => {
    process.stdout.write(`SKIPPED: containers: ${error.message}\n`);
    if (process.env.CI === 'true') throw error;
  });
  process.stdout.write('\n');
  await scheduleRows();
  process.stdout.write('\n');
  await boundRows();
}

await main();
