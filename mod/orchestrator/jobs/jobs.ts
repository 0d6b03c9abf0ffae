/**
 * Jobs as the API wants them. What is told of one is told of one version, the one asked for, else the latest, unless all are
 * asked for: what an earlier one printed or left is never shown as this one's.
 */
import {
  BacalhauError,
  type Execution,
  type ExecutionQuery,
  type HistoryPage,
  type HistoryQuery,
  isFinite,
  isTerminalJob,
  isTerminalPhase,
  type Job,
  type JobListQuery,
  type JobQuery,
  type LogChunk,
  type LogQuery,
  type Page,
  type SpecConfig,
  type SubmitRequest,
  type SubmitResult,
} from '../../model/mod.ts';
import { holds } from '../../schedule/mod.ts';
import type { ExecutionRow, JobFilter, JobRow, PastVersionRow, StoreReader } from '../../store/mod.ts';
import type { OrchestratorLink } from '../../transport/mod.ts';
import { toExecution } from './to_execution.ts';
import { readLogs } from './logs.ts';
import { resolveJob, versionOf } from './resolve.ts';
import { stop } from './stop.ts';
import { submit, type SubmitContext } from './submit.ts';

const NANOS_PER_SECOND = 1_000_000_000n;

export class Jobs {
  constructor(readonly context: SubmitContext, readonly link: () => OrchestratorLink) {}

  get #store() {
    return this.context.transactor.store;
  }

  /** Resolves when the submit is durable. */
  submit(request: SubmitRequest): Promise<SubmitResult> {
    return submit(this.context, request);
  }

  stopJob(ref: string, query: { namespace: string; reason: string }): Promise<{ EvaluationID: string }> {
    return stop(this.context.transactor, ref, query);
  }

  logs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk> {
    return readLogs(this.#store, this.link, ref, query, signal);
  }

  /** The job of a version; an older one has the state it had when it was replaced. */
  getJob(ref: string, { namespace, version = 0 }: JobQuery): Promise<Job> {
    return this.#store.read(async (reader) => {
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

  versions(ref: string, { namespace }: { namespace: string }): Promise<readonly Job[]> {
    return this.#store.read(async (reader) => {
      const { job } = await resolveJob(reader, ref, namespace);
      const rows = await reader.versions.list(job.ID);
      return rows.map((row) => (row.version === job.Version ? job : pastJob(row)));
    });
  }

  async listJobs(query: JobListQuery): Promise<Page<Job>> {
    const page = await this.#store.read((reader) => reader.jobs.list(filterOf(query)));
    const items = page.items.map(({ job }) => job);
    return page.more ? { items, next: query.offset + items.length } : { items };
  }

  async *allJobs(query: JobListQuery): AsyncGenerator<Job, void> {
    const ids = await this.#store.read((reader) => reader.jobs.ids(filterOf(query)));
    for (const id of ids) {
      const row = await this.#store.read((reader) => reader.jobs.get(id));
      if (row) yield row.job; // else it was deleted meanwhile
    }
  }

  history(ref: string, query: HistoryQuery): Promise<HistoryPage> {
    return this.#store.read(async (reader) => {
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
      const ended = !page.more && await hasEnded(reader, job, version, query.executionId);
      return ended
        ? { items: page.items }
        : { items: page.items, next: last === undefined ? from : last + 1n };
    });
  }

  executions(ref: string, query: ExecutionQuery): Promise<readonly Execution[]> {
    return this.#store.read(async (reader) => {
      const job = await resolveJob(reader, ref, query.namespace);
      const rows = [...await reader.executions.byJob(job.job.ID, versionOf(job, query))];
      if (query.orderBy === 'modified_at') rows.sort((a, b) => Number(a.modifyTime - b.modifyTime));
      if (query.reverse) rows.reverse();
      if (query.limit > 0) rows.length = Math.min(rows.length, query.limit);
      const shown: Execution[] = [];
      for (const row of rows) {
        shown.push(toExecution(row, await reader.versions.get(row.jobId, row.jobVersion)));
      }
      return shown;
    });
  }

  /**
   * Published results by partition: of the execution that completed, else what the latest of those left that failed or were
   * stopped.
   */
  results(ref: string, query: JobQuery): Promise<readonly SpecConfig[]> {
    return this.#store.read(async (reader) => {
      const row = await resolveJob(reader, ref, query.namespace);
      const { job } = row;
      if (!isFinite(job.Type)) {
        throw new BacalhauError(
          'BadRequest',
          `Cannot get results of job "${ref}": a ${job.Type} job has none`,
          { component: 'JobStore', hint: 'Batch and ops jobs have results' },
        );
      }
      const bySlot = new Map<string, ExecutionRow>();
      for (const each of await reader.executions.byJob(job.ID, versionOf(row, query))) {
        if (!each.published?.Type || !isTerminalPhase(each.phase)) continue;
        const other = bySlot.get(each.slot);
        if (!other || isBetter(each, other)) bySlot.set(each.slot, each);
      }
      return [...bySlot.values()].sort((a, b) => a.partition - b.partition).map(({ published }) =>
        published!
      );
    });
  }
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

/** Whether nothing more is to be expected; a prefix of an execution id means all that begin with it. */
async function hasEnded(
  reader: StoreReader,
  { job }: JobRow,
  version: number | undefined,
  executionId: string,
): Promise<boolean> {
  const replaced = version !== undefined && version !== job.Version;
  if (replaced || executionId !== '') {
    const matching = (await reader.executions.byJob(job.ID, version))
      .filter(({ id }) => id.startsWith(executionId));
    if (replaced || matching.length > 0) {
      return matching.every(({ phase }) => isTerminalPhase(phase) || phase === 'stopping');
    }
  }
  return isTerminalJob(job.State.StateType);
}

function isBetter(a: ExecutionRow, b: ExecutionRow): boolean {
  const done = (row: ExecutionRow) => row.phase === 'completed';
  return done(a) === done(b) ? a.attempt > b.attempt : done(a);
}

function filterOf({ namespace, labels, orderBy, reverse, limit, offset }: JobListQuery): JobFilter {
  return {
    ...(namespace === '' || namespace === '*' ? {} : { namespace }),
    ...(labels.length > 0 ? { matches: (own) => labels.every((constraint) => holds(constraint, own)) } : {}),
    orderBy: orderBy === 'modified_at' ? 'modified' : 'created',
    reverse,
    limit,
    offset,
  };
}
