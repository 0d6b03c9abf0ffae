/**
 * Evaluations as a queue of rows (invariants.md section 2), of those that are still to come: one that has ended is deleted,
 * since nobody reads it. At most one per job waits to be taken, one is leased, and one
 * per trigger is delayed; the partial unique indexes hold that, so a chain of events cannot multiply them.
 *
 * The order among due ones is a column, `rank`: the time at which it became due, less one second per point of priority. So
 * a higher priority goes first, yet what has waited long enough overtakes it (ageing, L7) at no cost.
 */
import { type Insertable, sql } from 'kysely';
import {
  BacalhauError,
  type Evaluation,
  type EvaluationStatus,
  type EvaluationTrigger,
  type JobType,
  NANOS_PER_SECOND,
} from '../model/mod.ts';
import type { ReadContext, WriteContext } from './context.ts';
import {
  DELAYED,
  DUE,
  ENDED,
  type EvaluationsTable,
  LEASED,
  prepare,
  type Stored,
} from './orchestrator_schema.ts';
import type { Lease, NewEvaluation } from './rows.ts';
import { fields } from './statement.ts';
import { changes, type EvaluationReader, type EvaluationRepository, type LeaseOptions } from './store.ts';

const COLUMNS = [
  'id',
  'job_id',
  'namespace',
  'type',
  'triggered_by',
  'priority',
  'status',
  'wait_until',
  'rank',
  'lease_owner',
  'lease_token',
  'lease_until',
  'tries',
  'comment',
  'create_time',
  'modify_time',
] as const;

const isDue = sql<boolean>`${sql.raw(DUE)}`;
const isDelayed = sql<boolean>`${sql.raw(DELAYED)}`;
const isLeased = sql<boolean>`${sql.raw(LEASED)}`;
const isEnded = sql<boolean>`${sql.raw(ENDED)}`;
/** Due, and no other evaluation of its job is being worked on. */
const isFree = sql<boolean>`not exists (select 1 from evaluations as leased
  where leased.job_id = evaluations.job_id and leased.status = 'leased')`;

const byId = prepare((db, id: string) =>
  db.selectFrom('evaluations').selectAll().where('id', '=', id).compile()
);
const ofJob = prepare((db, jobId: string) =>
  db.selectFrom('evaluations').selectAll().where('job_id', '=', jobId).orderBy('create_time').orderBy('id')
    .compile()
);
const dueOf = prepare((db, jobId: string) =>
  db.selectFrom('evaluations').selectAll().where(isDue).where('job_id', '=', jobId).compile()
);
const delayedOfJob = prepare((db, jobId: string, trigger: string) =>
  db.selectFrom('evaluations').selectAll().where(isDelayed).where('job_id', '=', jobId)
    .where('triggered_by', '=', trigger).compile()
);
const anyFree = prepare((db) =>
  db.selectFrom('evaluations').select('id').where(isDue).where(isFree).limit(1).compile()
);
const firstWait = prepare((db) =>
  db.selectFrom('evaluations').select('wait_until as at').where(isDelayed).orderBy('wait_until').limit(1)
    .compile()
);
const firstLeaseEnd = prepare((db) =>
  db.selectFrom('evaluations').select('lease_until as at').where(isLeased).orderBy('lease_until').limit(1)
    .compile()
);
const timeIsUp = prepare((db, now: bigint, limit: number) =>
  db.selectFrom('evaluations').selectAll().where(isDelayed).where('wait_until', '<=', now)
    .orderBy('wait_until').limit(limit).compile()
);
const leaseIsOver = prepare((db, now: bigint, limit: number) =>
  db.selectFrom('evaluations').selectAll().where(isLeased).where('lease_until', '<=', now)
    .orderBy('lease_until').limit(limit).compile()
);
const free = prepare((db, limit: number) =>
  db.selectFrom('evaluations').selectAll().where(isDue).where(isFree).orderBy('rank').limit(limit).compile()
);
const freeById = prepare((db, id: string) =>
  db.selectFrom('evaluations').selectAll().where('id', '=', id).where(isDue).where(isFree).compile()
);

const insert = prepare((db, row: Insertable<EvaluationsTable>) =>
  db.insertInto('evaluations').values(fields(row, COLUMNS)).compile()
);
const setDelay = prepare((db, waitUntil: bigint, now: bigint, id: string) =>
  db.updateTable('evaluations').set({ wait_until: waitUntil, modify_time: now }).where('id', '=', id)
    .compile()
);
const setWaiting = prepare((
  db,
  waitUntil: bigint,
  rank: bigint,
  comment: string,
  now: bigint,
  id: string,
) =>
  db.updateTable('evaluations')
    .set({
      status: 'pending',
      wait_until: waitUntil,
      rank,
      comment,
      lease_token: '',
      lease_until: 0n,
      modify_time: now,
    })
    .where('id', '=', id).compile()
);
const drop = prepare((db, id: string) => db.deleteFrom('evaluations').where('id', '=', id).compile());
const take = prepare((db, owner: string, token: string, until: bigint, now: bigint, id: string) =>
  db.updateTable('evaluations')
    .set({ status: 'leased', lease_owner: owner, lease_token: token, lease_until: until, modify_time: now })
    .set((set) => ({ tries: set('tries', '+', 1n) })).where('id', '=', id).compile()
);
const endLease = prepare((db, id: string, token: string) =>
  db.deleteFrom('evaluations')
    .where('id', '=', id).where('status', '=', 'leased').where('lease_token', '=', token).compile()
);
const prolong = prepare((db, until: bigint, id: string, token: string) =>
  db.updateTable('evaluations').set({ lease_until: until })
    .where('id', '=', id).where('status', '=', 'leased').where('lease_token', '=', token).compile()
);
const cancelOf = prepare((db, jobId: string, trigger: string | null) =>
  db.deleteFrom('evaluations').where(isDelayed)
    .where('job_id', '=', jobId).where(sql<boolean>`triggered_by = coalesce(${trigger}, triggered_by)`)
    .compile()
);
/** What an earlier version of this program kept. */
const prune = prepare((db, limit: number) =>
  db.deleteFrom('evaluations').where(
    'id',
    'in',
    (of) => of.selectFrom('evaluations').select('id').where(isEnded).limit(limit),
  ).compile()
);

export class EvaluationsReader implements EvaluationReader {
  constructor(readonly context: ReadContext) {}

  async get(id: string): Promise<Evaluation | undefined> {
    const row = await byId.first(this.context.db, id);
    return row && evaluationOf(row);
  }

  async byJob(jobId: string): Promise<readonly Evaluation[]> {
    return (await ofJob.all(this.context.db, jobId)).map(evaluationOf);
  }

  async nextDueAt(): Promise<bigint | null> {
    const { db } = this.context;
    if (await anyFree.first(db)) return 0n;
    const times = [await firstWait.first(db), await firstLeaseEnd.first(db)].flatMap((row) => row?.at ?? []);
    return times.length === 0 ? null : times.reduce((a, b) => a < b ? a : b);
  }
}

export class Evaluations extends EvaluationsReader implements EvaluationRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async enqueue(given: NewEvaluation): Promise<string> {
    const { db, now } = this.context;
    const waitUntil = given.WaitUntil ?? 0n;
    this.context.notify(changes.evaluations);
    const other = await this.#joins(given.JobID, given.TriggeredBy, waitUntil);
    if (other !== undefined) return other;
    await insert.run(db, {
      id: given.ID,
      job_id: given.JobID,
      namespace: given.Namespace,
      type: given.Type,
      triggered_by: given.TriggeredBy,
      priority: given.Priority,
      status: 'pending',
      wait_until: waitUntil,
      rank: rankOf(given.Priority, now),
      lease_owner: '',
      lease_token: '',
      lease_until: 0,
      tries: 0,
      comment: given.Comment ?? '',
      create_time: now,
      modify_time: now,
    });
    return given.ID;
  }

  async lease({ owner, until, limit, id }: LeaseOptions): Promise<readonly Lease[]> {
    const { db, now } = this.context;
    for (const row of await leaseIsOver.all(db, now, limit)) await this.#wait(row, 0n, row.comment);
    for (const row of await timeIsUp.all(db, now, limit)) await this.#wait(row, 0n, row.comment);
    const leases: Lease[] = [];
    for (const row of await (id === undefined ? free.all(db, limit) : freeById.all(db, id))) {
      const token = this.context.uuid();
      await take.run(db, owner, token, until, now, row.id);
      const evaluation = evaluationOf({ ...row, status: 'leased', modify_time: now });
      leases.push(Object.freeze({ evaluation, token, until, tries: Number(row.tries) + 1 }));
    }
    return leases;
  }

  async complete({ evaluation, token }: Lease): Promise<void> {
    const { db } = this.context;
    if (await endLease.run(db, evaluation.ID, token) === 0) throw leaseLost(evaluation);
    // Whoever looks for work may have passed over one of this job because of this lease.
    if (await dueOf.first(db, evaluation.JobID)) this.context.notify(changes.evaluations);
  }

  async release({ evaluation, token }: Lease, notBefore: bigint, comment?: string): Promise<void> {
    const row = await byId.first(this.context.db, evaluation.ID);
    if (row?.status !== 'leased' || row.lease_token !== token) throw leaseLost(evaluation);
    await this.#wait(row, notBefore, comment ?? row.comment);
    this.context.notify(changes.evaluations);
  }

  async renew(lease: Lease, until: bigint): Promise<Lease> {
    const { evaluation, token } = lease;
    if (await prolong.run(this.context.db, until, evaluation.ID, token) === 0) throw leaseLost(evaluation);
    return Object.freeze({ ...lease, until });
  }

  async cancelDelayed(jobId: string, trigger?: EvaluationTrigger): Promise<void> {
    await cancelOf.run(this.context.db, jobId, trigger ?? null);
  }

  async prune(limit: number): Promise<number> {
    return await prune.run(this.context.db, limit);
  }

  /** Back to waiting, or superseded by the one that already waits for the same. */
  async #wait(row: Stored<'evaluations'>, waitUntil: bigint, comment: string): Promise<void> {
    const { db, now } = this.context;
    const other = await this.#joins(row.job_id, row.triggered_by, waitUntil);
    if (other !== undefined) return void await drop.run(db, row.id);
    const since = row.wait_until || row.create_time;
    await setWaiting.run(db, waitUntil, rankOf(Number(row.priority), since), comment, now, row.id);
  }

  /** The id of the waiting evaluation that serves this request too; a delayed one takes over the earlier time. */
  async #joins(jobId: string, trigger: string, waitUntil: bigint): Promise<string | undefined> {
    const { db, now } = this.context;
    if (waitUntil === 0n) return (await dueOf.first(db, jobId))?.id;
    const other = await delayedOfJob.first(db, jobId, trigger);
    if (other && waitUntil < other.wait_until) await setDelay.run(db, waitUntil, now, other.id);
    return other?.id;
  }
}

function rankOf(priority: number, since: bigint): bigint {
  return since - BigInt(priority) * NANOS_PER_SECOND;
}

function leaseLost({ ID, JobID }: Evaluation): BacalhauError {
  return new BacalhauError('LeaseLost', `Cannot end evaluation "${ID}" of job ${JobID}: its lease is over`, {
    component: 'Store',
    status: 409,
    retryable: true,
  });
}

function evaluationOf(row: Stored<'evaluations'>): Evaluation {
  return Object.freeze({
    ID: row.id,
    Namespace: row.namespace,
    JobID: row.job_id,
    TriggeredBy: row.triggered_by as EvaluationTrigger,
    Priority: Number(row.priority),
    Type: row.type as JobType,
    Status: row.status as EvaluationStatus,
    Comment: row.comment,
    WaitUntil: row.wait_until,
    CreateTime: row.create_time,
    ModifyTime: row.modify_time,
  });
}
