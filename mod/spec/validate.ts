/**
 * The two lists of rules (job-spec.md 1.9): for what a person submits, checked by client and server, and for what is
 * stored, checked after defaults were applied.
 */
import { formatDuration, JOB_TYPES } from '../model/mod.ts';
import type { Job, Problem } from '../model/mod.ts';
import { problemAt } from './problem.ts';
import { constraintComplaints } from './validate_constraint.ts';
import { taskProblems } from './validate_task.ts';

const blank = (text: string) => text.trim() === '';

/** Problems of a submission: job-level ones first, then task by task. */
export function validateSubmission(job: Job): Problem[] {
  const found: Problem[] = [];
  const { Type, Count, Tasks } = job;
  if (blank(Type)) found.push(problemAt(['Type'], 'missing job type'));
  else if (!JOB_TYPES.includes(Type)) {
    found.push(problemAt(['Type'], `invalid job type "${Type}": it is one of ${JOB_TYPES.join(', ')}`));
  }
  if (Count < 0) found.push(problemAt(['Count'], `job count must be >= 0, not ${Count}`));
  if ((Type === 'daemon' || Type === 'ops') && Count > 1) {
    found.push(
      problemAt(['Count'], `${Type} jobs cannot specify count > 1: they run on every matching node`),
    );
  }
  if (Tasks.length === 0) found.push(problemAt(['Tasks'], 'missing job tasks'));
  job.Constraints.forEach((constraint, index) => {
    for (const [key, message] of constraintComplaints(constraint)) {
      found.push(problemAt(['Constraints', index, key], `constraint ${index + 1}: ${message}`));
    }
  });
  Tasks.forEach((task, index) => found.push(...taskProblems(task, ['Tasks', index])));
  return found;
}

/** Problems of a job that is about to be stored: those of a submission and what only shows after defaults. */
export function validateStored(job: Job): Problem[] {
  const found = validateSubmission(job);
  if (blank(job.ID)) found.push(problemAt(['ID'], 'missing job ID'));
  else if (/[\s\0]/.test(job.ID)) found.push(problemAt(['ID'], 'the job ID has blanks or null characters'));
  if (blank(job.Name)) found.push(problemAt(['Name'], 'missing job name'));
  else if (job.Name.includes('\0')) found.push(problemAt(['Name'], 'the job name has null characters'));
  if (blank(job.Namespace)) found.push(problemAt(['Namespace'], 'a job must be in a namespace'));

  job.Tasks.forEach((task, index) => {
    const at = ['Tasks', index];
    if ((task.ResultPaths?.length ?? 0) > 0 && blank(task.Publisher?.Type ?? '')) {
      const message = `task ${task.Name}: publisher must be set, since the task has result paths`;
      found.push(problemAt([...at, 'Publisher'], message));
    }
    const { ExecutionTimeout = 0, QueueTimeout = 0, TotalTimeout = 0 } = task.Timeouts ?? {};
    if (TotalTimeout > 0 && ExecutionTimeout + QueueTimeout > TotalTimeout) {
      const [execution, queue, total] = [ExecutionTimeout, QueueTimeout, TotalTimeout]
        .map((seconds) => formatDuration(seconds * 1000));
      const message =
        `task ${task.Name}: execution (${execution}) and queue (${queue}) timeouts together should be ` +
        `less than the total timeout (${total})`;
      found.push(problemAt([...at, 'Timeouts'], message));
    }
  });
  return found;
}
