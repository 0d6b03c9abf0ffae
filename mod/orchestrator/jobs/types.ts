/** Requests and answers of the jobs backend. The API declares the same shapes for itself (`mod/api/server/backend.ts`). */
import type { Constraint, JobHistory } from '../../model/mod.ts';

export interface SubmitRequest {
  /** As it was read from JSON; not validated yet. */
  readonly job: unknown;
  readonly force: boolean;
  readonly clientInstallationId?: string;
  readonly clientInstanceId?: string;
  /** Repeats of the request with the same key get the first answer (invariants.md section 0 row 23). */
  readonly idempotencyKey?: string;
}

export interface SubmitResult {
  readonly JobID: string;
  readonly EvaluationID: string;
  readonly Warnings: readonly string[];
}

export interface JobListQuery {
  /** `''` or `*` = all. */
  readonly namespace: string;
  readonly labels: readonly Constraint[];
  readonly orderBy: 'created_at' | 'modified_at' | 'id';
  readonly reverse: boolean;
  /** 0 = no limit. */
  readonly limit: number;
  readonly offset: number;
}

export interface VersionQuery {
  readonly namespace: string;
  readonly version?: number;
  readonly allVersions: boolean;
}

export interface HistoryQuery extends VersionQuery {
  readonly eventType: 'all' | 'job' | 'execution';
  readonly executionId: string;
  /** Unix seconds. */
  readonly since: bigint;
  readonly fromSeqNum: bigint;
  readonly limit: number;
}

export interface HistoryPage {
  readonly items: readonly JobHistory[];
  /** Follow cursor: absent only when nothing is left and nothing can follow. */
  readonly next?: bigint;
}

export interface ExecutionQuery extends VersionQuery {
  readonly orderBy: 'created_at' | 'modified_at';
  readonly reverse: boolean;
  readonly limit: number;
}

export interface LogQuery {
  readonly namespace: string;
  readonly executionId: string;
  readonly version?: number;
  readonly tail: boolean;
  readonly follow: boolean;
}

export interface LogChunk {
  readonly Type: 1 | 2;
  readonly Line: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: number;
}
