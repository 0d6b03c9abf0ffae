/**
 * Messages that wait for a node. The number comes from the node's counter, raised in the same transaction, so numbers rise
 * in commit order and are never used twice (S17).
 */
import type { Insertable } from 'kysely';
import { notFound, type ReadContext, type WriteContext } from './context.ts';
import { type OutboxTable, prepare } from './orchestrator_schema.ts';
import type { OutboxKind, OutboxRow } from './rows.ts';
import { fields } from './statement.ts';
import { changes, type OutboxReader, type OutboxRepository } from './store.ts';

const nextSeq = prepare((db, nodeId: string) =>
  db.updateTable('nodes').set((set) => ({ out_seq: set('out_seq', '+', 1n) })).where('id', '=', nodeId)
    .returning('out_seq').compile()
);
const insert = prepare((db, row: Insertable<OutboxTable>) =>
  db.insertInto('outbox').values(fields(row, ['node_id', 'seq', 'execution_id', 'kind', 'create_time']))
    .compile()
);
const list = prepare((db, nodeId: string, after: bigint, limit: number) =>
  db.selectFrom('outbox').selectAll().where('node_id', '=', nodeId).where('seq', '>', after).orderBy('seq')
    .limit(limit).compile()
);
const deleteUpTo = prepare((db, nodeId: string, seq: bigint) =>
  db.deleteFrom('outbox').where('node_id', '=', nodeId).where('seq', '<=', seq).compile()
);
const deleteAll = prepare((db, nodeId: string) =>
  db.deleteFrom('outbox').where('node_id', '=', nodeId).compile()
);
const raiseAcked = prepare((db, seq: bigint, nodeId: string) =>
  db.updateTable('node_sessions').set({ acked_seq: seq }).where('node_id', '=', nodeId)
    .where('acked_seq', '<', seq).compile()
);

export class OutboxesReader implements OutboxReader {
  constructor(readonly context: ReadContext) {}

  async list(nodeId: string, after: bigint, limit: number): Promise<readonly OutboxRow[]> {
    return (await list.all(this.context.db, nodeId, after, limit)).map((row) =>
      Object.freeze({
        nodeId,
        seq: row.seq,
        executionId: row.execution_id,
        kind: row.kind as OutboxKind,
        createTime: row.create_time,
      })
    );
  }
}

export class Outboxes extends OutboxesReader implements OutboxRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async append(nodeId: string, executionId: string, kind: OutboxKind): Promise<bigint> {
    const { db, now } = this.context;
    const node = await nextSeq.first(db, nodeId);
    if (!node) throw notFound('outbox of node', nodeId);
    await insert.run(db, {
      node_id: nodeId,
      seq: node.out_seq,
      execution_id: executionId,
      kind,
      create_time: now,
    });
    this.context.notify(changes.outbox(nodeId));
    return node.out_seq;
  }

  async acknowledge(nodeId: string, seq: bigint): Promise<void> {
    await deleteUpTo.run(this.context.db, nodeId, seq);
    await raiseAcked.run(this.context.db, seq, nodeId);
  }

  async clear(nodeId: string): Promise<void> {
    await deleteAll.run(this.context.db, nodeId);
  }
}
