/**
 * Evaluations as a queue of rows (invariants.md section 2). Who takes one up deletes it in the transaction of its plan, so a
 * crash in between leaves it as it was. Of each job at most one is due, and one per trigger is delayed; the partial unique
 * indexes hold that, so a chain of events cannot multiply them.
 *
 * The order among due ones is a column, `rank`: the time at which it was asked for, less one second per point of priority.
 * So a higher priority goes first, yet what has waited long enough overtakes it (ageing, L7) at no cost.
 */
import { sql } from 'kysely';
import { type EvaluationTrigger, NANOS_PER_SECOND } from '../model/mod.ts';
import type { ReadContext, WriteContext } from './context.ts';
import { DELAYED, DUE, prepare, type Stored, type Written } from './orchestrator_schema.ts';
import type { EvaluationRow, NewEvaluation } from './rows.ts';
import { fields } from './statement.ts';
import { changes, type EvaluationReader, type EvaluationRepository } from './store.ts';

const COLUMNS = ['id', 'job_id', 'triggered_by', 'wait_until', 'rank', 'tries'] as const;

const isDue = sql<boolean>`${sql.raw(DUE)}`;
const isDelayed = sql<boolean>`${sql.raw(DELAYED)}`;

const byId = prepare((db, id: string) =>
  db.selectFrom('evaluations').selectAll().where('id', '=', id).compile()
);
const dueOf = prepare((db, jobId: string) =>
  db.selectFrom('evaluations').select('id').where(isDue).where('job_id', '=', jobId).compile()
);
const delayedOf = prepare((db, jobId: string, trigger: string) =>
  db.selectFrom('evaluations').selectAll().where(isDelayed).where('job_id', '=', jobId)
    .where('triggered_by', '=', trigger).compile()
);
const due = prepare((db, limit: number) =>
  db.selectFrom('evaluations').selectAll().where(isDue).orderBy('rank').limit(limit).compile()
);
const timeIsUp = prepare((db, now: bigint, limit: number) =>
  db.selectFrom('evaluations').selectAll().where(isDelayed).where('wait_until', '<=', now)
    .orderBy('wait_until').limit(limit).compile()
);
const firstWait = prepare((db) =>
  db.selectFrom('evaluations').select('wait_until as at').where(isDelayed).orderBy('wait_until').limit(1)
    .compile()
);
const insert = prepare((db, row: Written<'evaluations'>) =>
  db.insertInto('evaluations').values(fields(row, COLUMNS)).compile()
);
const setDelay = prepare((db, waitUntil: bigint, id: string) =>
  db.updateTable('evaluations').set({ wait_until: waitUntil }).where('id', '=', id).compile()
);
const drop = prepare((db, id: string) => db.deleteFrom('evaluations').where('id', '=', id).compile());
const cancelOf = prepare((db, jobId: string) =>
  db.deleteFrom('evaluations').where(isDelayed).where('job_id', '=', jobId).compile()
);

export class EvaluationsReader implements EvaluationReader {
  constructor(readonly context: ReadContext) {}

  async due(now: bigint, limit: number): Promise<readonly EvaluationRow[]> {
    const { db } = this.context;
    return [...await due.all(db, limit), ...await timeIsUp.all(db, now, limit)].map(evaluationOf);
  }

  async nextDueAt(): Promise<bigint | null> {
    const { db } = this.context;
    if ((await due.all(db, 1)).length > 0) return 0n;
    return (await firstWait.first(db))?.at ?? null;
  }
}

export class Evaluations extends EvaluationsReader implements EvaluationRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async enqueue({ id, jobId, trigger, priority, waitUntil = 0n }: NewEvaluation): Promise<string> {
    const { db, now } = this.context;
    this.context.notify(changes.evaluations);
    const other = waitUntil === 0n
      ? await dueOf.first(db, jobId)
      : await this.#joins(jobId, trigger, waitUntil);
    if (other) return other.id;
    await insert.run(db, {
      id,
      job_id: jobId,
      triggered_by: trigger,
      wait_until: waitUntil,
      rank: now - BigInt(priority) * NANOS_PER_SECOND,
      tries: 0,
    });
    return id;
  }

  async remove(id: string): Promise<boolean> {
    return await drop.run(this.context.db, id) > 0;
  }

  async postpone(id: string, delay: (tries: number) => bigint): Promise<number> {
    const { db, now } = this.context;
    const row = await byId.first(db, id);
    if (!row) return 0;
    const tries = Number(row.tries) + 1;
    const waitUntil = now + delay(tries);
    await drop.run(db, id);
    if (!await this.#joins(row.job_id, row.triggered_by, waitUntil)) {
      await insert.run(db, { ...row, wait_until: waitUntil, tries });
    }
    this.context.notify(changes.evaluations);
    return tries;
  }

  async cancelDelayed(jobId: string): Promise<void> {
    await cancelOf.run(this.context.db, jobId);
  }

  /** The delayed one that serves this request too; it takes over the earlier time. */
  async #joins(jobId: string, trigger: string, waitUntil: bigint): Promise<{ id: string } | undefined> {
    const { db } = this.context;
    const other = await delayedOf.first(db, jobId, trigger);
    if (other && waitUntil < other.wait_until) await setDelay.run(db, waitUntil, other.id);
    return other;
  }
}

function evaluationOf(row: Stored<'evaluations'>): EvaluationRow {
  return Object.freeze({
    id: row.id,
    jobId: row.job_id,
    trigger: row.triggered_by as EvaluationTrigger,
    waitUntil: row.wait_until,
  });
}
