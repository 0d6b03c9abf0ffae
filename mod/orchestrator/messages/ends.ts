/** How an execution ends by what its node says. */
import { ComputeState, DesiredState, type StringMap } from '../../model/mod.ts';
import type { ExecutionChange, ExecutionRow } from '../../store/mod.ts';
import { computeState, type Effects } from '../work/job_unit.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import type { Failure } from './classify.ts';

export const STOPPED = Object.freeze({ StateType: DesiredState.Stopped });

/** It has ended without a result. */
export function failed(failure: Omit<Failure, 'hint'>, details?: StringMap): ExecutionChange {
  return {
    phase: 'failed',
    compute: computeState(ComputeState.Failed, failure.message, details),
    desired: { ...STOPPED, Message: 'execution failed' },
    class: failure.class,
    code: failure.code,
  };
}

/** Its node does not take it. */
export function refused(
  message: string,
  code: 'BidRejected' | 'BidDeferred',
  details?: StringMap,
): ExecutionChange {
  return {
    phase: 'refused',
    compute: computeState(ComputeState.AskForBidRejected, message, details),
    desired: { ...STOPPED, Message: 'bid rejected' },
    code,
  };
}

/** One that was to stop has ended, whichever way. */
export async function onceStopped(
  work: UnitOfWork,
  row: ExecutionRow,
  change: ExecutionChange = {},
  effects: Effects = {},
): Promise<void> {
  const unit = (await work.unit(row.jobId))!;
  await unit.change(row, { ...change, phase: 'stopped', stopConfirmed: true }, effects);
  work.reported(row, unit);
}
