/**
 * The two lists of rules (job-spec.md 1.9): for what a person submits, checked by client and server, and for what is
 * stored, checked after defaults were applied.
 */
import { formatDuration, JOB_TYPES } from '../model/mod.ts';
import type { Job, Problem } from '../model/mod.ts';
import { problemAt } from './problem.ts';
import { limitProblems } from './validate_limits.ts';
import { constraintComplaints } from './validate_constraint.ts';
import { taskProblems } from './validate_task.ts';

const blank = (text: string) => text.trim() === '';

/**
 * The original takes any text without blanks. An id also stands in paths of URLs, in subjects of messages, in names of
 * containers and on terminals; and an incomplete one of ours would be found by prefixes of others.
 */
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const CONTROL = /\p{Cc}/u;

/**
 * Problems of a submission: numbers out of range, then job-level ones, then task by task. Where a text or list is too
 * long, only that.
 */
export function validateSubmission(job: Job): Problem[] {
  const { sizes, numbers } = limitProblems(job);
  if (sizes.length > 0) return [...sizes];
  const found: Problem[] = [...numbers];
  const { Type, Count, Tasks } = job;
  if (blank(Type)) found.push(problemAt(['Type'], 'missing job type'));
  else if (!JOB_TYPES.includes(Type)) {
    found.push(problemAt(['Type'], `invalid job type "${Type}": it is one of ${JOB_TYPES.join(', ')}`));
  }
  if ((Type === 'daemon' || Type === 'ops') && Count > 1) {
    found.push(
      problemAt(['Count'], `${Type} jobs cannot specify count > 1: they run on every matching node`),
    );
  }
  for (const key of ['Name', 'Namespace'] as const) {
    if (!CONTROL.test(job[key])) continue;
    const what = key.toLowerCase();
    found.push(
      problemAt([key], `the job ${what} has control characters (null, line break, escape): remove them`),
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
  else if (!ID.test(job.ID)) {
    const rule = 'it has letters, digits, "-", "_" and ".", a letter or digit at both ends';
    found.push(problemAt(['ID'], `${JSON.stringify(job.ID)} is no job ID: ${rule}`));
  }
  if (blank(job.Name)) found.push(problemAt(['Name'], 'missing job name'));
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
