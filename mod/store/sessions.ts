/** Sessions of nodes. The epoch is the fence: what is done for an older one changes nothing (S9). */
import { sql } from 'kysely';
import type { Resources } from '../model/mod.ts';
import { decodeMap, encode, type WriteContext } from './context.ts';
import { prepare, type Stored } from './orchestrator_schema.ts';
import type { Heartbeat, SessionChange, SessionRow, SessionStatus } from './rows.ts';
import { type Columns, columnsOf } from './statement.ts';

const CHANGING = {
  epoch: (row) => row.epoch,
  owner: (row) => row.owner,
  lease_until: (row) => row.leaseUntil,
  incarnation: (row) => row.incarnation,
  status: (row) => row.status,
  connected_since: (row) => row.connectedSince,
  disconnected_since: (row) => row.disconnectedSince,
  last_heartbeat: (row) => row.lastHeartbeat,
  last_error: (row) => row.lastError,
  acked_seq: (row) => row.ackedSeq,
  reported_seq: (row) => row.reportedSeq,
  available: (row) => encode(row.available),
  queued: (row) => encode(row.queued),
} satisfies Columns<SessionRow>;
const COLUMNS = { node_id: (row) => row.nodeId, ...CHANGING } satisfies Columns<SessionRow>;

export const sessionById = prepare((db, nodeId: string) =>
  db.selectFrom('node_sessions').selectAll().where('node_id', '=', nodeId).compile()
);
const insert = prepare((db, row: SessionRow) =>
  db.insertInto('node_sessions').values(columnsOf(row, COLUMNS)).compile()
);
const update = prepare((db, row: SessionRow, nodeId: string) =>
  db.updateTable('node_sessions').set(columnsOf(row, CHANGING)).where('node_id', '=', nodeId).compile()
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
  if (last) await update.run(context.db, row, nodeId);
  else await insert.run(context.db, row);
  return row;
}

export async function updateSession(
  context: WriteContext,
  seen: SessionRow,
  change: SessionChange,
): Promise<SessionRow> {
  const row: SessionRow = Object.freeze({ ...seen, ...change });
  await update.run(context.db, row, seen.nodeId);
  return row;
}

export async function writeHeartbeat(context: WriteContext, heartbeat: Heartbeat): Promise<void> {
  const { nodeId, epoch, time, available, queued } = heartbeat;
  await beat.run(context.db, time, encode(available), encode(queued), nodeId, BigInt(epoch));
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
