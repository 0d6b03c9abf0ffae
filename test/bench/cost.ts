/**
 * What one job costs: an empty module through orchestrator and compute node as two processes. With the original's
 * executable in `BACALHAU_ORIGINAL`, its two processes in the same run beside it. CPU counts user and system time of a
 * process and its children, and one look at each job. Alone: `deno run -A test/bench/cost.ts [jobs]`.
 */
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { connectedNodes } from '../support/cluster.ts';
import { Connection, load } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import {
  cpuOf,
  memoryOf,
  ORIGINAL,
  type Program,
  type Server,
  start,
  temporaryFolder,
} from '../support/program.ts';
import { median, quantile, render, type Row } from './measure.ts';
import { until } from '../support/until.ts';

export const JOBS = '/api/v1/orchestrator/jobs';
const MB = 1e6;
/** A server that has run for a while is compiled by its runtime; one that was just started is not what is measured. */
const WARM_UP = 300;
const CONNECTIONS = 16;
const DEVSTACKS = 5;

type Figures = Record<string, number>;

/** How each figure is judged. `recorded`: of the original on two cores, where its executable is not there. */
const FIGURES: readonly (Omit<Row, 'ours' | 'original'> & { readonly recorded: number })[] = [
  figure('memory idle, orchestrator', 'MB', 67, { most: 45 }),
  figure('memory idle, compute and its children', 'MB', 59, { most: 65 }),
  figure('submit to completed, p50', 'ms', 23, { aim: 1 / 0.45 }),
  figure('submit to completed, p99', 'ms', 50, { aim: 2 }),
  figure('CPU of a job, 1 connection, orchestrator', 'ms', NaN, { most: 1.5 }),
  figure('CPU of a job, 1 connection, compute', 'ms', NaN, { most: 1.5 }),
  figure('accepted, 1 connection', '/s', NaN, { more: true }),
  figure('completed, 1 connection', '/s', NaN, { more: true }),
  figure('answer to a submit, 1 connection, p99', 'ms', NaN),
  figure('CPU of a job, 16 connections, orchestrator', 'ms', NaN, { most: 1.5 }),
  figure('CPU of a job, 16 connections, compute', 'ms', NaN, { most: 1.5 }),
  figure('accepted, 16 connections', '/s', 690, { more: true, aim: 1.5 }),
  figure('completed, 16 connections', '/s', 78, { more: true, aim: 5 }),
  figure('answer to a submit, 16 connections, p99', 'ms', NaN),
  figure('memory after the burst, orchestrator', 'MB', 104),
  figure('memory after the burst, compute', 'MB', 591),
  figure('devstack to first completed job', 's', 0.28),
];

function figure(what: string, unit: string, recorded: number, judged: Partial<Row> = {}) {
  return { what, unit, recorded, more: false, aim: 1, ...judged };
}

export interface Pair {
  readonly apiPort: number;
  readonly orchestrator: Server;
  readonly compute: Server;
}

/** Two servers over fresh folders; they end with `work`. */
export async function withPair<T>(program: Program, work: (pair: Pair) => Promise<T>): Promise<T> {
  await using folder = await temporaryFolder();
  const [api, nats, ...others] = await freePorts(5);
  const serve = (role: string, settings: readonly string[]) =>
    start(program, [
      'serve',
      `--${role}`,
      '--name',
      `n-${role}`,
      '--data-dir',
      join(folder.path, role),
      ...settings.flatMap((setting) => ['-c', setting]),
    ], { BACALHAU_DIR: join(folder.path, role) });
  await using orchestrator = serve('orchestrator', [
    ...LOCAL,
    'Orchestrator.Host=127.0.0.1',
    `API.Port=${api}`,
    `Orchestrator.Port=${nats}`,
  ]);
  await answering(api!, orchestrator);
  await using compute = serve('compute', [
    ...LOCAL,
    `API.Port=${others[0]}`,
    `Publishers.Types.Local.Port=${others[1]}`,
    `Compute.Orchestrators=nats://127.0.0.1:${nats}`,
  ]);
  await connectedNodes(api!, ['n-compute']);
  const result = await work({ apiPort: api!, orchestrator, compute });
  for (const server of [compute, orchestrator]) await server.end();
  return result;
}

const LOCAL = ['API.Host=127.0.0.1', 'DisableAnalytics=true'];

/** The original takes no port 0. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise<ReturnType<typeof createServer>>((done) => {
        const server = createServer().listen(0, '127.0.0.1', () => done(server));
      })),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

async function answering(port: number, server: Server): Promise<void> {
  await until(
    async () => {
      if (server.child.exitCode !== null) throw new Error(`a server ended:\n${server.lines.join('\n')}`);
      using api = new Connection(port);
      return (await api.request('GET', '/api/v1/agent/alive').catch(() => null))?.status === 200;
    },
    'the server answers',
    60_000,
  );
}

export async function ended(api: Connection, id: string): Promise<void> {
  interface Answer {
    readonly Job: { readonly State: { readonly StateType: string; readonly Message?: string } };
  }
  await until(
    async () => {
      const { Job } = await api.json<Answer>('GET', `${JOBS}/${id}`);
      if (Job.State.StateType === 'Failed') throw new Error(`job ${id} failed: ${Job.State.Message}`);
      return Job.State.StateType === 'Completed';
    },
    `job ${id} ends`,
    120_000,
  );
}

export async function submit(api: Connection): Promise<string> {
  return (await api.json<{ JobID: string }>('PUT', JOBS, wasmJob())).JobID;
}

export interface Burst {
  readonly ids: readonly string[];
  readonly acceptedMs: number;
  readonly completedMs: number;
  readonly answersMs: readonly number[];
}

/** Submits as fast as answers come, and waits until all have completed. */
export async function burst(apiPort: number, connections: number, count: number): Promise<Burst> {
  const body = JSON.stringify(wasmJob());
  using api = new Connection(apiPort);
  const begin = performance.now();
  const answers = await load(apiPort, connections, count, () => ({ method: 'PUT', path: JOBS, body }));
  const acceptedMs = performance.now() - begin;
  const ids = answers.map((answer) => (JSON.parse(answer.body) as { JobID: string }).JobID);
  for (const id of ids) await ended(api, id);
  return { ids, acceptedMs, completedMs: performance.now() - begin, answersMs: answers.map(({ ms }) => ms) };
}

async function latencies(apiPort: number, count: number): Promise<number[]> {
  using api = new Connection(apiPort);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await ended(api, await submit(api));
    times.push(performance.now() - begin);
  }
  return times;
}

/** All figures of one program. */
async function measured(program: Program, count: number): Promise<Figures> {
  const figures: Figures = await withPair(program, async ({ apiPort, orchestrator, compute }) => {
    const found: Figures = {};
    // One job first, so that the idle figures include a warm child.
    await latencies(apiPort, 1);
    await new Promise((settled) => setTimeout(settled, 3_000));
    found['memory idle, orchestrator'] = memoryOf(orchestrator.pid) / MB;
    found['memory idle, compute and its children'] = memoryOf(compute.pid) / MB;
    await latencies(apiPort, WARM_UP);
    const times = await latencies(apiPort, count);
    found['submit to completed, p50'] = quantile(times, 0.5);
    found['submit to completed, p99'] = quantile(times, 0.99);
    for (const connections of [1, CONNECTIONS]) {
      const over = `${connections} connection${connections > 1 ? 's' : ''}`;
      const before = [cpuOf(orchestrator.pid), cpuOf(compute.pid)] as const;
      const { acceptedMs, completedMs, answersMs } = await burst(apiPort, connections, count);
      found[`CPU of a job, ${over}, orchestrator`] = (cpuOf(orchestrator.pid) - before[0]) / count;
      found[`CPU of a job, ${over}, compute`] = (cpuOf(compute.pid) - before[1]) / count;
      found[`accepted, ${over}`] = count / acceptedMs * 1000;
      found[`completed, ${over}`] = count / completedMs * 1000;
      found[`answer to a submit, ${over}, p99`] = quantile(answersMs, 0.99);
    }
    found['memory after the burst, orchestrator'] = memoryOf(orchestrator.pid) / MB;
    found['memory after the burst, compute'] = memoryOf(compute.pid) / MB;
    return found;
  });
  const starts: number[] = [];
  for (let i = 0; i < DEVSTACKS; i++) starts.push(await devstack(program));
  return { ...figures, 'devstack to first completed job': median(starts) };
}

/** Seconds from its start to the first completed job. */
async function devstack(program: Program): Promise<number> {
  await using folder = await temporaryFolder();
  const [api, nats, local] = await freePorts(3);
  const begin = performance.now();
  await using server = start(program, [
    'devstack',
    ...(program === 'original' ? ['--stack-repo'] : ['--base-dir']),
    folder.path,
    ...[...LOCAL, `API.Port=${api}`, `Orchestrator.Port=${nats}`, `Publishers.Types.Local.Port=${local}`]
      .flatMap((setting) => ['-c', setting]),
  ], { BACALHAU_DIR: folder.path });
  const [, port] = await server.line(/BACALHAU_API_PORT=(\d+)/);
  using connection = new Connection(Number(port));
  await ended(connection, await submit(connection));
  const seconds = (performance.now() - begin) / 1000;
  await server.kill('SIGTERM');
  return seconds;
}

/** Measures, prints and returns the rows. */
export async function costRows(count = 500): Promise<Row[]> {
  const ours = await measured('bun', count);
  const original = ORIGINAL ? await measured('original', count) : null;
  const rows = FIGURES.map(({ recorded, ...judged }) => ({
    ...judged,
    ours: ours[judged.what]!,
    original: original ? original[judged.what]! : recorded,
  }));
  process.stdout.write(`${render(rows)}\n`);
  return rows;
}

if (import.meta.main) await costRows(Number(process.argv[2] ?? 500));
