/** All that can be asked of jobs, as the API wants it. */
import type { Execution, Job, SpecConfig } from '../../model/mod.ts';
import type { OrchestratorLink } from '../../transport/mod.ts';
import { readLogs } from './logs.ts';
import * as reads from './reads.ts';
import { stop } from './stop.ts';
import { submit, type SubmitContext } from './submit.ts';
import type {
  ExecutionQuery,
  HistoryPage,
  HistoryQuery,
  JobListQuery,
  LogChunk,
  LogQuery,
  Page,
  SubmitRequest,
  SubmitResult,
} from '../../model/mod.ts';

export class Jobs {
  constructor(readonly context: SubmitContext, readonly link: () => OrchestratorLink) {}

  get #store() {
    return this.context.desk.store;
  }

  /** Resolves when the submit is durable. */
  submit(request: SubmitRequest): Promise<SubmitResult> {
    return submit(this.context, request);
  }

  stopJob(ref: string, query: { namespace: string; reason: string }): Promise<{ EvaluationID: string }> {
    return stop(this.context.desk, ref, query);
  }

  getJob(ref: string, query: { namespace: string; version?: number }): Promise<Job> {
    return reads.getJob(this.#store, ref, query);
  }

  listJobs(query: JobListQuery): Promise<Page<Job>> {
    return reads.listJobs(this.#store, query);
  }

  history(ref: string, query: HistoryQuery): Promise<HistoryPage> {
    return reads.history(this.#store, ref, query);
  }

  executions(ref: string, query: ExecutionQuery): Promise<readonly Execution[]> {
    return reads.executions(this.#store, ref, query);
  }

  versions(ref: string, query: { namespace: string }): Promise<readonly Job[]> {
    return reads.versions(this.#store, ref, query);
  }

  results(ref: string, query: { namespace: string }): Promise<readonly SpecConfig[]> {
    return reads.results(this.#store, ref, query);
  }

  logs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk> {
    return readLogs(this.#store, this.link, ref, query, signal);
  }
}
