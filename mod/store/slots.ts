/** Slots of job versions: attempts, back-off and the one counted execution (S2, S3). */
import { BacalhauError } from '../model/mod.ts';
import {
  decodeMap,
  encode,
  orConflict,
  type ReadContext,
  revisionConflict,
  type WriteContext,
} from './context.ts';
import { prepare, type Stored } from './orchestrator_schema.ts';
import type { SlotChange, SlotRow } from './rows.ts';
import { type Columns, columnsOf } from './statement.ts';
import type { SlotReader, SlotRepository } from './store.ts';

const CHANGING = {
  attempt: (row) => row.attempt,
  current_exec: (row) => row.currentExec,
  counted_exec: (row) => row.countedExec,
  failures: (row) => encode(row.failures),
  not_before: (row) => row.notBefore,
  avoided: (row) => encode(row.avoided),
  rev: (row) => row.rev,
} satisfies Columns<SlotRow>;
const COLUMNS = {
  job_id: (row) => row.jobId,
  version: (row) => row.version,
  slot: (row) => row.slot,
  ...CHANGING,
} satisfies Columns<SlotRow>;

const one = prepare((db, jobId: string, version: bigint, slot: string) =>
  db.selectFrom('slots').selectAll()
    .where('job_id', '=', jobId).where('version', '=', version).where('slot', '=', slot).compile()
);
const ofVersion = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('slots').selectAll().where('job_id', '=', jobId).where('version', '=', version).compile()
);
const insert = prepare((db, row: SlotRow) =>
  db.insertInto('slots').values(columnsOf(row, COLUMNS)).compile()
);
const insertIfAbsent = prepare((db, row: SlotRow) =>
  db.insertInto('slots').values(columnsOf(row, COLUMNS)).onConflict((conflict) => conflict.doNothing())
    .compile()
);
const update = prepare((db, row: SlotRow, jobId: string, version: bigint, slot: string, rev: bigint) =>
  db.updateTable('slots').set(columnsOf(row, CHANGING))
    .where('job_id', '=', jobId).where('version', '=', version).where('slot', '=', slot).where(
      'rev',
      '=',
      rev,
    )
    .compile()
);

export class SlotsReader implements SlotReader {
  constructor(readonly context: ReadContext) {}

  async get(jobId: string, version: number, slot: string): Promise<SlotRow | undefined> {
    const row = await one.first(this.context.db, jobId, BigInt(version), slot);
    return row && slotOf(row);
  }

  async list(jobId: string, version: number): Promise<readonly SlotRow[]> {
    return (await ofVersion.all(this.context.db, jobId, BigInt(version))).map(slotOf).sort(bySlot);
  }
}

export class Slots extends SlotsReader implements SlotRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async create(jobId: string, version: number, slots: readonly string[]): Promise<void> {
    for (const slot of slots) {
      await insertIfAbsent.run(this.context.db, { ...EMPTY, jobId, version, slot });
    }
  }

  async insert(
    given: Pick<SlotRow, 'jobId' | 'version' | 'slot' | 'attempt' | 'currentExec'>,
  ): Promise<SlotRow> {
    const row: SlotRow = Object.freeze({ ...EMPTY, ...given });
    await orConflict(
      insert.run(this.context.db, row),
      (cause) =>
        new BacalhauError('SlotConflict', `Cannot add slot "${nameOf(row)}": it is there already`, {
          component: 'Store',
          status: 409,
          retryable: true,
          cause,
        }),
    );
    return row;
  }

  async update(seen: SlotRow, change: SlotChange): Promise<SlotRow> {
    const row = Object.freeze({ ...seen, ...change, rev: seen.rev + 1n });
    const name = nameOf(row);
    if (row.attempt < seen.attempt) {
      throw new RangeError(
        `Cannot change slot "${name}": attempts only grow (${seen.attempt} to ${row.attempt})`,
      );
    }
    if (seen.countedExec !== '' && row.countedExec !== seen.countedExec) {
      throw new RangeError(`Cannot change slot "${name}": its result is that of ${seen.countedExec}`);
    }
    const changed = await update.run(
      this.context.db,
      row,
      row.jobId,
      BigInt(row.version),
      row.slot,
      seen.rev,
    );
    if (changed === 0) throw revisionConflict('slot', name);
    return row;
  }
}

const EMPTY = Object.freeze({
  attempt: 0,
  currentExec: '',
  countedExec: '',
  failures: Object.freeze({}),
  notBefore: 0n,
  avoided: Object.freeze({}),
  rev: 1n,
});

function nameOf(row: SlotRow): string {
  return `${row.jobId}@${row.version}/${row.slot}`;
}

function slotOf(row: Stored<'slots'>): SlotRow {
  return Object.freeze({
    jobId: row.job_id,
    version: Number(row.version),
    slot: row.slot,
    attempt: Number(row.attempt),
    currentExec: row.current_exec,
    countedExec: row.counted_exec,
    failures: decodeMap<SlotRow['failures']>(row.failures),
    notBefore: row.not_before,
    avoided: avoidedOf(row.avoided),
    rev: row.rev,
  });
}

/** A time of 0 or a small one comes back from JSON as a number. */
function avoidedOf(text: string): SlotRow['avoided'] {
  const map = decodeMap<Record<string, bigint | number>>(text);
  return Object.freeze(Object.fromEntries(Object.entries(map).map(([node, until]) => [node, BigInt(until)])));
}

function bySlot(a: SlotRow, b: SlotRow): number {
  const [left, right] = [Number(a.slot), Number(b.slot)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1;
  return a.slot < b.slot ? -1 : 1;
}
