/**
 * Tables of a compute node's own store (invariants.md section 1, "Compute"), as far as the present engines need them.
 *
 * The run folder and the engine's objects have names derived from execution id and run number, so the row of an
 * execution is their intent: from `queued` on they may exist, `identity` says which object does. Ports and devices of a
 * run are in its row before its object is made. Capacity in use is never stored.
 */
import type { Migration } from './database.ts';

/** The tables of a node. */
export interface ComputeSchema {
  meta: { key: string; value: string };
  executions: {
    id: string;
    /** Logical orchestrator, from the job's meta. */
    cluster: string;
    job_id: string;
    /** The execution with its job as it came, JSON. */
    body: string;
    desired: bigint;
    phase: string;
    /** From 1; a run is started at most once per number. */
    run_no: bigint;
    /** Resources promised by the bid, JSON. */
    allocated: string;
    /** Of the engine's object of this run, JSON; '' = none made. */
    identity: string;
    /** Facts found at bid time, JSON; '' = none. */
    pinned: string;
    /** Ports of this run, JSON; '' = none given. */
    ports: string;
    /** Exit code of this run as text; '' = not ended. */
    exit_code: string;
    /** The failure that ends this run, JSON of its event; '' = none. Durable before the program is stopped for it. */
    verdict: string;
    /** The last report (bid, result or end), JSON of the message; '' = none. Sent again until confirmed. */
    report: string;
    /** Events that no report has carried yet, JSON. */
    events: string;
    create_time: bigint;
    /** When it was queued first: its age in the local queue. */
    queued_at: bigint;
    /** When the program of the present run has to end; 0 = not started, or no limit. */
    deadline: bigint;
    ended: bigint;
    confirmed_at: bigint;
    rev: bigint;
  };
  outbox: { seq: bigint; execution_id: string; kind: string; body: string };
  peers: { id: string; in_seq: bigint; extended: bigint };
  prunes: { cluster: string; pruned_through: bigint };
  tombstones: { execution_id: string; cluster: string; phase: string; create_time: bigint; ended: bigint };
}

/** What makes those tables, in order. Never edited, only added to. */
export const COMPUTE_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-compute',
    statements: [
      `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
      `CREATE TABLE executions (
        id TEXT PRIMARY KEY, cluster TEXT NOT NULL, job_id TEXT NOT NULL, body TEXT NOT NULL,
        desired BIGINT NOT NULL, phase TEXT NOT NULL, run_no BIGINT NOT NULL, allocated TEXT NOT NULL,
        identity TEXT NOT NULL, exit_code TEXT NOT NULL, report TEXT NOT NULL, events TEXT NOT NULL,
        create_time BIGINT NOT NULL, queued_at BIGINT NOT NULL, deadline BIGINT NOT NULL, ended BIGINT NOT NULL,
        confirmed_at BIGINT NOT NULL, rev BIGINT NOT NULL)`,
      `CREATE INDEX executions_open ON executions (id) WHERE confirmed_at = 0`,
      `CREATE INDEX executions_confirmed ON executions (confirmed_at) WHERE confirmed_at > 0`,
      // Postgres: BIGINT GENERATED ALWAYS AS IDENTITY. Numbers of deleted rows are never given out again.
      `CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, execution_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)`,
      `CREATE INDEX outbox_execution ON outbox (execution_id)`,
      `CREATE TABLE peers (id TEXT PRIMARY KEY, in_seq BIGINT NOT NULL, extended BIGINT NOT NULL)`,
      `CREATE TABLE prunes (cluster TEXT PRIMARY KEY, pruned_through BIGINT NOT NULL)`,
      `CREATE TABLE tombstones (
        execution_id TEXT PRIMARY KEY, cluster TEXT NOT NULL, phase TEXT NOT NULL, create_time BIGINT NOT NULL,
        ended BIGINT NOT NULL)`,
      `CREATE INDEX tombstones_ended ON tombstones (ended)`,
    ],
  },
  {
    name: '0002-pinned-ports',
    statements: [
      `ALTER TABLE executions ADD COLUMN pinned TEXT NOT NULL DEFAULT ''`,
      `ALTER TABLE executions ADD COLUMN ports TEXT NOT NULL DEFAULT ''`,
    ],
  },
  {
    name: '0003-verdict',
    statements: [`ALTER TABLE executions ADD COLUMN verdict TEXT NOT NULL DEFAULT ''`],
  },
];
