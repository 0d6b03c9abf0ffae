/**
 * What the scheduler costs as nodes, executions per job, waiting and stored jobs grow: CPU time (user and system) of single
 * steps, each with its transaction, and placements per second of the pure function. Alone:
 * `deno run -A test/bench/schedule.ts [nodes] [stored]`.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { addResources, compatibility, type NodeInfo } from '../../mod/model/mod.ts';
import { startOrchestrator } from '../../mod/orchestrator/mod.ts';
import { allocate, Fleet, NO_PAST, placementRequest } from '../../mod/schedule/mod.ts';
import { type ExecutionRow, openOrchestratorStore } from '../../mod/store/mod.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { realWorld } from '../../runtime/world.ts';
import { Inside } from '../orchestrator/inside.ts';
import { makeInfo, makeJob, makeNode } from '../schedule/model.ts';
import { temporaryFolder } from '../support/program.ts';
import { median } from './measure.ts';

const NODES = [100, 1_000, 5_000];
const EXECUTIONS = [1, 100, 1_000];
const WAITING = [0, 1_000, 100_000];
const STORED = [1_000, 100_000];
/** Different requests of the jobs that wait. */
const REQUESTS = 100;
const GB = 1e9;
/** Tries of a figure after as many to warm up; the median counts. Of large jobs a few do. */
const triesOf = (executions: number) => (executions < 1_000 ? 25 : 6);

const infoOf = (i: number): NodeInfo => ({
  ...makeInfo(`n-${i}`, { CPU: 64, Memory: 256 * GB, Disk: 1000 * GB, GPU: 1 }, {
    Labels: { zone: `z${i % 4}`, ...(i % 3 === 0 ? { ssd: '' } : {}) },
  }),
});
const CONSTRAINTS = [{ Key: 'zone', Operator: 'in', Values: ['z0', 'z1', 'z2'] }];
const PREFERENCE = { Key: 'favour_ssd', Operator: 'exists' };

async function cpu(work: () => Promise<unknown> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function medianCpu(tries: number, work: () => Promise<unknown>, quiet: () => Promise<void>) {
  const times: number[] = [];
  for (let i = 0; i < 2 * tries; i++) {
    times.push(await cpu(work));
    await quiet();
  }
  return median(times.slice(tries));
}

/** Placements per second of the pure function; each changes its node, and nodes are empty again when all are full. */
async function pure(nodes: number, executions: number): Promise<number> {
  const views = Array.from({ length: nodes }, (_, i) => makeNode(`n-${i}`, { info: infoOf(i) }));
  const request = placementRequest(makeJob({ Constraints: [...CONSTRAINTS, PREFERENCE] }));
  const slots = Array.from({ length: executions }, (_, i) => String(i));
  const fleet = new Fleet(1.5, views);
  let placed = 0;
  const round = (): void => {
    const want = { jobId: 'j', request, past: NO_PAST, slots };
    const { placements, refusals } = allocate([want], fleet, { limit: Infinity, random: Math.random });
    for (const { nodeId, resources } of placements) {
      const node = fleet.nodes.get(nodeId)!;
      fleet.set(nodeId, { ...node, promised: addResources(node.promised, resources) });
    }
    if (refusals.length > 0) { for (const view of views) fleet.set(view.id, view); }
    placed += placements.length;
  };
  const during = (ms: number) => {
    for (const end = performance.now() + ms; performance.now() < end;) round();
  };
  during(2000);
  placed = 0;
  const spent = await cpu(() => during(2000));
  return placed / spent * 1000;
}

function spec(
  changes: Record<string, unknown> = {},
  resources: Record<string, string> = { CPU: '0.01' },
) {
  const Tasks = [{ Name: 'main', Engine: { Type: 'noop' }, Resources: { Memory: '1Mb', ...resources } }];
  return { Name: '', Type: 'batch', Count: 1, Constraints: CONSTRAINTS, Tasks, ...changes };
}

/** Copies the rows of one job `count` times, as they are, with ids of their own. */
function multiply(path: string, jobId: string, count: number, name: string): void {
  using file = new DatabaseSync(path);
  const tables = ['jobs', 'job_versions', 'executions', 'history', 'wants', 'evaluations'];
  const ids = ['id', 'job_id', 'name', 'execution_id', 'previous_exec'];
  file.exec('pragma synchronous = off; begin');
  for (const table of tables) {
    const columns = file.prepare(`select name from pragma_table_info('${table}')`).all() as {
      name: string;
    }[];
    // A random order of ids, as of those that were drawn.
    const copied = columns.map(({ name: column }) => {
      if (column === 'body') return `replace(body, '${jobId}', substr('${jobId}', 1, 2) || tag)`;
      if (table === 'wants' && column === 'request') return `1 + n % ${REQUESTS}`;
      if (table === 'wants' && column === 'since') return `since + n`;
      return ids.includes(column) && !(table === 'history' && column === 'name')
        ? `case when ${column} = '' then '' else substr(${column}, 1, 2) || tag end`
        : column;
    });
    file.exec(`insert into ${table} (${columns.map((column) => column.name).join(', ')})
      with recursive counted(n) as (select 1 union all select n + 1 from counted where n < ${count})
      select ${copied.join(', ')} from ${table},
        (select n, printf('%08x-${name}-%d', (n * 2654435761) % 4294967296, n) as tag from counted)
      where ${table === 'jobs' ? 'id' : 'job_id'} = '${jobId}'`);
  }
  file.exec('commit');
}

/** A store with so many jobs that have ended, and so many that wait for a GPU, in a hundred different requests. */
async function prepare(path: string, waiting: number, stored: number): Promise<void> {
  let [ended, queued]: string[] = [];
  {
    await using inside = await Inside.open(path);
    await inside.join([infoOf(0)]);
    ended = await inside.submit(spec());
    const [execution] = await inside.live(ended!, 1);
    await inside.bid('n-0', execution!.id, true);
    await inside.ended('n-0', execution!.id);
    await inside.transactor.commit(async (work) => {
      const node = (await work.tx.nodes.get('n-0'))!;
      await work.tx.nodes.update(node, { eligibility: 'draining' });
      work.nodeChanged('n-0');
    });
    if (waiting > 0) {
      for (let i = 0; i < REQUESTS; i++) {
        queued = await inside.submit(spec({}, { CPU: `${1 + i / REQUESTS}`, GPU: '1' }));
      }
    }
  }
  multiply(path, ended!, stored, 'e');
  if (waiting > 0) multiply(path, queued!, waiting - REQUESTS, 'w');
  using file = new DatabaseSync(path);
  for (const table of ['nodes', 'node_sessions', 'node_usage', 'outbox']) file.exec(`delete from ${table}`);
  file.exec('analyze');
}

export interface Figures {
  readonly submit: number;
  readonly newRequest: number;
  readonly refused: number;
  readonly ended: number;
}

async function perJob(inside: Inside, executions: number): Promise<Figures> {
  const quiet = () => inside.quiet();
  const tries = triesOf(executions);
  const submitted = await medianCpu(tries, () => inside.submit(spec({ Count: executions })), quiet);
  const unlike = () => ({ CPU: (0.01 + Math.random() / 1000).toFixed(9) });
  const newRequest = await medianCpu(
    tries,
    () => inside.submit(spec({ Count: executions }, unlike())),
    quiet,
  );
  const asked: ExecutionRow[] = [];
  while (asked.length < 4 * tries) {
    const id = await inside.submit(spec({ Count: executions }));
    await quiet();
    asked.push(...(await inside.live(id, 4 * tries - asked.length)));
  }
  const refused = await medianCpu(tries, () => {
    const { id, nodeId } = asked.pop()!;
    return inside.bid(nodeId, id, false);
  }, quiet);
  for (const { id, nodeId } of asked) await inside.bid(nodeId, id, true);
  const ended = await medianCpu(tries, () => {
    const { id, nodeId } = asked.pop()!;
    return inside.ended(nodeId, id);
  }, quiet);
  return { submit: submitted, newRequest, refused, ended };
}

/** CPU of a report that frees what the first of those that wait needs, until that is asked. */
async function freed(inside: Inside, hog: string): Promise<number> {
  const tries = triesOf(1);
  const held = await inside.live(hog, 2 * tries);
  for (const { id, nodeId } of held) await inside.bid(nodeId, id, true);
  return await medianCpu(tries, () => {
    const { id, nodeId } = held.pop()!;
    return inside.ended(nodeId, id);
  }, () => inside.quiet());
}

async function start(path: string): Promise<number> {
  const begin = performance.now();
  const store = await openOrchestratorStore({ path, world: realWorld, orchestratorId: 'o-1' });
  const orchestrator = await startOrchestrator({
    id: 'o-1',
    world: realWorld,
    store,
    bus: await new MemoryNetwork().connector(realWorld)({ name: 'o-1' }),
    timings: {
      heartbeatMs: 15_000,
      infoUpdateMs: 60_000,
      requestMs: 10_000,
      ackMs: 5_000,
      reconnectMs: 1_000,
      reconnectMaxMs: 5_000,
    },
    defaults: {},
    compatibility: compatibility(''),
  });
  await orchestrator.jobs.submit({ job: spec(), force: false });
  const took = performance.now() - begin;
  await orchestrator.close();
  await store.close();
  return took;
}

const cell = (text: string | number, width = 9) =>
  (typeof text === 'number' ? text >= 100 ? text.toFixed(0) : text.toFixed(2) : text).padStart(width);
const line = (...cells: (string | number)[]) =>
  process.stdout.write(`${cells.map((each) => cell(each)).join('')}\n`);

export async function scheduleRows(nodes = NODES, stored = STORED): Promise<void> {
  await using folder = await temporaryFolder();
  process.stdout.write(
    'Pure function, placements/s with constraints and spread (aim 5,000 at 5,000 nodes)\n',
  );
  line('nodes', ...EXECUTIONS.map((count) => `${count}/job`));
  for (const count of nodes) {
    line(count, ...await Promise.all(EXECUTIONS.map((executions) => pure(count, executions))));
  }
  process.stdout.write(
    '\nCPU in ms (aims: submit 3, freed 5; flat over stored); start in ms of wall time (aim 1,000)\n',
  );
  line('nodes', 'waiting', 'stored', 'start', 'freed', 'per job', 'submit', 'new req.', 'refused', 'ended');
  for (const waiting of WAITING) {
    for (const many of stored) {
      const base = join(folder.path, 'base.db');
      await prepare(base, waiting, many);
      for (const count of nodes) {
        const path = join(folder.path, 'cell.db');
        for (const end of ['', '-wal', '-shm']) await Deno.remove(path + end).catch(() => undefined);
        copyFileSync(base, path);
        let freeing: number;
        {
          await using inside = await Inside.open(path);
          await inside.join(Array.from({ length: count }, (_, i) => infoOf(i)));
          const hog = await inside.submit(
            spec({ Count: count, Priority: 100, Constraints: [] }, { GPU: '1' }),
          );
          await inside.quiet();
          freeing = await freed(inside, hog);
          for (const executions of EXECUTIONS) {
            const { submit, newRequest, refused, ended } = await perJob(inside, executions);
            line(count, waiting, many, '', freeing, executions, submit, newRequest, refused, ended);
          }
        }
        line(count, waiting, many, await start(path));
      }
      for (const end of ['', '-wal', '-shm']) await Deno.remove(base + end).catch(() => undefined);
    }
  }
}

if (import.meta.main) {
  const numbers = (text: string | undefined) => text ? text.split(',').map(Number) : undefined;
  const [nodes, stored] = process.argv.slice(2);
  await scheduleRows(numbers(nodes), numbers(stored));
}
