/**
 * What the API asks of jobs and nodes, and the pages that it gets: the data between the API and those that answer for it
 * (`mod/api/server/backend.ts`). Paging tokens are the API's business; here are offsets and limits only.
 */
import type { JobHistory } from './event.ts';
import type { Constraint } from './job.ts';

/** A part of a list; `next` is the offset of the first item left out, absent when nothing is left. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: number;
}

/** A job that is handed in. */
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

/** What became of a job that was handed in. */
export interface SubmitResult {
  readonly JobID: string;
  readonly EvaluationID: string;
  readonly Warnings: readonly string[];
}

/** Which job, in which version. */
export interface JobQuery {
  readonly namespace: string;
  /** Absent = current version. */
  readonly version?: number;
}

/** Which jobs, in which order. */
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

/** Which part of a job's history. */
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

/** Which executions of a job, in which order. */
export interface ExecutionQuery extends VersionQuery {
  readonly orderBy: 'created_at' | 'modified_at';
  readonly reverse: boolean;
  readonly limit: number;
}

/** Whose output, from where on. */
export interface LogQuery {
  readonly namespace: string;
  /** Id or unambiguous prefix; `''` = the latest execution that was not rejected, cancelled or failed. */
  readonly executionId: string;
  /** Absent: the latest one, or that of the execution named. */
  readonly version?: number;
  /** Only what is written from now on. */
  readonly tail: boolean;
  /** Ours: only the last so many lines of what is there, and what follows. */
  readonly tailLines?: number;
  /** Until the execution ends; otherwise what is there now. */
  readonly follow: boolean;
}

/** A piece of output, not necessarily one line. */
export interface LogChunk {
  /** 1 stdout, 2 stderr. */
  readonly Type: 1 | 2;
  readonly Line: string;
}

/** Which nodes. */
export interface NodeListQuery {
  readonly labels: readonly Constraint[];
  /** `APPROVED`, `PENDING` …; `''` = all; an unknown text matches nothing. */
  readonly approval: string;
  /** `CONNECTED`, `DISCONNECTED`; `''` = all. */
  readonly status: string;
}
