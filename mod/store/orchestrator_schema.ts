/**
 * Tables of the orchestrator's store (invariants.md section 1) as migrations and as types. Bodies are JSON beside the
 * columns that queries need; the partial unique indexes are the last line of defence behind the code's own checks.
 */
import type { ColumnType, Insertable, Selectable } from 'kysely';
import type { Migration } from './database.ts';
import { statements } from './statement.ts';

/** Read as `bigint` always, so that nothing is rounded; written as either. */
export type Int = ColumnType<bigint, bigint | number, bigint | number>;

export interface ClusterTable {
  /** Always 1: there is one row. */
  id: Int;
  store_id: string;
  restore_epoch: Int;
  orchestrator_id: string;
  create_time: Int;
}

export interface JobsTable {
  id: string;
  namespace: string;
  name: string;
  version: Int;
  rev: Int;
  /** Last sequence number in `history`. */
  history_seq: Int;
  state: string;
  /** JSON of `Message` and `Details` of the state; '' = neither. */
  state_text: string;
  labels: string;
  create_time: Int;
  modify_time: Int;
  queued_at: Int;
  run_started: Int;
  deadline: Int;
  stop_reason: string;
  stop_time: Int;
}

export interface JobVersionsTable {
  job_id: string;
  version: Int;
  /** JSON of the job without state, version, revision and times. */
  body: string;
  spec_hash: string;
  created_by: string;
  state: string;
  state_text: string;
  revision: Int;
  create_time: Int;
  modify_time: Int;
  /** '' while it is the current version. */
  replaced_state: string;
  replaced_text: string;
  replaced_revision: Int;
  replaced_time: Int;
}

export interface ExecutionsTable {
  id: string;
  namespace: string;
  name: string;
  job_id: string;
  version: Int;
  slot: string;
  partition_index: Int;
  attempt: Int;
  node_id: string;
  eval_id: string;
  desired: Int;
  desired_text: string;
  compute: Int;
  compute_text: string;
  phase: string;
  class: string;
  code: string;
  counted: Int;
  previous_exec: string;
  next_exec: string;
  followup_eval: string;
  allocated: string;
  bid_deadline: Int;
  exec_deadline: Int;
  unknown_since: Int;
  lost_after: Int;
  stop_confirmed: Int;
  started: Int;
  ended: Int;
  node_rev: Int;
  published: string | null;
  run_output: string | null;
  rev: Int;
  create_time: Int;
  modify_time: Int;
}

export interface EvaluationsTable {
  id: string;
  job_id: string;
  triggered_by: string;
  /** 0 = due at once. */
  wait_until: Int;
  /** Order among the due ones: the time of the request, less one second per point of priority. */
  rank: Int;
  /** Failures so far. */
  tries: Int;
}

export interface NodesTable {
  id: string;
  install_id: string;
  membership: string;
  eligibility: string;
  drain_until: Int;
  info: string;
  info_hash: string;
  class: string;
  extensions: string;
  out_seq: Int;
  deleted_at: Int;
  rev: Int;
  create_time: Int;
  modify_time: Int;
}

export interface NodeSessionsTable {
  node_id: string;
  epoch: Int;
  owner: string;
  lease_until: Int;
  incarnation: string;
  status: string;
  connected_since: Int;
  disconnected_since: Int;
  last_heartbeat: Int;
  last_error: string;
  acked_seq: Int;
  reported_seq: Int;
  available: string;
  queued: string;
}

export interface NodeUsageTable {
  node_id: string;
  executions: Int;
  cpu_milli: Int;
  memory: Int;
  disk: Int;
  gpu: Int;
  rev: Int;
}

export interface OutboxTable {
  node_id: string;
  seq: Int;
  execution_id: string;
  kind: string;
  create_time: Int;
}

export interface HistoryTable {
  job_id: string;
  seq: Int;
  version: Int;
  type: string;
  execution_id: string;
  event: string;
  time: Int;
}

export interface IdempotencyTable {
  key: string;
  namespace: string;
  answer: string;
  expires: Int;
}

export interface RequestsTable {
  id: Int;
  /** What is asked of a node, as canonical text. */
  key: string;
}

export interface WantsTable {
  job_id: string;
  /** The first of the slots. */
  slot: string;
  /** How many slots, counted on from the first. */
  slots: Int;
  version: Int;
  request: Int;
  /** '' = any node will do; '*' = one slot on each that matches; else the node of the slot. */
  node_id: string;
  namespace: string;
  priority: Int;
  since: Int;
  /** 0 = it waits for room; else for this time. */
  due: Int;
}

/** The tables of an orchestrator. */
export interface OrchestratorSchema {
  cluster: ClusterTable;
  jobs: JobsTable;
  job_versions: JobVersionsTable;
  executions: ExecutionsTable;
  evaluations: EvaluationsTable;
  nodes: NodesTable;
  node_sessions: NodeSessionsTable;
  node_usage: NodeUsageTable;
  outbox: OutboxTable;
  history: HistoryTable;
  idempotency: IdempotencyTable;
  requests: RequestsTable;
  wants: WantsTable;
}

export type Stored<T extends keyof OrchestratorSchema> = Selectable<OrchestratorSchema[T]>;
export type Written<T extends keyof OrchestratorSchema> = Insertable<OrchestratorSchema[T]>;

/** Prepares statements over this schema. */
export const prepare = statements<OrchestratorSchema>();

/**
 * Conditions of partial indexes. A query has to repeat them as literal text, or SQLite does not use the index. Those of
 * executions are part of migration 0001: its checksum refuses a change.
 */
export const LIVE =
  `phase in ('asked', 'offered', 'approved', 'queued', 'preparing', 'running', 'publishing', 'unknown')`;
/** Live or stopping: the node's resources are promised. */
export const HELD =
  `phase in ('asked', 'offered', 'approved', 'queued', 'preparing', 'running', 'publishing', 'unknown', 'stopping')`;
/** Executions that a job learns from where to go next. */
export const SETBACK = `phase in ('refused', 'failed', 'lost')`;
export const DUE = `wait_until = 0`;
export const DELAYED = `wait_until > 0`;

const text = (...names: string[]) => names.map((name) => `${name} text not null`).join(', ');
const int = (...names: string[]) => names.map((name) => `${name} bigint not null`).join(', ');

/** What makes the tables, in order. Never edited, only added to. */
export const ORCHESTRATOR_MIGRATIONS: readonly Migration[] = [{
  name: '0001-first',
  statements: [
    `create table cluster (id bigint primary key not null check (id = 1), ${
      text('store_id', 'orchestrator_id')
    },
      ${int('restore_epoch', 'create_time')})`,

    `create table jobs (id text primary key not null,
      ${text('namespace', 'name', 'state', 'state_text', 'labels', 'stop_reason')},
      ${int('version', 'rev', 'history_seq', 'create_time', 'modify_time')},
      ${int('queued_at', 'run_started', 'deadline', 'stop_time')})`,
    `create unique index jobs_name on jobs (namespace, name)`,
    `create index jobs_created on jobs (create_time, id)`,
    `create index jobs_modified on jobs (modify_time, id)`,

    `create table job_versions (${text('job_id', 'body', 'spec_hash', 'created_by', 'state', 'state_text')},
      ${text('replaced_state', 'replaced_text')},
      ${int('version', 'revision', 'create_time', 'modify_time', 'replaced_revision', 'replaced_time')},
      primary key (job_id, version))`,

    `create table slots (${text('job_id', 'slot', 'current_exec', 'counted_exec', 'failures', 'avoided')},
      ${int('version', 'attempt', 'not_before', 'rev')}, primary key (job_id, version, slot))`,

    `create table executions (id text primary key not null,
      ${
      text(
        'namespace',
        'name',
        'job_id',
        'slot',
        'node_id',
        'eval_id',
        'desired_text',
        'compute_text',
        'phase',
      )
    },
      ${text('class', 'code', 'previous_exec', 'next_exec', 'followup_eval', 'allocated')},
      ${int('version', 'partition_index', 'attempt', 'desired', 'compute', 'counted', 'stop_confirmed')},
      ${int('bid_deadline', 'exec_deadline', 'unknown_since', 'lost_after', 'started', 'ended', 'node_rev')},
      ${int('rev', 'create_time', 'modify_time')}, published text, run_output text)`,
    `create unique index executions_attempt on executions (job_id, version, slot, attempt)`,
    `create unique index executions_counted on executions (job_id, version, slot) where counted = 1`,
    `create unique index executions_live on executions (job_id, version, slot) where ${LIVE}`,
    `create index executions_held on executions (node_id) where ${HELD}`,
    `create index executions_bid_deadline on executions (bid_deadline) where phase = 'asked' and bid_deadline > 0`,
    `create index executions_deadline on executions (exec_deadline) where exec_deadline > 0 and ${LIVE}`,

    `create table evaluations (id text primary key not null,
      ${
      text('job_id', 'namespace', 'type', 'triggered_by', 'status', 'lease_owner', 'lease_token', 'comment')
    },
      ${int('priority', 'wait_until', 'rank', 'lease_until', 'tries', 'create_time', 'modify_time')})`,
    `create unique index evaluations_due on evaluations (job_id) where status = 'pending' and wait_until = 0`,
    `create unique index evaluations_delayed on evaluations (job_id, triggered_by) where status = 'pending' and wait_until > 0`,
    `create unique index evaluations_leased on evaluations (job_id) where status = 'leased'`,
    `create index evaluations_rank on evaluations (rank) where status = 'pending' and wait_until = 0`,
    `create index evaluations_wait on evaluations (wait_until) where status = 'pending' and wait_until > 0`,
    `create index evaluations_lease on evaluations (lease_until) where status = 'leased'`,
    `create index evaluations_ended on evaluations (modify_time)
      where status in ('complete', 'failed', 'canceled')`,

    `create table nodes (id text primary key not null,
      ${text('install_id', 'membership', 'eligibility', 'info', 'info_hash', 'class', 'extensions')},
      ${int('drain_until', 'out_seq', 'deleted_at', 'rev', 'create_time', 'modify_time')})`,
    `create table node_sessions (node_id text primary key not null,
      ${text('owner', 'incarnation', 'status', 'last_error', 'available', 'queued')},
      ${int('epoch', 'lease_until', 'connected_since', 'disconnected_since', 'last_heartbeat')},
      ${int('acked_seq', 'reported_seq')})`,
    `create table node_usage (node_id text primary key not null,
      ${int('executions', 'cpu_milli', 'memory', 'disk', 'gpu', 'rev')})`,

    `create table outbox (${text('node_id', 'execution_id', 'kind')}, ${int('seq', 'create_time')},
      primary key (node_id, seq))`,
    `create table history (${text('job_id', 'type', 'execution_id', 'event')}, ${
      int('seq', 'version', 'time')
    },
      primary key (job_id, seq))`,
    `create table idempotency (${text('key', 'namespace', 'answer')}, ${int('expires')},
      primary key (key, namespace))`,
    `create index idempotency_expires on idempotency (expires)`,
  ],
}, {
  name: '0002-wants',
  statements: [
    `create table requests (id integer primary key not null, key text not null unique)`,
    `create table wants (${text('job_id', 'slot', 'node_id', 'namespace')},
      ${int('slots', 'version', 'request', 'priority', 'since', 'due')}, primary key (job_id, slot))`,
    `create index wants_order on wants (request, node_id, due, priority desc, since)`,
    `create index wants_due on wants (job_id, due) where due > 0`,
    `create index executions_placed on executions (job_id, version, node_id, phase, ended)`,
    `create index executions_setback on executions (job_id, version) where ${SETBACK}`,
  ],
}, {
  // What a slot has seen is told by its executions.
  name: '0003-no-slots',
  statements: [`drop table slots`],
}, {
  // One that is carried out is deleted by its plan's transaction, so none is ever seen leased or ended.
  name: '0004-no-leases',
  statements: [
    `create table waiting (id text primary key not null, ${text('job_id', 'triggered_by')},
      ${int('wait_until', 'rank', 'tries')})`,
    `create unique index waiting_due on waiting (job_id) where wait_until = 0`,
    `create unique index waiting_delayed on waiting (job_id, triggered_by) where wait_until > 0`,
    `create index waiting_rank on waiting (rank) where wait_until = 0`,
    `create index waiting_time on waiting (wait_until) where wait_until > 0`,
    `insert into waiting select id, job_id, triggered_by, wait_until, rank, tries from evaluations
      where status in ('pending', 'leased') on conflict do nothing`,
    `drop table evaluations`,
    `alter table waiting rename to evaluations`,
  ],
}];
