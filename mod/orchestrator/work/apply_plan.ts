/** Decisions of the scheduler into rows: in the transaction in which they were made (invariants.md O2, O9). */
import { EventTopic, isTerminalJob, makeId } from '../../model/mod.ts';
import type { ExecutionChange, JobChange as PlannedJob, Placement } from '../../schedule/mod.ts';
import { partitionOf } from '../../schedule/mod.ts';
import type { ExecutionChange as RowChange, ExecutionRow, JobChange } from '../../store/mod.ts';
import { computeState, type JobUnit } from './job_unit.ts';

export async function applyChange(unit: JobUnit, row: ExecutionRow, change: ExecutionChange): Promise<void> {
  const { compute, desired, message, phase } = change;
  const state = compute ?? row.compute.StateType;
  const rowChange: RowChange = {
    phase,
    ...(compute !== undefined || message !== undefined
      ? { compute: computeState(state, message ?? row.compute.Message ?? '', row.compute.Details) }
      : {}),
    ...(desired === undefined
      ? {}
      : { desired: { StateType: desired, ...(message ? { Message: message } : {}) } }),
    ...(change.code === undefined ? {} : { code: change.code }),
    ...(change.class === undefined ? {} : { class: change.class }),
    ...(change.unknownSince === undefined ? {} : { unknownSince: change.unknownSince }),
    ...(change.lostAfter === undefined ? {} : { lostAfter: change.lostAfter }),
    ...(phase === 'approved' && row.started === 0n ? { started: unit.tx.now } : {}),
  };
  await unit.change(row, rowChange, {
    ...(change.notice ? { notice: change.notice } : {}),
    ...(change.event ? { events: [change.event] } : {}),
  });
}

/** What a new execution is told apart by: its evaluation, its id and until when the node may answer. */
export interface Ask {
  readonly evaluationId: string;
  readonly uuid: string;
  readonly bidDeadline: bigint;
}

export async function applyPlacement(
  unit: JobUnit,
  { slot, nodeId, resources }: Placement,
  { evaluationId, uuid, bidDeadline }: Ask,
): Promise<void> {
  await unit.add({
    id: makeId('e', uuid),
    slot,
    partition: partitionOf(slot),
    nodeId,
    evalId: evaluationId,
    allocated: { Tasks: { [unit.job.job.Tasks[0]?.Name ?? '']: resources } },
    bidDeadline,
  }, {
    Topic: EventTopic.Scheduling,
    Message: `Requested execution on ${/^n-[0-9a-f]{8}-/.test(nodeId) ? nodeId.slice(0, 10) : nodeId}`,
    Details: { NodeID: nodeId },
  });
}

/** State and times of the job; absent = as they are. */
export async function applyToJob(
  unit: JobUnit,
  { job, ...times }: { job: PlannedJob | null; queuedAt?: bigint; deadline?: bigint },
): Promise<void> {
  if (!job && Object.keys(times).length === 0) return;
  let change: JobChange = times;
  if (job) {
    const { state, message, details } = job;
    change = {
      ...times,
      state: {
        StateType: state,
        ...(message ? { Message: message } : {}),
        ...(details ? { Details: details } : {}),
      },
      ...(state === 'Running' && unit.job.runStarted === 0n ? { runStarted: unit.tx.now } : {}),
      ...(isTerminalJob(state) ? { queuedAt: 0n } : {}),
    };
  }
  await unit.changeJob(change);
  for (const event of job?.events ?? []) unit.note(event);
}
