/**
 * `deno task bench`: drives the executable from outside, orchestrator and compute as two processes, over REST and the
 * command line. In brackets the original's figure on two cores (shared reference, corrections.md). Machines are shared
 * and noisy: compare rows of one run.
 */
import process from 'node:process';
import { connectedNodes, startCompute, startOrchestrator } from '../support/cluster.ts';
import { dockerRows } from './docker.ts';
import { Connection, load } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { isAlive, memoryOf, PROGRAMS, run, start, temporaryFolder, until } from '../support/program.ts';
import { median, quantile, render, type Row } from './measure.ts';
import { wasmRows } from './wasm.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const MB = 1e6;
const rows: Row[] = [];

function row(what: string, ours: number, original: number, unit: string, more: boolean, aim: number): void {
  rows.push({ what, ours, original, unit, more, aim });
  process.stdout.write(`${render(rows.slice(-1))}\n`);
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

interface JobAnswer {
  readonly Job: { readonly State: { readonly StateType: string; readonly Message?: string } };
}

async function ended(api: Connection, id: string): Promise<void> {
  await until(`job ${id} ends`, async () => {
    const { Job } = await api.json<JobAnswer>('GET', `${JOBS}/${id}`);
    if (Job.State.StateType === 'Failed') throw new Error(`job ${id} failed: ${Job.State.Message}`);
    return Job.State.StateType === 'Completed';
  }, 120_000);
}

async function submit(api: Connection): Promise<string> {
  return (await api.json<{ JobID: string }>('PUT', JOBS, wasmJob())).JobID;
}

async function submitToCompleted(api: Connection): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 220; i++) {
    times.push(await timed(async () => await ended(api, await submit(api))));
  }
  const warm = times.slice(20);
  row('empty module, submit to completed, p50', quantile(warm, 0.5), 23, 'ms', false, 2);
  row('empty module, submit to completed, p99', quantile(warm, 0.99), 50, 'ms', false, 2);
}

async function burst(api: Connection, count: number): Promise<string[]> {
  const body = JSON.stringify(wasmJob());
  const ids: string[] = [];
  let accepted = 0;
  const total = await timed(async () => {
    accepted = await timed(async () => {
      const answers = await load(api.port, 16, count, () => ({ method: 'PUT', path: JOBS, body }));
      ids.push(...answers.map((answer) => (JSON.parse(answer.body) as { JobID: string }).JobID));
    });
    for (const id of ids) await ended(api, id);
  });
  row('submits, 16 connections, fsync before answer', count / accepted * 1000, 690, '/s', true, 2);
  row(`burst of ${count} empty modules, completed`, count / total * 1000, 78, '/s', true, 5);
  return ids;
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

async function devstack(): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await using folder = await temporaryFolder();
    const begin = performance.now();
    await using server = start('bun', [
      'devstack',
      '--base-dir',
      folder.path,
      ...['API.Port=0', 'Orchestrator.Port=0', 'Publishers.Types.Local.Port=0'].flatMap((set) => ['-c', set]),
    ], { BACALHAU_DIR: folder.path });
    const [, port] = await server.line(/BACALHAU_API_PORT=(\d+)/);
    using api = new Connection(Number(port));
    await ended(api, await submit(api));
    times.push((performance.now() - begin) / 1000);
    await server.kill('SIGTERM');
  }
  row('devstack start to first completed job', median(times), 0.28, 's', false, 2);
}

async function main(): Promise<void> {
  process.stdout.write(`${PROGRAMS.bun[0]}, Bun-compiled; in brackets the original on two cores\n\n`);
  await using folder = await temporaryFolder();
  await using orchestrator = await startOrchestrator('bun', folder.path);
  await using compute = await startCompute('bun', folder.path, 'n-bench', orchestrator.natsPort);
  await connectedNodes(orchestrator.apiPort, ['n-bench']);
  using api = new Connection(orchestrator.apiPort);
  const env = { BACALHAU_DIR: folder.path, BACALHAU_API_PORT: String(orchestrator.apiPort) };

  // One job first, so that the idle figures include a warm child.
  await ended(api, await submit(api));
  await new Promise((settled) => setTimeout(settled, 3_000));
  row('memory, orchestrator, idle', memoryOf(orchestrator.pid) / MB, 67, 'MB', false, 0.67);
  row('memory, compute and its child, idle', memoryOf(compute.pid) / MB, 59, 'MB', false, 0.59);
  await startUp('start-up, version --client', ['version', '--client'], 25, env);
  await startUp('start-up, job list', ['job', 'list'], 27, env);
  await submitToCompleted(api);
  const ids = await burst(api, 500);
  row('memory, orchestrator, after the burst', memoryOf(orchestrator.pid) / MB, 104, 'MB', false, 1);
  row('memory, compute and its children, after', memoryOf(compute.pid) / MB, 583, 'MB', false, 1);
  await reads(orchestrator.apiPort, ids);
  await compute.end();
  await orchestrator.end();
  if (isAlive(compute.pid) || isAlive(orchestrator.pid)) throw new Error('a server outlived SIGTERM');
  await devstack();
  process.stdout.write(`\n${render(rows)}\n\n`);
  await wasmRows().catch((error: Error) => {
    process.stdout.write(`SKIPPED: modules: ${error.message}\n`);
    if (process.env.CI === 'true') throw error;
  });
  await dockerRows().catch((error: Error) => {
    process.stdout.write(`SKIPPED: containers: ${error.message}\n`);
    if (process.env.CI === 'true') throw error;
  });
}

await main();
