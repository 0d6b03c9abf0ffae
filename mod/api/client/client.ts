/** The one client of the API, typed; every failure is a `BacalhauError`. */
import {
  BacalhauError,
  type BuildVersion,
  buildVersionCodec,
  decodeExecution,
  decodeJob,
  decodeNodeInfo,
  decodeNodeState,
  type Execution,
  type Job,
  type JobHistory,
  jobHistoryCodec,
  type NodeInfo,
  type NodeState,
  type SpecConfig,
  specConfigCodec,
} from '../../model/mod.ts';
import type { LogChunk } from './logs.ts';
import { type ApiRequest, call, type Connection } from './transport.ts';

/** A list with the token of its next page, `''` on the last one. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly nextToken: string;
}

/** What the server made of a submitted job. */
export interface SubmitAnswer {
  readonly jobId: string;
  readonly evaluationId: string;
  readonly warnings: readonly string[];
}

/** A page of a list, and its order. */
export interface ListOptions {
  readonly limit?: number;
  readonly nextToken?: string;
  readonly orderBy?: string;
  readonly reverse?: boolean;
}

/** Which version of a job is meant; the latest by default. */
export interface VersionOptions {
  readonly namespace?: string;
  readonly version?: number;
  readonly allVersions?: boolean;
}

/** Which part of a job's history to show. */
export interface HistoryOptions extends VersionOptions, ListOptions {
  readonly eventType?: string;
  readonly executionId?: string;
}

/** Whose output to read, and from where. */
export interface LogOptions {
  readonly namespace?: string;
  readonly version?: number;
  readonly executionId?: string;
  /** Only what is written from now on. */
  readonly tail?: boolean;
  /** Only the last so many lines; a server of the original sends all. */
  readonly tailLines?: number;
  readonly follow?: boolean;
}

/** A job with what was included; absent parts were not asked for. */
export interface JobAnswer {
  readonly job: Job;
  readonly history?: readonly JobHistory[];
  readonly executions?: readonly Execution[];
}

const JOBS = '/api/v1/orchestrator/jobs';
const NODES = '/api/v1/orchestrator/nodes';

type Members = Readonly<Record<string, unknown>>;

/** One method an endpoint. All throw BacalhauError as the server told it. */
export class ApiClient {
  constructor(readonly connection: Connection) {}

  async submit(job: object, options: { force?: boolean; signal?: AbortSignal } = {}): Promise<SubmitAnswer> {
    const answer = await this.#call({
      method: 'PUT',
      path: JOBS,
      body: { Job: job, Force: options.force ?? false },
      signal: options.signal,
    });
    const warnings = Array.isArray(answer.Warnings) ? answer.Warnings.map(String) : [];
    return { jobId: String(answer.JobID), evaluationId: String(answer.EvaluationID), warnings };
  }

  async listJobs(options: ListOptions & { labels?: readonly string[] } = {}): Promise<Listed<Job>> {
    const query = { ...listQuery(options), labels: options.labels };
    return listed(await this.#call({ method: 'GET', path: JOBS, query }), decodeJob);
  }

  /** @param include parts to fetch along */
  async getJob(
    ref: string,
    options: VersionOptions & { include?: readonly ('history' | 'executions')[]; signal?: AbortSignal } = {},
  ): Promise<JobAnswer> {
    const answer = await this.#call({
      method: 'GET',
      path: jobPath(ref),
      query: { ...versionQuery(options), include: options.include?.join(',') },
      signal: options.signal,
    });
    return {
      job: decodeJob(answer.Job),
      ...(answer.History ? { history: listed(answer.History, jobHistoryCodec.decode).items } : {}),
      ...(answer.Executions ? { executions: listed(answer.Executions, decodeExecution).items } : {}),
    };
  }

  async stopJob(ref: string, options: { namespace?: string; reason?: string } = {}): Promise<string> {
    const answer = await this.#call({
      method: 'DELETE',
      path: jobPath(ref),
      query: { namespace: options.namespace },
      body: { reason: options.reason ?? '', ...(options.namespace ? { Namespace: options.namespace } : {}) },
    });
    return String(answer.EvaluationID ?? '');
  }

  async history(
    ref: string,
    options: HistoryOptions & { signal?: AbortSignal } = {},
  ): Promise<Listed<JobHistory>> {
    const query = {
      ...versionQuery(options),
      ...listQuery(options),
      event_type: options.eventType,
      execution_id: options.executionId,
    };
    const request = {
      method: 'GET',
      path: `${jobPath(ref)}/history`,
      query,
      signal: options.signal,
    } as const;
    return listed(await this.#call(request), jobHistoryCodec.decode);
  }

  async executions(ref: string, options: VersionOptions & ListOptions = {}): Promise<Listed<Execution>> {
    const query = { ...versionQuery(options), ...listQuery(options) };
    return listed(
      await this.#call({ method: 'GET', path: `${jobPath(ref)}/executions`, query }),
      decodeExecution,
    );
  }

  async versions(ref: string, options: { namespace?: string } = {}): Promise<Listed<Job>> {
    return listed(
      await this.#call({ method: 'GET', path: `${jobPath(ref)}/versions`, query: options }),
      decodeJob,
    );
  }

  async results(ref: string, options: { namespace?: string } = {}): Promise<readonly SpecConfig[]> {
    const path = `${jobPath(ref)}/results`;
    return listed(await this.#call({ method: 'GET', path, query: options }), specConfigCodec.decode).items;
  }

  /** Ends with the stream; an aborted signal ends it quietly. */
  async *logs(ref: string, options: LogOptions = {}, signal?: AbortSignal): AsyncGenerator<LogChunk> {
    const { streamLogs } = await import('./logs.ts');
    const query = {
      ...versionQuery(options),
      execution_id: options.executionId,
      tail: options.tail,
      tail_lines: options.tailLines,
      follow: options.follow,
    };
    yield* streamLogs(this.connection, { path: `${jobPath(ref)}/logs`, query }, signal);
  }

  async listNodes(
    options: ListOptions & { labels?: readonly string[]; approval?: string; status?: string } = {},
  ): Promise<readonly NodeState[]> {
    const query = {
      ...listQuery(options),
      labels: options.labels,
      'filter-approval': options.approval,
      'filter-status': options.status,
    };
    return listed(await this.#call({ method: 'GET', path: NODES, query }), decodeNodeState, 'Nodes').items;
  }

  async getNode(ref: string): Promise<NodeState> {
    const path = `${NODES}/${encodeURIComponent(ref)}`;
    return decodeNodeState((await this.#call({ method: 'GET', path })).Node);
  }

  async alive(): Promise<string> {
    return String((await this.#agent('alive')).Status);
  }

  /** @param timeout milliseconds, where the answer is only a nicety */
  async agentVersion(timeout?: number): Promise<BuildVersion> {
    return buildVersionCodec.decode(await this.#agent('version', timeout));
  }

  async agentNode(): Promise<NodeInfo> {
    return decodeNodeInfo(await this.#agent('node'));
  }

  async agentConfig(): Promise<Members> {
    return members((await this.#agent('config')).config);
  }

  #agent(name: string, timeout?: number): Promise<Members> {
    const path = `/api/v1/agent/${name}`;
    return this.#call({ method: 'GET', path, ...(timeout === undefined ? {} : { timeout }) });
  }

  async #call(request: ApiRequest): Promise<Members> {
    return members(await call(this.connection, request));
  }
}

function jobPath(ref: string): string {
  return `${JOBS}/${encodeURIComponent(ref)}`;
}

function versionQuery({ namespace, version, allVersions }: VersionOptions) {
  return { namespace, job_version: version, all_job_versions: allVersions };
}

function listQuery({ limit, nextToken, orderBy, reverse }: ListOptions) {
  return { limit, next_token: nextToken, order_by: orderBy, reverse };
}

function members(value: unknown): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw new BacalhauError('InternalError', 'Cannot read the answer of the server: it is not an object');
}

function listed<T>(envelope: unknown, decode: (item: unknown) => T, key = 'Items'): Listed<T> {
  const { [key]: items, NextToken } = members(envelope);
  return {
    items: Array.isArray(items) ? items.map(decode) : [],
    nextToken: typeof NextToken === 'string' ? NextToken : '',
  };
}
