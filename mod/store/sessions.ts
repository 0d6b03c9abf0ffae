/** Sessions of nodes. The epoch is the fence: what is done for an older one changes nothing (S9). */
import { type Insertable, sql } from 'kysely';
import type { Resources } from '../model/mod.ts';
import { decodeMap, encode, type WriteContext } from './context.ts';
import { type NodeSessionsTable, prepare, type Stored } from './orchestrator_schema.ts';
import type { Heartbeat, SessionChange, SessionRow, SessionStatus } from './rows.ts';
import { fields } from './statement.ts';

const CHANGING = [
  'epoch',
  'owner',
  'lease_until',
  'incarnation',
  'status',
  'connected_since',
  'disconnected_since',
  'last_heartbeat',
  'last_error',
  'acked_seq',
  'reported_seq',
  'available',
  'queued',
] as const;
const COLUMNS = ['node_id', ...CHANGING] as const;
type Changing = Pick<Insertable<NodeSessionsTable>, (typeof CHANGING)[number]>;

export const sessionById = prepare((db, nodeId: string) =>
  db.selectFrom('node_sessions').selectAll().where('node_id', '=', nodeId).compile()
);
const insert = prepare((db, row: Insertable<NodeSessionsTable>) =>
  db.insertInto('node_sessions').values(fields(row, COLUMNS)).compile()
);
const update = prepare((db, row: Changing, nodeId: string) =>
  db.updateTable('node_sessions').set(fields(row, CHANGING)).where('node_id', '=', nodeId).compile()
);
const beat = prepare((db, time: bigint, available: string, queued: string, nodeId: string, epoch: bigint) =>
  db.updateTable('node_sessions').set({
    last_heartbeat: time,
    available,
    queued,
    status: sql<string>`case when status = 'suspect' then 'connected' else status end`,
  }).where('node_id', '=', nodeId).where('epoch', '=', epoch).compile()
);

const BLANK = Object.freeze({
  owner: '',
  leaseUntil: 0n,
  incarnation: '',
  status: 'connected',
  connectedSince: 0n,
  disconnectedSince: 0n,
  lastHeartbeat: 0n,
  lastError: '',
  ackedSeq: 0n,
  reportedSeq: 0n,
  available: Object.freeze({}),
  queued: Object.freeze({}),
});

export async function openSession(
  context: WriteContext,
  nodeId: string,
  last: SessionRow | undefined,
  change: SessionChange,
): Promise<SessionRow> {
  const row: SessionRow = Object.freeze({
    ...BLANK,
    ...last,
    ...change,
    nodeId,
    epoch: (last?.epoch ?? 0) + 1,
  });
  if (last) await update.run(context.db, changing(row), nodeId);
  else await insert.run(context.db, { node_id: nodeId, ...changing(row) });
  return row;
}

export async function updateSession(
  context: WriteContext,
  seen: SessionRow,
  change: SessionChange,
): Promise<SessionRow> {
  const row: SessionRow = Object.freeze({ ...seen, ...change });
  await update.run(context.db, changing(row), seen.nodeId);
  return row;
}

export async function writeHeartbeat(context: WriteContext, heartbeat: Heartbeat): Promise<void> {
  const { nodeId, epoch, time, available, queued } = heartbeat;
  await beat.run(context.db, time, encode(available), encode(queued), nodeId, BigInt(epoch));
}

function changing(row: SessionRow): Changing {
  return {
    epoch: row.epoch,
    owner: row.owner,
    lease_until: row.leaseUntil,
    incarnation: row.incarnation,
    status: row.status,
    connected_since: row.connectedSince,
    disconnected_since: row.disconnectedSince,
    last_heartbeat: row.lastHeartbeat,
    last_error: row.lastError,
    acked_seq: row.ackedSeq,
    reported_seq: row.reportedSeq,
    available: encode(row.available),
    queued: encode(row.queued),
  };
}

export function sessionOf(row: Stored<'node_sessions'>): SessionRow {
  return Object.freeze({
    nodeId: row.node_id,
    epoch: Number(row.epoch),
    owner: row.owner,
    leaseUntil: row.lease_until,
    incarnation: row.incarnation,
    status: row.status as SessionStatus,
    connectedSince: row.connected_since,
    disconnectedSince: row.disconnected_since,
    lastHeartbeat: row.last_heartbeat,
    lastError: row.last_error,
    ackedSeq: row.acked_seq,
    reportedSeq: row.reported_seq,
    available: decodeMap<Resources>(row.available),
    queued: decodeMap<Resources>(row.queued),
  });
}
