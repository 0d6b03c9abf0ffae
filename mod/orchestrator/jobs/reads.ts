/** What can be read of jobs, in the shapes of REST. */
import {
  BacalhauError,
  type Execution,
  isFinite,
  isTerminalJob,
  isTerminalPhase,
  type Job,
  type SpecConfig,
} from '../../model/mod.ts';
import { holds } from '../../schedule/mod.ts';
import type {
  ExecutionRow,
  JobRow,
  OrchestratorStore,
  PastVersionRow,
  StoreReader,
} from '../../store/mod.ts';
import { toExecution } from './execution.ts';
import { resolveJob } from './resolve.ts';
import type {
  ExecutionQuery,
  HistoryPage,
  HistoryQuery,
  JobListQuery,
  Page,
  VersionQuery,
} from '../../model/mod.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

/** The job of a version; an older one has the state it had when it was replaced. */
export function getJob(
  store: OrchestratorStore,
  ref: string,
  { namespace, version = 0 }: { namespace: string; version?: number },
): Promise<Job> {
  return store.read(async (reader) => {
    const { job } = await resolveJob(reader, ref, namespace);
    if (version === 0 || version === job.Version) return job;
    const past = (await reader.versions.list(job.ID)).find((row) => row.version === version);
    if (past) return pastJob(past);
    throw new BacalhauError('NotFound', `job not found: ${ref} version ${version}`, {
      component: 'JobStore',
      hint: `List its versions with \`bacalhau job versions ${ref}\``,
    });
  });
}

function pastJob({ job, replaced }: PastVersionRow): Job {
  if (!replaced) return job;
  return Object.freeze({
    ...job,
    State: replaced.state,
    Revision: replaced.revision,
    ModifyTime: replaced.time,
  });
}

export function versions(
  store: OrchestratorStore,
  ref: string,
  { namespace }: { namespace: string },
): Promise<readonly Job[]> {
  return store.read(async (reader) => {
    const { job } = await resolveJob(reader, ref, namespace);
    const rows = await reader.versions.list(job.ID);
    return rows.map((row) => (row.version === job.Version ? job : pastJob(row)));
  });
}

export async function listJobs(store: OrchestratorStore, query: JobListQuery): Promise<Page<Job>> {
  const { namespace, labels, orderBy, reverse, limit, offset } = query;
  const page = await store.read((reader) =>
    reader.jobs.list({
      ...(namespace === '' || namespace === '*' ? {} : { namespace }),
      ...(labels.length > 0
        ? { matches: (own) => labels.every((constraint) => holds(constraint, own)) }
        : {}),
      orderBy: orderBy === 'modified_at' ? 'modified' : 'created',
      reverse,
      limit,
      offset,
    })
  );
  const items = page.items.map(({ job }) => job);
  return page.more ? { items, next: offset + items.length } : { items };
}

/** The version a query is about; undefined = all. */
function versionOf(job: JobRow, { version = 0, allVersions }: VersionQuery): number | undefined {
  if (version !== 0) return version;
  return allVersions ? undefined : job.job.Version;
}

export function history(store: OrchestratorStore, ref: string, query: HistoryQuery): Promise<HistoryPage> {
  return store.read(async (reader) => {
    const job = await resolveJob(reader, ref, query.namespace);
    const version = versionOf(job, query);
    const from = query.fromSeqNum > 0n ? query.fromSeqNum : 1n;
    const page = await reader.history.page({
      jobId: job.job.ID,
      ...(version === undefined ? {} : { version }),
      ...(query.eventType === 'all'
        ? {}
        : { type: query.eventType === 'job' ? 'JobLevel' : 'ExecutionLevel' }),
      ...(query.executionId === '' ? {} : { executionPrefix: query.executionId }),
      ...(query.since > 0n ? { since: query.since * NANOS_PER_SECOND } : {}),
      from,
      limit: query.limit,
    });
    const last = page.items.at(-1)?.SeqNum;
    const ended = !page.more && await hasEnded(reader, job, query.executionId);
    return ended ? { items: page.items } : { items: page.items, next: last === undefined ? from : last + 1n };
  });
}

/** Whether nothing more is to be expected; a prefix of an execution id means all that begin with it. */
async function hasEnded(reader: StoreReader, { job }: JobRow, executionId: string): Promise<boolean> {
  if (executionId !== '') {
    const matching = (await reader.executions.byJob(job.ID)).filter(({ id }) => id.startsWith(executionId));
    if (matching.length > 0) {
      return matching.every(({ phase }) => isTerminalPhase(phase) || phase === 'stopping');
    }
  }
  return isTerminalJob(job.State.StateType);
}

export function executions(
  store: OrchestratorStore,
  ref: string,
  query: ExecutionQuery,
): Promise<readonly Execution[]> {
  return store.read(async (reader) => {
    const job = await resolveJob(reader, ref, query.namespace);
    const found = await reader.executions.byJob(job.job.ID, versionOf(job, query));
    const rows = [...found];
    if (query.orderBy === 'modified_at') rows.sort((a, b) => Number(a.modifyTime - b.modifyTime));
    if (query.reverse) rows.reverse();
    if (query.limit > 0) rows.length = Math.min(rows.length, query.limit);
    return await withJobs(reader, rows);
  });
}

async function withJobs(reader: StoreReader, rows: readonly ExecutionRow[]): Promise<Execution[]> {
  const shown: Execution[] = [];
  for (const row of rows) shown.push(toExecution(row, await reader.versions.get(row.jobId, row.jobVersion)));
  return shown;
}

/**
 * Published results by partition: of the execution that completed, else what the latest of those left that failed or were
 * stopped.
 */
export function results(
  store: OrchestratorStore,
  ref: string,
  { namespace }: { namespace: string },
): Promise<readonly SpecConfig[]> {
  return store.read(async (reader) => {
    const { job } = await resolveJob(reader, ref, namespace);
    if (!isFinite(job.Type)) {
      throw new BacalhauError(
        'BadRequest',
        `Cannot get results of job "${ref}": a ${job.Type} job has none`,
        {
          component: 'JobStore',
          hint: 'Batch and ops jobs have results',
        },
      );
    }
    const rows = await reader.executions.byJob(job.ID, job.Version);
    const bySlot = new Map<string, ExecutionRow>();
    for (const row of rows) {
      if (!row.published?.Type || !isTerminalPhase(row.phase)) continue;
      const other = bySlot.get(row.slot);
      if (!other || isBetter(row, other)) bySlot.set(row.slot, row);
    }
    return [...bySlot.values()].sort((a, b) => a.partition - b.partition).map(({ published }) => published!);
  });
}

function isBetter(a: ExecutionRow, b: ExecutionRow): boolean {
  const done = (row: ExecutionRow) => row.phase === 'completed';
  return done(a) === done(b) ? a.attempt > b.attempt : done(a);
}
