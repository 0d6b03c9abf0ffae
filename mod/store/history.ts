/** The history of each job, numbered from 1 under the job's row. */
import type { Insertable } from 'kysely';
import { sql } from 'kysely';
import { type Event, type JobHistory, toRfc3339 } from '../model/mod.ts';
import { decode, encode, notFound, type ReadContext, type WriteContext } from './context.ts';
import { type HistoryTable, prepare, type Stored } from './orchestrator_schema.ts';
import type { NewHistory } from './rows.ts';
import { fields } from './statement.ts';
import {
  changes,
  type HistoryFilter,
  type HistoryReader,
  type HistoryRepository,
  type Page,
} from './store.ts';

const COLUMNS = ['job_id', 'seq', 'version', 'type', 'execution_id', 'event', 'time'] as const;

const raiseSeq = prepare((db, by: number, jobId: string) =>
  db.updateTable('jobs').set({ history_seq: sql<bigint>`history_seq + ${by}` }).where('id', '=', jobId)
    .returning('history_seq').compile()
);
const insert = prepare((db, row: Insertable<HistoryTable>) =>
  db.insertInto('history').values(fields(row, COLUMNS)).compile()
);
/** A filter that is not given is null and lets all pass. */
const page = prepare((
  db,
  jobId: string,
  from: bigint,
  version: number | null,
  type: string | null,
  prefix: string,
  since: bigint,
  limit: number,
) =>
  db.selectFrom('history').selectAll().where('job_id', '=', jobId).where('seq', '>=', from)
    .where(sql<boolean>`version = coalesce(${version}, version) and type = coalesce(${type}, type)
      and substr(execution_id, 1, length(${prefix})) = ${prefix} and time >= ${since}`)
    .orderBy('seq').limit(limit).compile()
);

export class HistoriesReader implements HistoryReader {
  constructor(readonly context: ReadContext) {}

  async page(filter: HistoryFilter): Promise<Page<JobHistory>> {
    const limit = filter.limit || Number.MAX_SAFE_INTEGER - 1;
    const rows = await page.all(
      this.context.db,
      filter.jobId,
      filter.from ?? 0n,
      filter.version ?? null,
      filter.type ?? null,
      filter.executionPrefix ?? '',
      filter.since ?? 0n,
      limit + 1,
    );
    return { items: rows.slice(0, limit).map(historyOf), more: rows.length > limit };
  }
}

export class Histories extends HistoriesReader implements HistoryRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async append(jobId: string, entries: readonly NewHistory[]): Promise<void> {
    if (entries.length === 0) return;
    const { db } = this.context;
    const last = await raiseSeq.first(db, entries.length, jobId);
    if (!last) throw notFound('history of job', jobId);
    let seq = last.history_seq - BigInt(entries.length);
    for (const entry of entries) {
      await insert.run(db, {
        job_id: jobId,
        seq: ++seq,
        version: entry.jobVersion,
        type: entry.type,
        execution_id: entry.executionId ?? '',
        event: encode(entry.event),
        time: entry.time,
      });
    }
    this.context.notify(changes.job(jobId));
  }
}

function historyOf(row: Stored<'history'>): JobHistory {
  return Object.freeze({
    SeqNum: row.seq,
    Type: row.type as JobHistory['Type'],
    JobID: row.job_id,
    JobVersion: Number(row.version),
    ...(row.execution_id === '' ? {} : { ExecutionID: row.execution_id }),
    Event: decode<Event>(row.event),
    Time: toRfc3339(row.time),
  });
}
