/** The statements of the compute node's store, compiled once. */
import type { ComputeSchema } from './compute_schema.ts';
import { fields, statements } from './statement.ts';

const prepare = statements<ComputeSchema>();

const COLUMNS = [
  'id',
  'cluster',
  'job_id',
  'body',
  'desired',
  'phase',
  'run_no',
  'allocated',
  'identity',
  'exit_code',
  'report',
  'events',
  'create_time',
  'queued_at',
  'deadline',
  'ended',
  'confirmed_at',
  'rev',
  'pinned',
  'ports',
  'verdict',
] as const;
const ENDED = ['refused', 'rejected', 'completed', 'failed', 'cancelled'];

type Execution = ComputeSchema['executions'];

function advancing(columns: readonly (keyof Execution)[], from: readonly string[]) {
  return prepare((db, row: Partial<Execution>, id: string) =>
    db.updateTable('executions').set(fields(row, columns)).set((is) => ({ rev: is('rev', '+', 1n) }))
      .where('id', '=', id).where('phase', 'in', from).returning('rev').compile()
  );
}
const advances = new Map<string, ReturnType<typeof advancing>>();

/**
 * Sets the columns that `row` has where the phase is one of `from`, and gives the new revision; compiled once for each
 * set of columns and phases, of which there are about ten.
 */
export function advanceOf(row: Partial<Execution>, from: readonly string[]): ReturnType<typeof advancing> {
  const columns = Object.keys(row) as (keyof Execution)[];
  const key = `${columns.join()} ${from.join()}`;
  let statement = advances.get(key);
  if (!statement) advances.set(key, statement = advancing(columns, from));
  return statement;
}

export const sql = {
  meta: prepare((db, key: string) => db.selectFrom('meta').select('value').where('key', '=', key).compile()),
  setMeta: prepare((db, key: string, value: string) =>
    db.insertInto('meta').values({ key, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value })).compile()
  ),
  peer: prepare((db, id: string) => db.selectFrom('peers').selectAll().where('id', '=', id).compile()),
  setPeer: prepare((db, id: string, in_seq: bigint, extended: bigint) =>
    db.insertInto('peers').values({ id, in_seq, extended })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ in_seq, extended })).compile()
  ),

  execution: prepare((db, id: string) =>
    db.selectFrom('executions').selectAll().where('id', '=', id).compile()
  ),
  phase: prepare((db, id: string) =>
    db.selectFrom('executions').select(['phase', 'rev']).where('id', '=', id).compile()
  ),
  report: prepare((db, id: string) =>
    db.selectFrom('executions').select('report').where('id', '=', id).where('confirmed_at', '=', 0n).compile()
  ),
  open: prepare((db) =>
    db.selectFrom('executions').selectAll().where('confirmed_at', '=', 0n).where('phase', 'not in', ENDED)
      .orderBy('create_time').orderBy('id').compile()
  ),
  unconfirmed: prepare((db) =>
    db.selectFrom('executions').select(['id', 'phase', 'ended'])
      .where('confirmed_at', '=', 0n).where('phase', 'in', ENDED).orderBy('ended').compile()
  ),
  inventory: prepare((db) =>
    db.selectFrom('executions').select(['id', 'job_id', 'phase', 'rev']).where('confirmed_at', '=', 0n)
      .orderBy('create_time').orderBy('id').compile()
  ),
  insert: prepare((db, row: ComputeSchema['executions']) =>
    db.insertInto('executions').values(fields(row, COLUMNS))
      .onConflict((conflict) => conflict.column('id').doNothing()).compile()
  ),
  setReport: prepare((db, id: string, report: string) =>
    db.updateTable('executions').set({ report }).where('id', '=', id).compile()
  ),
  assign: prepare((db, id: string, allocated: string, ports: string) =>
    db.updateTable('executions').set({ allocated, ports }).where('id', '=', id)
      .where('phase', 'in', ['queued', 'preparing']).compile()
  ),
  desire: prepare((db, id: string, desired: bigint) =>
    db.updateTable('executions').set({ desired }).where('id', '=', id).where('phase', '=', 'received')
      .compile()
  ),
  confirm: prepare((db, id: string, confirmed_at: bigint) =>
    db.updateTable('executions').set({ confirmed_at }).where('id', '=', id).where('confirmed_at', '=', 0n)
      .where('phase', 'in', ENDED).compile()
  ),
  confirmCancelled: prepare((db, confirmed_at: bigint) =>
    db.updateTable('executions').set({ confirmed_at }).where('confirmed_at', '=', 0n)
      .where('phase', '=', 'cancelled').compile()
  ),
  confirmAcknowledged: prepare((db, seq: bigint, confirmed_at: bigint) =>
    db.updateTable('executions').set({ confirmed_at }).where('confirmed_at', '=', 0n)
      .where('phase', 'in', ['refused', 'cancelled'])
      .where('id', 'in', (sub) => sub.selectFrom('outbox').select('execution_id').where('seq', '<=', seq))
      .compile()
  ),

  post: prepare((db, execution_id: string, kind: string, body: string) =>
    db.insertInto('outbox').columns(['execution_id', 'kind', 'body'])
      .values({ execution_id, kind, body } as ComputeSchema['outbox']).compile()
  ),
  dropStatus: prepare((db, id: string) =>
    db.deleteFrom('outbox').where('execution_id', '=', id).where('kind', '=', 'status').compile()
  ),
  dropExtension: prepare((db) =>
    db.deleteFrom('outbox').where('kind', 'in', ['status', 'notice', 'inventory']).compile()
  ),
  clearOutbox: prepare((db) => db.deleteFrom('outbox').compile()),
  posted: prepare((db, id: string) =>
    db.selectFrom('outbox').select('seq').where('execution_id', '=', id).limit(1).compile()
  ),
  pending: prepare((db, after: bigint, limit: bigint) =>
    db.selectFrom('outbox').selectAll().where('seq', '>', after).orderBy('seq').limit(limit).compile()
  ),
  deleteAcknowledged: prepare((db, seq: bigint) => db.deleteFrom('outbox').where('seq', '<=', seq).compile()),

  tombstone: prepare((db, id: string) =>
    db.selectFrom('tombstones').select('execution_id').where('execution_id', '=', id).compile()
  ),
  prunedThrough: prepare((db, cluster: string) =>
    db.selectFrom('prunes').select('pruned_through').where('cluster', '=', cluster).compile()
  ),
  prunable: prepare((db, confirmedBefore: bigint, endedBefore: bigint, limit: bigint) =>
    db.selectFrom('executions').select('id').where((where) =>
      where.or([
        where.and([where('confirmed_at', '>', 0n), where('confirmed_at', '<', confirmedBefore)]),
        where.and([
          where('confirmed_at', '=', 0n),
          where('ended', '>', 0n),
          where('ended', '<', endedBefore),
        ]),
      ])
    ).limit(limit).compile()
  ),
  bury: prepare((db, id: string) =>
    db.insertInto('tombstones').columns(['execution_id', 'cluster', 'phase', 'create_time', 'ended'])
      .expression((sub) =>
        sub.selectFrom('executions').select(['id', 'cluster', 'phase', 'create_time', 'ended']).where(
          'id',
          '=',
          id,
        )
      ).compile()
  ),
  remove: prepare((db, id: string) => db.deleteFrom('executions').where('id', '=', id).compile()),
  oldTombstones: prepare((db, endedBefore: bigint, limit: bigint) =>
    db.selectFrom('tombstones').selectAll().where('ended', '<', endedBefore).orderBy('ended').limit(limit)
      .compile()
  ),
  raisePrune: prepare((db, cluster: string, pruned_through: bigint) =>
    db.insertInto('prunes').values({ cluster, pruned_through }).onConflict((conflict) =>
      conflict.column('cluster').doUpdateSet({ pruned_through })
        .where('prunes.pruned_through', '<', pruned_through)
    ).compile()
  ),
  exhume: prepare((db, id: string) => db.deleteFrom('tombstones').where('execution_id', '=', id).compile()),
};
