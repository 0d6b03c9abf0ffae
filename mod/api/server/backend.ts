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
  Execution,
  ExecutionQuery,
  HistoryPage,
  HistoryQuery,
  Job,
  JobListQuery,
  JobQuery,
  LogChunk,
  LogQuery,
  NodeInfo,
  NodeListQuery,
  NodeState,
  Page,
  SpecConfig,
  SubmitRequest,
  SubmitResult,
} from '../../model/mod.ts';

/** What the API needs of jobs. All methods throw BacalhauError. */
export interface JobsBackend {
  /** Returns once the submit is durable. */
  submit(request: SubmitRequest): Promise<SubmitResult>;
  getJob(ref: string, query: JobQuery): Promise<Job>;
  /** A page of jobs that are large together may end before its limit; `next` then tells where to go on. */
  listJobs(query: JobListQuery): Promise<Page<Job>>;
  /** All that were there when asked, without a limit: each is read when its turn comes, so they need not fit into memory. */
  allJobs(query: JobListQuery): AsyncIterable<Job>;
  /** Evaluation id is `''` where the job was stopped already. */
  stopJob(ref: string, query: { namespace: string; reason: string }): Promise<{ EvaluationID: string }>;
  history(ref: string, query: HistoryQuery): Promise<HistoryPage>;
  executions(ref: string, query: ExecutionQuery): Promise<readonly Execution[]>;
  /** Ascending by version. */
  versions(ref: string, query: { namespace: string }): Promise<readonly Job[]>;
  /** Published results: per slot what completed, else what a failed or stopped run left. */
  results(ref: string, query: JobQuery): Promise<readonly SpecConfig[]>;
  /** Ends by itself; a failure is thrown while iterating; `signal` fires when the client is gone. */
  logs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk>;
}

/** What the API needs of nodes. All methods throw BacalhauError. */
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
