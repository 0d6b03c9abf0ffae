/** Takes out what only the system may set, with a warning for each (job-spec.md 1.8). */
import type { Job } from '../model/mod.ts';

/** Keys of `Meta` that belong to the system. */
export const RESERVED_META_PREFIX = 'bacalhau.org/';

export interface Sanitised {
  readonly job: Job;
  readonly warnings: readonly string[];
}

/** A job without what only the system sets. */
export function sanitiseJob(job: Job): Sanitised {
  const warnings: string[] = [];
  const clear = (key: string, isSet: boolean) => {
    if (isSet) warnings.push(`${key} is set by the system: what the job says is ignored`);
  };
  clear('State', job.State.StateType !== 'Undefined');
  clear('Revision', job.Revision !== 0n);
  clear('Version', job.Version !== 0);
  clear('CreateTime', job.CreateTime !== 0n);
  clear('ModifyTime', job.ModifyTime !== 0n);
  // Service and daemon jobs may bring their own.
  const ownId = job.Type === 'service' || job.Type === 'daemon';
  if (!ownId) clear('ID', job.ID !== '');
  if (job.Tasks.length > 1) {
    warnings.push('only one task per job is supported: all but the first are dropped');
  }
  const reserved = Object.keys(job.Meta).filter((key) => key.startsWith(RESERVED_META_PREFIX));
  for (const key of reserved) warnings.push(`meta key "${key}" is reserved and dropped`);
  return {
    warnings,
    job: Object.freeze({
      ...job,
      ID: ownId ? job.ID : '',
      Meta: Object.freeze(
        Object.fromEntries(Object.entries(job.Meta).filter(([key]) => !reserved.includes(key))),
      ),
      Tasks: Object.freeze(job.Tasks.slice(0, 1)),
      State: Object.freeze({ StateType: 'Undefined' as const }),
      Version: 0,
      Revision: 0n,
      CreateTime: 0n,
      ModifyTime: 0n,
    }),
  };
}
