/** Stopping a job (invariants.md O10): its state first; the same transaction plans the stopping of what runs. */
import { BacalhauError, EventTopic } from '../../model/mod.ts';
import type { Transactor } from '../work/transactor.ts';
import { resolveJob } from './resolve.ts';

/** @throws BacalhauError `NotFound`, `ConflictJobState` when it has ended otherwise */
export function stop(
  transactor: Transactor,
  ref: string,
  { namespace, reason }: { namespace: string; reason: string },
): Promise<{ EvaluationID: string }> {
  return transactor.commit(async (work) => {
    const { job } = await resolveJob(work.tx, ref, namespace);
    const state = job.State.StateType;
    if (state === 'Stopped') return { EvaluationID: '' };
    if (state === 'Completed' || state === 'Failed') {
      throw new BacalhauError('ConflictJobState', `Cannot stop job "${ref}": it has ended, ${state}`, {
        component: 'JobStore',
        status: 409,
        hint: 'Only jobs that have not ended can be stopped',
        details: { JobID: job.ID, State: state },
      });
    }
    const unit = (await work.unit(job.ID))!;
    await unit.changeJob({
      state: { StateType: 'Stopped', ...(reason ? { Message: reason } : {}) },
      stopReason: reason,
      stopTime: work.tx.now,
      queuedAt: 0n,
    });
    unit.note({
      Topic: EventTopic.Scheduling,
      Message: 'Job requested to stop before completion',
      ...(reason ? { Details: { Reason: reason } } : {}),
    });
    await work.tx.evaluations.cancelDelayed(job.ID);
    return { EvaluationID: work.evaluate(job.ID, 'job-cancel') };
  });
}
