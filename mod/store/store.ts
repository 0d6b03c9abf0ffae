/**
 * The orchestrator's durable state as repositories, one per table. `read` sees what is committed; `write` runs in one
 * transaction and resolves when it is durable, so whatever is answered or acknowledged after it can be relied upon
 * (invariants.md section 4). Rows are frozen; updates take the row they saw and fail with `RevisionConflict` when it has
 * changed since, so a plan made on a snapshot commits nothing stale (S18).
 *
 * Lock order inside a transaction: job → execution → node usage (by node id) → node out_seq. SQLite does not need
 * it (one writer); Postgres will.
 */
import type { Job, JobHistory, StringMap } from '../model/mod.ts';
import type { DatabaseStats, Transaction, Watch } from './database.ts';
import type { BacalhauError } from '../model/mod.ts';
import type {
  ClusterRow,
  EvaluationRow,
  ExecutionChange,
  ExecutionOutline,
  ExecutionRow,
  Heartbeat,
  IdempotencyRow,
  JobChange,
  JobRow,
  JobVersionRow,
  NewEvaluation,
  NewExecution,
  NewHistory,
  NewNode,
  NodeChange,
  NodeRow,
  NodeView,
  OutboxKind,
  OutboxRow,
  PastVersionRow,
  RequestRow,
  SessionChange,
  SessionRow,
  Setback,
  Tally,
  UsageRow,
  WantRow,
} from './rows.ts';

/** The durable state of an orchestrator. */
export interface OrchestratorStore extends AsyncDisposable {
  readonly cluster: ClusterRow;
  /** As {@link Database.write}: grouped commit, own savepoint; await only `tx`, no effects outside. */
  write<T>(operation: (tx: StoreTx) => Promise<T>): Promise<T>;
  /** As {@link Database.read}: one snapshot; await only the reader. */
  read<T>(operation: (reader: StoreReader) => Promise<T>): Promise<T>;
  /** Resolves at the next change of `key` (see {@link changes}). In a loop use `watch`, which misses nothing in between. */
  changed(key: string, signal?: AbortSignal): Promise<void>;
  watch(key: string): Watch;
  /** Resolves when the store can no longer commit; the process has to end. */
  readonly failed: Promise<BacalhauError>;
  stats(): DatabaseStats;
  close(): Promise<void>;
  /** As a crash: see {@link Database.abandon}. */
  abandon(): void;
}

/** Keys of `changed` and `watch`; the repositories notify them, callers only wait. */
export const changes = Object.freeze({
  /** An evaluation became due, or a delayed one was added (ask `nextDueAt`). */
  evaluations: 'evaluations',
  /** A node or its session changed, or capacity was given back; not for heartbeats. */
  nodes: 'nodes',
  /** The job's state, an execution or the history changed. */
  job: (jobId: string): string => `job:${jobId}`,
  /** A message waits for the node. */
  outbox: (nodeId: string): string => `outbox:${nodeId}`,
});

/** All that can be read, in one transaction. */
export interface StoreReader {
  readonly jobs: JobReader;
  readonly versions: VersionReader;
  readonly executions: ExecutionReader;
  readonly evaluations: EvaluationReader;
  readonly nodes: NodeReader;
  readonly outbox: OutboxReader;
  readonly history: HistoryReader;
  readonly idempotency: IdempotencyReader;
  readonly wants: WantReader;
}

/** Each repository of the reader plus its changes; reads see the transaction's own writes. */
export interface StoreTx extends StoreReader, Pick<Transaction<never>, 'afterCommit' | 'afterRollback'> {
  /** The time of this transaction; all its rows are stamped with it. */
  readonly now: bigint;
  readonly jobs: JobRepository;
  readonly executions: ExecutionRepository;
  readonly evaluations: EvaluationRepository;
  readonly nodes: NodeRepository;
  readonly outbox: OutboxRepository;
  readonly history: HistoryRepository;
  readonly idempotency: IdempotencyRepository;
  readonly wants: WantRepository;
}

// ---- jobs

/** Which jobs, in which order. */
export interface JobFilter {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** Absent: all labels. Called in order until the page is full. */
  readonly matches?: (labels: StringMap) => boolean;
  /** Default `created`. Ties are broken by id, so pages are stable. */
  readonly orderBy?: 'created' | 'modified' | 'id';
  readonly reverse?: boolean;
  readonly offset?: number;
  /** 0 or absent: all. */
  readonly limit?: number;
}

/** Part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Whether there is at least one more after these. */
  readonly more: boolean;
}

/** Reads jobs. */
export interface JobReader {
  /** The identical `job` object until its revision changes. */
  get(id: string): Promise<JobRow | undefined>;
  byName(namespace: string, name: string): Promise<JobRow | undefined>;
  /** At most two, which tells whether the prefix is ambiguous. */
  byIdPrefix(prefix: string): Promise<readonly JobRow[]>;
  /** A page ends before its limit when its jobs are large: all of it is in memory at the same time. */
  list(filter: JobFilter): Promise<Page<JobRow>>;
  /** Of all jobs that {@link list} would page through, in its order. */
  ids(filter: JobFilter): Promise<readonly string[]>;
}

/** Reads and writes jobs. */
export interface JobRepository extends JobReader {
  /**
   * Adds a job and its first version. `CreateTime`, `ModifyTime` of `job` are taken as given.
   * @throws BacalhauError `ResourceInUse` when the id, or the name in the namespace, is taken
   */
  insert(job: Job, options?: { readonly specHash?: string; readonly createdBy?: string }): Promise<JobRow>;
  /**
   * Replaces the spec: writes version `seen.job.Version + 1` with `job` (its Version, Revision and ModifyTime are set
   * here; id, namespace, name, type and creation time stay) and keeps the state that the old version had. The run's
   * times and stop are cleared.
   * @throws BacalhauError `RevisionConflict`
   */
  replace(
    seen: JobRow,
    job: Job,
    options?: { readonly specHash?: string; readonly createdBy?: string },
  ): Promise<JobRow>;
  /** Changes state and times; Revision + 1, ModifyTime = now. @throws BacalhauError `RevisionConflict` */
  update(seen: JobRow, change: JobChange): Promise<JobRow>;
}

/** Reads versions of jobs. */
export interface VersionReader {
  get(jobId: string, version: number): Promise<JobVersionRow | undefined>;
  /** Ascending. */
  list(jobId: string): Promise<readonly PastVersionRow[]>;
}

// ---- executions

/** Reads executions. */
export interface ExecutionReader {
  get(id: string): Promise<ExecutionRow | undefined>;
  /** By creation, then id. Absent version: all. */
  byJob(jobId: string, version?: number): Promise<readonly ExecutionRow[]>;
  /** Live and stopping executions of a node: what its usage counts and what a handshake has to settle. */
  heldByNode(nodeId: string): Promise<readonly ExecutionRow[]>;
  /** Those without their content: one that cannot be read keeps nobody from the others. */
  outlinesByNode(nodeId: string): Promise<readonly ExecutionOutline[]>;
  /** Jobs of asked executions whose bid deadline, or of live ones whose execution deadline, is at or before `now`. */
  overdueJobs(now: bigint): Promise<readonly string[]>;
  /** Of one slot, the last attempts first; absent limit: as many as matter for the next one. */
  bySlot(jobId: string, version: number, slot: string, limit?: number): Promise<readonly ExecutionRow[]>;
  /** Of all versions. */
  live(jobId: string, limit: number): Promise<readonly ExecutionRow[]>;
  hasLive(jobId: string, version: number): Promise<boolean>;
  /** How many results count. */
  countCounted(jobId: string, version: number): Promise<number>;
  /** What the nodes have of a version, by phase. */
  tallies(jobId: string, version: number): Promise<readonly Tally[]>;
  /** Executions that were refused, failed or lost, in order. */
  setbacks(jobId: string, version: number): Promise<readonly Setback[]>;
}

/** Reads and writes executions. */
export interface ExecutionRepository extends ExecutionReader {
  /**
   * Adds an execution and promises its resources to the node's usage.
   * @throws BacalhauError `SlotConflict` when its slot already has a live execution or that attempt
   */
  insert(execution: NewExecution): Promise<ExecutionRow>;
  /**
   * Changes a row; `rev` + 1. Usage follows: the resources are given back when it is no longer live or stopping.
   * @throws BacalhauError `RevisionConflict`, `SlotConflict` (a second counted or live one); RangeError when a terminal
   *   phase would be left
   */
  update(seen: ExecutionRow, change: ExecutionChange): Promise<ExecutionRow>;
}

// ---- evaluations

/** Reads evaluations. */
export interface EvaluationReader {
  /**
   * Those that can be carried out, at most `limit` of those that were due at once (higher priority first, but each second of
   * waiting weighs as one point of it, so none starves), and as many delayed ones whose time has come.
   */
  due(now: bigint, limit: number): Promise<readonly EvaluationRow[]>;
  /** Time at which the next one becomes due; 0 = now, null = nothing is waiting. */
  nextDueAt(): Promise<bigint | null>;
}

/** Reads and writes evaluations. */
export interface EvaluationRepository extends EvaluationReader {
  /**
   * Asks for an evaluation. One that is due at once joins the job's waiting one, if any; a delayed one joins that of the
   * same trigger, which keeps the earlier time. So chains cannot multiply.
   * @returns the id of the evaluation that will serve, which may be an older one's
   */
  enqueue(evaluation: NewEvaluation): Promise<string>;
  /** It is carried out in this transaction. @returns whether it still was to be */
  remove(id: string): Promise<boolean>;
  /**
   * It has failed, and is delayed.
   * @param delay nanoseconds after so many failures
   * @returns its failures so far; 0 = it is gone
   */
  postpone(id: string, delay: (failures: number) => bigint): Promise<number>;
  /** Cancels the delayed ones of a job. */
  cancelDelayed(jobId: string): Promise<void>;
}

// ---- wants

/** Reads what waits for room. */
export interface WantReader {
  /** All requests that somebody waits for, and perhaps some that were waited for a moment ago. */
  requests(): Promise<readonly RequestRow[]>;
  /** Those that wait for room on a node (`''` any, `'*'` each), by priority, then age. */
  inOrder(request: bigint, nodeId: string, offset: number, limit: number): Promise<readonly WantRow[]>;
  /** Those of a job that wait for room, or for a time up to `now`. */
  ready(jobId: string, now: bigint, limit: number): Promise<readonly WantRow[]>;
  /** The first time that one of the job waits for; null = none does. */
  nextDue(jobId: string): Promise<bigint | null>;
  /** Slots of the job that wait for room, and since when; null = none has any want. */
  waiting(jobId: string): Promise<{ readonly slots: number; readonly since: bigint } | null>;
}

/** Reads and writes what waits for room. */
export interface WantRepository extends WantReader {
  /** Replaces that of the same job and first slot. @param key of the request @returns the id of the request */
  put(want: Omit<WantRow, 'request'>, key: string): Promise<bigint>;
  remove(jobId: string, slot: string): Promise<void>;
  /** All of the job. */
  clear(jobId: string): Promise<void>;
  /** Forgets requests that nobody waits for. @returns how many; at most `limit` a call */
  prune(limit: number): Promise<number>;
}

// ---- nodes

/** Reads nodes and their sessions. */
export interface NodeReader {
  /** Tombstones are returned too (`deletedAt` > 0). */
  get(id: string): Promise<NodeRow | undefined>;
  session(id: string): Promise<SessionRow | undefined>;
  usage(id: string): Promise<UsageRow>;
  view(id: string): Promise<NodeView | undefined>;
  /** All but tombstones, by id. */
  list(): Promise<readonly NodeView[]>;
}

/** Reads and writes nodes and their sessions. */
export interface NodeRepository extends NodeReader {
  /** Adds a node, or revives its tombstone with the sequence it had. @throws BacalhauError `ResourceInUse` */
  insert(node: NewNode): Promise<NodeRow>;
  /** @throws BacalhauError `RevisionConflict` */
  update(seen: NodeRow, change: NodeChange): Promise<NodeRow>;
  /**
   * A new session: epoch + 1, `change` over the values of the last one. The caller rebuilds the outbox (O6).
   * The first session has epoch 1.
   */
  openSession(nodeId: string, change: SessionChange): Promise<SessionRow>;
  /** Changes the session of `epoch`. @returns undefined when a newer session exists: nothing was changed (S9) */
  updateSession(nodeId: string, epoch: number, change: SessionChange): Promise<SessionRow | undefined>;
  /** Writes heartbeats of current epochs; older ones are dropped. Status becomes connected. Wakes nobody. */
  heartbeats(batch: readonly Heartbeat[]): Promise<void>;
}

// ---- outbox, history, idempotency

/** Reads the messages that nodes have not acknowledged. */
export interface OutboxReader {
  /** Ascending, above `after`. */
  list(nodeId: string, after: bigint, limit: number): Promise<readonly OutboxRow[]>;
}

/** Reads and writes the messages that nodes have not acknowledged. */
export interface OutboxRepository extends OutboxReader {
  /** Raises the node's `out_seq` and returns it. @throws BacalhauError `NotFound` for an unknown node */
  append(nodeId: string, executionId: string, kind: OutboxKind): Promise<bigint>;
  /** All up to and including `seq` are acknowledged: deletes them and raises the session's `ackedSeq`. */
  acknowledge(nodeId: string, seq: bigint): Promise<void>;
  /** Deletes all of a node, before a handshake writes the current intents (invariants.md section 0 row 8). */
  clear(nodeId: string): Promise<void>;
}

/** Which part of a job's history. */
export interface HistoryFilter {
  readonly jobId: string;
  readonly version?: number;
  readonly type?: JobHistory['Type'];
  readonly executionPrefix?: string;
  /** Nanoseconds; older entries are left out. */
  readonly since?: bigint;
  /** First sequence number to return. */
  readonly from?: bigint;
  /** 0 or absent: all. */
  readonly limit?: number;
}

/** Reads the history of jobs. */
export interface HistoryReader {
  page(filter: HistoryFilter): Promise<Page<JobHistory>>;
}

/** Reads and writes the history of jobs. */
export interface HistoryRepository extends HistoryReader {
  /** Numbers the entries on from the job's last one. @throws BacalhauError `NotFound` for an unknown job */
  append(jobId: string, entries: readonly NewHistory[]): Promise<void>;
}

/** Reads the answers to keys of idempotency. */
export interface IdempotencyReader {
  /** Undefined when unknown or expired at `now`. */
  get(key: string, namespace: string, now: bigint): Promise<IdempotencyRow | undefined>;
}

/** Reads and writes the answers to keys of idempotency. */
export interface IdempotencyRepository extends IdempotencyReader {
  /** Replaces an expired one. @throws BacalhauError `ResourceInUse` when the key has an answer that is still kept */
  put(row: IdempotencyRow): Promise<void>;
  prune(limit: number): Promise<number>;
}
