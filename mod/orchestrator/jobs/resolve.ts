/** Finding a job by what a person wrote (rest-api.md 7.3): its id, then its name, then a prefix of its id. */
import { BacalhauError, isFullId, type LogQuery, type VersionQuery } from '../../model/mod.ts';
import type { ExecutionRow, JobRow, StoreReader } from '../../store/mod.ts';

/** @throws BacalhauError `NotFound`, `MultipleJobsFound` */
export async function resolveJob(reader: StoreReader, ref: string, namespace: string): Promise<JobRow> {
  // An id names one job only, whatever others are called.
  const exact = isFullId(ref) ? await reader.jobs.get(ref) : undefined;
  const found = exact ?? await reader.jobs.byName(namespace || 'default', ref);
  if (found) return found;
  const [job, another] = ref === '' || isFullId(ref) ? [] : await reader.jobs.byIdPrefix(ref);
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

/** The version that a query is about; undefined = all. */
export function versionOf(
  { job }: JobRow,
  { version = 0, allVersions = false }: Partial<VersionQuery>,
): number | undefined {
  if (version !== 0) return version;
  return allVersions ? undefined : job.Version;
}

/**
 * The execution that a query names, of any version unless it names one too.
 * @throws BacalhauError `NotFound`, `MultipleExecutionsFound`
 */
export async function resolveExecution(
  reader: StoreReader,
  { job }: JobRow,
  { executionId, version }: LogQuery,
): Promise<ExecutionRow> {
  const rows = await reader.executions.byJob(job.ID, version || undefined);
  const exact = rows.find(({ id }) => id === executionId);
  const matching = exact ? [exact] : rows.filter(({ id }) => id.startsWith(executionId));
  const [execution, another] = matching;
  if (!execution) {
    throw new BacalhauError('NotFound', `execution not found: ${executionId}`, {
      component: 'JobStore',
      hint: `List the executions of the job with \`bacalhau job executions ${job.ID}\``,
    });
  }
  if (another) {
    throw new BacalhauError(
      'MultipleExecutionsFound',
      `multiple executions found for id prefix: ${executionId}`,
      {
        component: 'JobStore',
        status: 409,
        hint: 'Use the full execution id',
      },
    );
  }
  return execution;
}
