/** What makes a job be looked at again (invariants.md section 2, "Evaluation"). */
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
