/** Finding a job by what a person wrote (rest-api.md 7.3): its name, then its id, then a prefix of its id. */
import { BacalhauError, isFullId } from '../../model/mod.ts';
import type { ExecutionRow, JobRow, StoreReader } from '../../store/mod.ts';

/** @throws BacalhauError `NotFound`, `MultipleJobsFound` */
export async function resolveJob(reader: StoreReader, ref: string, namespace: string): Promise<JobRow> {
  const named = await reader.jobs.byName(namespace || 'default', ref);
  if (named) return named;
  const matching = isFullId(ref) ? [await reader.jobs.get(ref)] : await reader.jobs.byIdPrefix(ref);
  const [job, another] = ref === '' ? [] : matching;
  if (!job) {
    throw new BacalhauError('NotFound', `job not found: ${ref}`, {
      component: 'JobStore',
      hint: 'List jobs with `bacalhau job list`; names count in their namespace only',
    });
  }
  if (another) {
    throw new BacalhauError('MultipleJobsFound', `multiple jobs found for id prefix: ${ref}`, {
      component: 'JobStore',
      status: 409,
      hint: 'Use the full job id',
    });
  }
  return job;
}

/** @throws BacalhauError `NotFound`, `MultipleExecutionsFound` */
export async function resolveExecution(reader: StoreReader, job: JobRow, ref: string): Promise<ExecutionRow> {
  const exact = await reader.executions.get(ref);
  const matching = exact
    ? [exact]
    : (await reader.executions.byJob(job.job.ID)).filter(({ id }) => id.startsWith(ref));
  const [execution, another] = matching;
  if (!execution || execution.jobId !== job.job.ID) {
    throw new BacalhauError('NotFound', `execution not found: ${ref}`, {
      component: 'JobStore',
      hint: `List the executions of the job with \`bacalhau job executions ${job.job.ID}\``,
    });
  }
  if (another) {
    throw new BacalhauError('MultipleExecutionsFound', `multiple executions found for id prefix: ${ref}`, {
      component: 'JobStore',
      status: 409,
      hint: 'Use the full execution id',
    });
  }
  return execution;
}
