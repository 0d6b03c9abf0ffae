/**
 * Executions. The unique indexes hold one live and one counted execution per slot and each attempt once (S2, S3); usage of
 * the node follows each change of phase.
 */
import { sql } from 'kysely';
import {
  BacalhauError,
  ComputeState,
  DesiredState,
  type FailureClass,
  holdsResources,
  isTerminalComputeState,
  isTerminalPhase,
  type Phase,
} from '../model/mod.ts';
import {
  decode,
  encode,
  orConflict,
  type ReadContext,
  revisionConflict,
  type WriteContext,
} from './context.ts';
import { HELD, LIVE, prepare, SETBACK, type Stored } from './orchestrator_schema.ts';
import type {
  ExecutionChange,
  ExecutionOutline,
  ExecutionRow,
  NewExecution,
  Setback,
  Tally,
} from './rows.ts';
import { stateOf, stateText } from './states.ts';
import { type Columns, columnsOf } from './statement.ts';
import { changes, type ExecutionReader, type ExecutionRepository } from './store.ts';
import { addUsage } from './usage.ts';

const CHANGING = {
  desired: (row) => row.desired.StateType,
  desired_text: (row) => stateText(row.desired),
  compute: (row) => row.compute.StateType,
  compute_text: (row) => stateText(row.compute),
  phase: (row) => row.phase,
  class: (row) => row.class,
  code: (row) => row.code,
  counted: (row) => row.counted ? 1 : 0,
  next_exec: (row) => row.next,
  followup_eval: (row) => row.followupEvalId,
  bid_deadline: (row) => row.bidDeadline,
  exec_deadline: (row) => row.execDeadline,
  unknown_since: (row) => row.unknownSince,
  lost_after: (row) => row.lostAfter,
  stop_confirmed: (row) => row.stopConfirmed ? 1 : 0,
  started: (row) => row.started,
  ended: (row) => row.ended,
  node_rev: (row) => row.nodeRev,
  published: (row) => row.published && encode(row.published),
  run_output: (row) => row.runOutput && encode(row.runOutput),
  rev: (row) => row.rev,
  modify_time: (row) => row.modifyTime,
} satisfies Columns<ExecutionRow>;
const COLUMNS = {
  id: (row) => row.id,
  namespace: (row) => row.namespace,
  name: (row) => row.name,
  job_id: (row) => row.jobId,
  version: (row) => row.jobVersion,
  slot: (row) => row.slot,
  partition_index: (row) => row.partition,
  attempt: (row) => row.attempt,
  node_id: (row) => row.nodeId,
  eval_id: (row) => row.evalId,
  previous_exec: (row) => row.previous,
  allocated: (row) => encode(row.allocated),
  create_time: (row) => row.createTime,
  ...CHANGING,
} satisfies Columns<ExecutionRow>;

/** Attempts of a slot that are looked at: back-off has long reached its end with them. */
const LAST_ATTEMPTS = 64;

const isLive = sql<boolean>`${sql.raw(LIVE)}`;

const byId = prepare((db, id: string) =>
  db.selectFrom('executions').selectAll().where('id', '=', id).compile()
);
const ofJob = prepare((db, jobId: string) =>
  db.selectFrom('executions').selectAll().where('job_id', '=', jobId).orderBy('create_time').orderBy('id')
    .compile()
);
const ofVersion = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('executions').selectAll().where('job_id', '=', jobId).where('version', '=', version)
    .orderBy('create_time').orderBy('id').compile()
);
const heldBy = prepare((db, nodeId: string) =>
  db.selectFrom('executions').selectAll().where('node_id', '=', nodeId).where(sql<boolean>`${sql.raw(HELD)}`)
    .orderBy('create_time').orderBy('id').compile()
);
const outlinesHeldBy = prepare((db, nodeId: string) =>
  db.selectFrom('executions').select(['id', 'job_id', 'phase']).where('node_id', '=', nodeId)
    .where(sql<boolean>`${sql.raw(HELD)}`).orderBy('create_time').orderBy('id').compile()
);
const overdue = prepare((db, now: bigint) =>
  db.selectFrom('executions').select('job_id').where(sql<boolean>`phase = 'asked' and bid_deadline > 0`)
    .where('bid_deadline', '<=', now).union(
      db.selectFrom('executions').select('job_id').where(sql<boolean>`exec_deadline > 0 and ${sql.raw(LIVE)}`)
        .where('exec_deadline', '<=', now),
    ).compile()
);
const ofSlot = prepare((db, jobId: string, version: bigint, slot: string, limit: number) =>
  db.selectFrom('executions').selectAll().where('job_id', '=', jobId).where('version', '=', version)
    .where('slot', '=', slot).orderBy('attempt', 'desc').limit(limit).compile()
);
const liveOf = prepare((db, jobId: string, limit: number) =>
  db.selectFrom('executions').selectAll().where('job_id', '=', jobId).where(isLive).limit(limit).compile()
);
const anyLive = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('executions').select('id').where('job_id', '=', jobId).where('version', '=', version)
    .where(isLive).limit(1).compile()
);
const counted = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('executions').select((select) => select.fn.countAll<bigint>().as('total'))
    .where('job_id', '=', jobId).where('version', '=', version).where(sql<boolean>`counted = 1`).compile()
);
const placed = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('executions')
    .select((select) => [
      'node_id',
      'phase',
      select.fn.countAll<bigint>().as('total'),
      select.fn.max('ended').as('ended'),
    ])
    .where('job_id', '=', jobId).where('version', '=', version).groupBy(['node_id', 'phase']).compile()
);
const setbacksOf = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('executions').select([
    'node_id',
    'phase',
    'class',
    'code',
    'compute_text',
    'compute',
    'ended',
  ])
    .where('job_id', '=', jobId).where('version', '=', version).where(sql<boolean>`${sql.raw(SETBACK)}`)
    .orderBy('create_time').orderBy('id').compile()
);
const insert = prepare((db, row: ExecutionRow) =>
  db.insertInto('executions').values(columnsOf(row, COLUMNS)).compile()
);
const update = prepare((db, row: ExecutionRow, id: string, rev: bigint) =>
  db.updateTable('executions').set(columnsOf(row, CHANGING)).where('id', '=', id).where('rev', '=', rev)
    .compile()
);

export class ExecutionsReader implements ExecutionReader {
  constructor(readonly context: ReadContext) {}

  async get(id: string): Promise<ExecutionRow | undefined> {
    const row = await byId.first(this.context.db, id);
    return row && this.#decode(row);
  }

  async byJob(jobId: string, version?: number): Promise<readonly ExecutionRow[]> {
    const { db } = this.context;
    return this.#decodeAll(
      await (version === undefined ? ofJob.all(db, jobId) : ofVersion.all(db, jobId, BigInt(version))),
    );
  }

  async heldByNode(nodeId: string): Promise<readonly ExecutionRow[]> {
    return this.#decodeAll(await heldBy.all(this.context.db, nodeId));
  }

  async outlinesByNode(nodeId: string): Promise<readonly ExecutionOutline[]> {
    const rows = await outlinesHeldBy.all(this.context.db, nodeId);
    return rows.map(({ id, job_id, phase }) => ({ id, jobId: job_id, phase: phase as Phase }));
  }

  async overdueJobs(now: bigint): Promise<readonly string[]> {
    return (await overdue.all(this.context.db, now)).map((row) => row.job_id);
  }

  async bySlot(
    jobId: string,
    version: number,
    slot: string,
    limit = LAST_ATTEMPTS,
  ): Promise<readonly ExecutionRow[]> {
    return this.#decodeAll(await ofSlot.all(this.context.db, jobId, BigInt(version), slot, limit));
  }

  async live(jobId: string, limit: number): Promise<readonly ExecutionRow[]> {
    return this.#decodeAll(await liveOf.all(this.context.db, jobId, limit));
  }

  async hasLive(jobId: string, version: number): Promise<boolean> {
    return await anyLive.first(this.context.db, jobId, BigInt(version)) !== undefined;
  }

  async countCounted(jobId: string, version: number): Promise<number> {
    return Number((await counted.first(this.context.db, jobId, BigInt(version)))!.total);
  }

  async tallies(jobId: string, version: number): Promise<readonly Tally[]> {
    const rows = await placed.all(this.context.db, jobId, BigInt(version));
    return rows.map(({ node_id, phase, total, ended }) => ({
      nodeId: node_id,
      phase: phase as Phase,
      count: Number(total),
      lastEnd: ended,
    }));
  }

  async setbacks(jobId: string, version: number): Promise<readonly Setback[]> {
    const rows = await setbacksOf.all(this.context.db, jobId, BigInt(version));
    return rows.map((row) => {
      const { Message = '', Details } = stateOf(Number(row.compute) as ComputeState, row.compute_text);
      return {
        nodeId: row.node_id,
        phase: row.phase as Phase,
        class: row.class as Setback['class'],
        code: row.code,
        message: Message,
        hint: Details?.Hint ?? '',
        endedAt: row.ended,
      };
    });
  }

  #decodeAll(rows: readonly Stored<'executions'>[]): readonly ExecutionRow[] {
    return rows.map((row) => this.#decode(row));
  }

  #decode(row: Stored<'executions'>): ExecutionRow {
    const cached = this.context.caches.executions.get(row.id);
    if (cached?.rev === row.rev) return cached;
    const decoded = executionOf(row);
    const texts = [
      row.allocated,
      row.compute_text,
      row.desired_text,
      row.run_output ?? '',
      row.published ?? '',
    ];
    const weight = texts.reduce((sum, text) => sum + text.length, 500);
    this.context.cache(({ executions }) => executions.set(row.id, decoded, weight));
    return decoded;
  }
}

export class Executions extends ExecutionsReader implements ExecutionRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async insert(given: NewExecution): Promise<ExecutionRow> {
    const { db, now } = this.context;
    const row: ExecutionRow = Object.freeze({
      ...BLANK,
      ...given,
      rev: 1n,
      createTime: now,
      modifyTime: now,
    });
    await orConflict(insert.run(db, row), slotConflict(row));
    if (holdsResources(row.phase)) await addUsage(this.context, row, 1);
    this.context.notify(changes.job(row.jobId));
    return row;
  }

  async update(seen: ExecutionRow, change: ExecutionChange): Promise<ExecutionRow> {
    const row: ExecutionRow = Object.freeze({
      ...seen,
      ...change,
      rev: seen.rev + 1n,
      modifyTime: this.context.now,
    });
    checkTransition(seen, row);
    const changed = await orConflict(
      update.run(this.context.db, row, row.id, seen.rev),
      slotConflict(row),
    );
    if (changed === 0) throw revisionConflict('execution', row.id);
    const [held, holds] = [holdsResources(seen.phase), holdsResources(row.phase)];
    if (held !== holds) {
      await addUsage(this.context, row, holds ? 1 : -1);
      if (held) this.context.notify(changes.nodes);
    }
    this.context.notify(changes.job(row.jobId));
    return row;
  }
}

const BLANK = Object.freeze({
  name: '',
  desired: Object.freeze({ StateType: DesiredState.Pending }),
  compute: Object.freeze({ StateType: ComputeState.New }),
  phase: 'asked',
  class: '',
  code: '',
  counted: false,
  previous: '',
  next: '',
  followupEvalId: '',
  bidDeadline: 0n,
  execDeadline: 0n,
  unknownSince: 0n,
  lostAfter: 0n,
  stopConfirmed: false,
  started: 0n,
  ended: 0n,
  nodeRev: 0n,
  published: null,
  runOutput: null,
});

/** No row leaves a terminal state, and a counted result stays (S2, S5). */
function checkTransition(seen: ExecutionRow, row: ExecutionRow): void {
  const refuse = (why: string) => new RangeError(`Cannot change execution "${row.id}": ${why}`);
  if (isTerminalPhase(seen.phase) && row.phase !== seen.phase) {
    throw refuse(`it is ${seen.phase}, which is final, and would become ${row.phase}`);
  }
  // Stopping shows as Cancelled already, which REST counts as terminal: only its own end may follow.
  if (isTerminalComputeState(seen.compute.StateType) && row.compute.StateType !== seen.compute.StateType) {
    throw refuse(
      `compute state ${seen.compute.StateType} is final and would become ${row.compute.StateType}`,
    );
  }
  if (seen.counted && !row.counted) throw refuse('its result is counted and stays so');
}

function slotConflict(row: ExecutionRow): (cause: BacalhauError) => BacalhauError {
  const slot = `${row.jobId}@${row.jobVersion}/${row.slot}`;
  return (cause) =>
    new BacalhauError(
      'SlotConflict',
      `Cannot store execution "${row.id}": slot ${slot} already has a live or counted one, or attempt ${row.attempt}`,
      { component: 'Store', status: 409, retryable: true, cause },
    );
}

function executionOf(row: Stored<'executions'>): ExecutionRow {
  return Object.freeze({
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    jobId: row.job_id,
    jobVersion: Number(row.version),
    slot: row.slot,
    partition: Number(row.partition_index),
    attempt: Number(row.attempt),
    nodeId: row.node_id,
    evalId: row.eval_id,
    desired: stateOf(Number(row.desired) as DesiredState, row.desired_text),
    compute: stateOf(Number(row.compute) as ComputeState, row.compute_text),
    phase: row.phase as Phase,
    class: row.class as FailureClass | 'drained' | '',
    code: row.code,
    counted: row.counted === 1n,
    previous: row.previous_exec,
    next: row.next_exec,
    followupEvalId: row.followup_eval,
    allocated: decode<ExecutionRow['allocated']>(row.allocated),
    bidDeadline: row.bid_deadline,
    execDeadline: row.exec_deadline,
    unknownSince: row.unknown_since,
    lostAfter: row.lost_after,
    stopConfirmed: row.stop_confirmed === 1n,
    started: row.started,
    ended: row.ended,
    nodeRev: row.node_rev,
    published: row.published === null ? null : decode<ExecutionRow['published']>(row.published),
    runOutput: row.run_output === null ? null : decode<ExecutionRow['runOutput']>(row.run_output),
    rev: row.rev,
    createTime: row.create_time,
    modifyTime: row.modify_time,
  });
}
