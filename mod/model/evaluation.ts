/** A request to look at a job again; a row, so a restart goes on with it (invariants.md section 2, "Evaluation"). */
import type { JobType } from './job.ts';

export type EvaluationTrigger =
  | 'job-register'
  | 'job-update'
  | 'job-cancel'
  | 'job-rerun'
  | 'job-queue'
  | 'job-timeout'
  | 'exec-update'
  | 'exec-timeout'
  | 'exec-limit'
  | 'exec-failure'
  | 'node-join'
  | 'node-leave';
export type EvaluationStatus = 'pending' | 'leased' | 'blocked' | 'complete' | 'failed' | 'canceled';

export interface Evaluation {
  /** Plain UUID from the API and messages, `v-<uuid>` from timers and node events. */
  readonly ID: string;
  readonly Namespace: string;
  readonly JobID: string;
  readonly TriggeredBy: EvaluationTrigger;
  readonly Priority: number;
  readonly Type: JobType;
  readonly Status: EvaluationStatus;
  readonly Comment: string;
  /** Nanoseconds since the epoch; not due before. 0 = at once. */
  readonly WaitUntil: bigint;
  readonly CreateTime: bigint;
  readonly ModifyTime: bigint;
}
