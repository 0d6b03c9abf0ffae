/** A plan into the rows of its job: all of it in the transaction in which it was made (invariants.md O2, O9). */
import { isTerminalJob, makeId } from '../../model/mod.ts';
import type { ExecutionChange, Plan } from '../../schedule/mod.ts';
import type { ExecutionChange as RowChange, JobChange } from '../../store/mod.ts';
import { computeState, type JobUnit } from './job_unit.ts';

/** @param evaluationId recorded on new executions; @param uuid draws their ids */
export async function applyPlan(
  unit: JobUnit,
  plan: Plan,
  evaluationId: string,
  uuid: () => string,
): Promise<void> {
  for (const change of plan.change) await applyChange(unit, change);
  const task = unit.job.job.Tasks[0]?.Name ?? '';
  for (const planned of plan.create) {
    const row = await unit.add({
      id: makeId('e', uuid()),
      namespace: unit.job.job.Namespace,
      jobId: unit.id,
      jobVersion: unit.job.job.Version,
      slot: planned.slot,
      partition: planned.partition,
      attempt: planned.attempt,
      nodeId: planned.nodeId,
      evalId: evaluationId,
      allocated: { Tasks: { [task]: planned.resources } },
      previous: planned.previous,
      bidDeadline: planned.bidDeadline,
    }, planned.event);
    const previous = unit.executions.get(planned.previous);
    if (previous) await unit.change(previous, { next: row.id });
  }
  await applyToJob(unit, plan);
}

async function applyChange(unit: JobUnit, change: ExecutionChange): Promise<void> {
  const row = unit.executions.get(change.id)!;
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

async function applyToJob(unit: JobUnit, { job, queuedAt, deadline }: Plan): Promise<void> {
  if (job) {
    const { state, message, details } = job;
    const change: JobChange = {
      state: {
        StateType: state,
        ...(message ? { Message: message } : {}),
        ...(details ? { Details: details } : {}),
      },
      ...(queuedAt === undefined ? {} : { queuedAt }),
      ...(deadline === undefined ? {} : { deadline }),
      ...(state === 'Running' && unit.job.runStarted === 0n ? { runStarted: unit.tx.now } : {}),
      ...(isTerminalJob(state) ? { queuedAt: 0n } : {}),
    };
    await unit.changeJob(change);
    for (const event of job.events) unit.note(event);
  } else if (queuedAt !== undefined || deadline !== undefined) {
    await unit.changeJob({
      ...(queuedAt === undefined ? {} : { queuedAt }),
      ...(deadline === undefined ? {} : { deadline }),
    });
  }
}
