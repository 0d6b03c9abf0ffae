/** Nodes, their sessions and usage. A deleted node stays as a tombstone, so that its message numbers go on. */
import { BacalhauError, deepFreeze, type Eligibility, type Membership, type NodeInfo } from '../model/mod.ts';
import {
  decode,
  encode,
  notFound,
  type ReadContext,
  revisionConflict,
  type WriteContext,
} from './context.ts';
import { prepare, type Stored } from './orchestrator_schema.ts';
import type {
  Heartbeat,
  NewNode,
  NodeChange,
  NodeRow,
  NodeView,
  SessionChange,
  SessionRow,
  UsageRow,
} from './rows.ts';
import { openSession, sessionById, sessionOf, updateSession, writeHeartbeat } from './sessions.ts';
import { type Columns, columnsOf } from './statement.ts';
import { changes, type NodeReader, type NodeRepository } from './store.ts';
import { NO_USAGE, usageOf, usageRow } from './usage.ts';

const CHANGING = {
  install_id: (row) => row.installId,
  membership: (row) => row.membership,
  eligibility: (row) => row.eligibility,
  drain_until: (row) => row.drainUntil,
  info: (row) => encode(row.info),
  info_hash: (row) => row.infoHash,
  class: (row) => row.class,
  extensions: (row) => encode(row.extensions),
  deleted_at: (row) => row.deletedAt,
  rev: (row) => row.rev,
  modify_time: (row) => row.modifyTime,
} satisfies Columns<NodeRow>;
const COLUMNS = {
  id: (row) => row.id,
  out_seq: (row) => row.outSeq,
  create_time: (row) => row.createTime,
  ...CHANGING,
} satisfies Columns<NodeRow>;

const byId = prepare((db, id: string) => db.selectFrom('nodes').selectAll().where('id', '=', id).compile());
const all = prepare((db) =>
  db.selectFrom('nodes').selectAll().where('deleted_at', '=', 0n).orderBy('id').compile()
);
const allSessions = prepare((db) => db.selectFrom('node_sessions').selectAll().compile());
const allUsage = prepare((db) => db.selectFrom('node_usage').selectAll().compile());
const insert = prepare((db, row: NodeRow) =>
  db.insertInto('nodes').values(columnsOf(row, COLUMNS)).compile()
);
const update = prepare((db, row: NodeRow, id: string, rev: bigint) =>
  db.updateTable('nodes').set(columnsOf(row, CHANGING)).where('id', '=', id).where('rev', '=', rev).compile()
);

export class NodesReader implements NodeReader {
  constructor(readonly context: ReadContext) {}

  async get(id: string): Promise<NodeRow | undefined> {
    const row = await byId.first(this.context.db, id);
    return row && this.#decode(row);
  }

  async session(id: string): Promise<SessionRow | undefined> {
    const row = await sessionById.first(this.context.db, id);
    return row && sessionOf(row);
  }

  usage(id: string): Promise<UsageRow> {
    return usageOf(this.context, id);
  }

  async view(id: string): Promise<NodeView | undefined> {
    const node = await this.get(id);
    if (!node) return undefined;
    return Object.freeze({ node, session: await this.session(id) ?? null, usage: await this.usage(id) });
  }

  async list(): Promise<readonly NodeView[]> {
    const { db } = this.context;
    const sessions = new Map((await allSessions.all(db)).map((row) => [row.node_id, row]));
    const usage = new Map((await allUsage.all(db)).map((row) => [row.node_id, row]));
    return (await all.all(db)).map((row) => {
      const [session, used] = [sessions.get(row.id), usage.get(row.id)];
      return Object.freeze({
        node: this.#decode(row),
        session: session ? sessionOf(session) : null,
        usage: used ? usageRow(used) : NO_USAGE(row.id),
      });
    });
  }

  #decode(row: Stored<'nodes'>): NodeRow {
    return Object.freeze({
      id: row.id,
      installId: row.install_id,
      membership: row.membership as Membership,
      eligibility: row.eligibility as Eligibility,
      drainUntil: row.drain_until,
      info: this.#info(row),
      infoHash: row.info_hash,
      class: row.class,
      extensions: decode<readonly string[]>(row.extensions),
      outSeq: row.out_seq,
      deletedAt: row.deleted_at,
      rev: row.rev,
      createTime: row.create_time,
      modifyTime: row.modify_time,
    });
  }

  /** The identical object until the row's revision changes. */
  #info(row: Stored<'nodes'>): NodeInfo {
    const cached = this.context.caches.nodes.get(row.id);
    if (cached?.rev === row.rev) return cached.info;
    const info = decode<NodeInfo>(row.info);
    this.context.cache(({ nodes }) => nodes.set(row.id, { rev: row.rev, info }, 500 + row.info.length));
    return info;
  }
}

export class Nodes extends NodesReader implements NodeRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async insert(given: NewNode): Promise<NodeRow> {
    const { db, now } = this.context;
    const before = await this.get(given.id);
    if (before?.deletedAt === 0n) {
      throw new BacalhauError('ResourceInUse', `Cannot add node "${given.id}": it is there already`, {
        component: 'Store',
      });
    }
    if (before) return await this.update(before, { ...BLANK, ...given, deletedAt: 0n });
    const row: NodeRow = deepFreeze({
      ...BLANK,
      outSeq: 0n,
      deletedAt: 0n,
      ...given,
      rev: 1n,
      createTime: now,
      modifyTime: now,
    });
    await insert.run(db, row);
    this.context.notify(changes.nodes);
    return row;
  }

  async update(seen: NodeRow, change: NodeChange): Promise<NodeRow> {
    const { db, now } = this.context;
    const row: NodeRow = deepFreeze({ ...seen, ...change, id: seen.id, rev: seen.rev + 1n, modifyTime: now });
    if (await update.run(db, row, row.id, seen.rev) === 0) throw revisionConflict('node', row.id);
    this.context.notify(changes.nodes);
    return row;
  }

  async openSession(nodeId: string, change: SessionChange): Promise<SessionRow> {
    if (!await byId.first(this.context.db, nodeId)) throw notFound('node', nodeId);
    const row = await openSession(this.context, nodeId, await this.session(nodeId), change);
    this.context.notify(changes.nodes);
    return row;
  }

  async updateSession(nodeId: string, epoch: number, change: SessionChange): Promise<SessionRow | undefined> {
    const seen = await this.session(nodeId);
    if (seen?.epoch !== epoch) return undefined;
    const row = await updateSession(this.context, seen, change);
    if (Object.keys(change).some((name) => !QUIET.includes(name))) this.context.notify(changes.nodes);
    return row;
  }

  async heartbeats(batch: readonly Heartbeat[]): Promise<void> {
    for (const heartbeat of batch) await writeHeartbeat(this.context, heartbeat);
  }
}

/** Changes with each message, which concern nobody who watches nodes. */
const QUIET: readonly string[] = ['lastHeartbeat', 'ackedSeq', 'reportedSeq', 'leaseUntil'];

const BLANK = Object.freeze({
  installId: '',
  eligibility: 'eligible',
  drainUntil: 0n,
  infoHash: '',
  class: '',
  extensions: Object.freeze([]),
});
