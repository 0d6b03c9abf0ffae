/**
 * What the API needs from the rest of the program. The API declares these interfaces; the orchestrator (jobs, nodes) and
 * `mod/node` (agent) implement them, so the API room knows neither store nor bus.
 *
 * Rules for an implementation
 * - Every refusal is a thrown `BacalhauError` whose code decides the HTTP status (rest-api.md 5.3).
 * - Job references are a name in a namespace or an id or an unambiguous id prefix (rest-api.md 7.3): the backend resolves
 *   them and answers `NotFound` / `MultipleJobsFound`. Namespace `''` means `default`, except in `listJobs`.
 * - Paging tokens are the API's business: a backend sees offsets and limits only. A `limit` of 0 is "no limit".
 * - Values returned are frozen. The API remembers the JSON text of a frozen job, execution, history entry and node by
 *   identity: return the same object while nothing changed and it is written out only once.
 */
import type {
  Constraint,
  Execution,
  Job,
  JobHistory,
  NodeInfo,
  NodeState,
  SpecConfig,
} from '../../model/mod.ts';

/** A part of a list; `next` is the offset of the first item left out, absent when nothing is left. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: number;
}

export interface SubmitRequest {
  /** The member `Job` of the body as `parseJson` read it (large integers are bigint); not validated yet. */
  readonly job: unknown;
  /** Make a new version even where nothing differs. */
  readonly force: boolean;
  /** Header `X-Bacalhau-InstallationID`; goes into Meta. */
  readonly clientInstallationId?: string;
  /** Header `X-Bacalhau-InstanceID`; goes into Meta. */
  readonly clientInstanceId?: string;
  /** Member `IdempotencyToken` of the body: a repeat with the same one gets the first answer. */
  readonly idempotencyKey?: string;
}

export interface SubmitResult {
  readonly JobID: string;
  readonly EvaluationID: string;
  readonly Warnings: readonly string[];
}

export interface JobQuery {
  readonly namespace: string;
  /** Absent = current version. */
  readonly version?: number;
}

export interface JobListQuery {
  /** `''` or `*` = all namespaces. */
  readonly namespace: string;
  /** A label selector (rest-api.md 7.4.3), all of which must hold; operators `in`, `notin`, `exists`, `!`, `gt`, `lt`, `=`, `==`, `!=`. */
  readonly labels: readonly Constraint[];
  readonly orderBy: 'created_at' | 'modified_at' | 'id';
  readonly reverse: boolean;
  readonly limit: number;
  readonly offset: number;
}

/** Which versions of a job a list is about. */
export interface VersionQuery {
  readonly namespace: string;
  /** Absent: the latest one, or all with `allVersions`. */
  readonly version?: number;
  readonly allVersions: boolean;
}

export interface HistoryQuery extends VersionQuery {
  readonly eventType: 'all' | 'job' | 'execution';
  /** Entries whose execution id starts with it; `''` = all. */
  readonly executionId: string;
  /** Unix seconds; older entries are left out. */
  readonly since: bigint;
  /** First sequence number wanted; 0 = from the start. */
  readonly fromSeqNum: bigint;
  readonly limit: number;
}

/**
 * A part of the history, ascending by sequence number. `next` is a follow cursor: the sequence number to ask for next,
 * absent only when nothing is left and the job (with `executionId`: that execution) has ended.
 */
export interface HistoryPage {
  readonly items: readonly JobHistory[];
  readonly next?: bigint;
}

export interface ExecutionQuery extends VersionQuery {
  readonly orderBy: 'created_at' | 'modified_at';
  readonly reverse: boolean;
  readonly limit: number;
}

export interface LogQuery {
  readonly namespace: string;
  /** Id or unambiguous prefix; `''` = the latest execution that was not rejected, cancelled or failed. */
  readonly executionId: string;
  readonly version?: number;
  /** Only what is written from now on. */
  readonly tail: boolean;
  /** Until the execution ends; otherwise what is there now. */
  readonly follow: boolean;
}

/** A piece of output, not necessarily one line. */
export interface LogChunk {
  /** 1 stdout, 2 stderr. */
  readonly Type: 1 | 2;
  readonly Line: string;
}

export interface JobsBackend {
  /** Returns once the submit is durable. */
  submit(request: SubmitRequest): Promise<SubmitResult>;
  getJob(ref: string, query: JobQuery): Promise<Job>;
  listJobs(query: JobListQuery): Promise<Page<Job>>;
  /** Evaluation id is `''` where the job was stopped already. */
  stopJob(ref: string, query: { namespace: string; reason: string }): Promise<{ EvaluationID: string }>;
  history(ref: string, query: HistoryQuery): Promise<HistoryPage>;
  executions(ref: string, query: ExecutionQuery): Promise<readonly Execution[]>;
  /** Ascending by version. */
  versions(ref: string, query: { namespace: string }): Promise<readonly Job[]>;
  /** Published results of the completed executions of the latest version. */
  results(ref: string, query: { namespace: string }): Promise<readonly SpecConfig[]>;
  /** Ends by itself; a failure is thrown while iterating; `signal` fires when the client is gone. */
  logs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk>;
}

export interface NodeListQuery {
  readonly labels: readonly Constraint[];
  /** `APPROVED`, `PENDING` …; `''` = all; an unknown text matches nothing. */
  readonly approval: string;
  /** `CONNECTED`, `DISCONNECTED`; `''` = all. */
  readonly status: string;
}

export interface NodesBackend {
  /** Any order; the API sorts and cuts. */
  listNodes(query: NodeListQuery): Promise<readonly NodeState[]>;
  /** Exact id first, then an unambiguous prefix; `NotFound` / `MultipleNodesFound` (409). */
  getNode(ref: string): Promise<NodeState>;
}

/** This process, whatever its roles. */
export interface AgentBackend {
  /** Capacities are live. */
  node(): Promise<NodeInfo>;
  /** The effective configuration as rest-api.md 7.1.5 shows it, secrets already replaced by `********`. */
  config(): Promise<Readonly<Record<string, unknown>>>;
  /** One key per component; those that fail are left out. */
  debug(): Promise<Readonly<Record<string, unknown>>>;
}

/** `jobs` and `nodes` are there where the orchestrator runs; without them their routes are plain 404s. */
export interface Backends {
  readonly agent: AgentBackend;
  readonly jobs?: JobsBackend;
  readonly nodes?: NodesBackend;
}
