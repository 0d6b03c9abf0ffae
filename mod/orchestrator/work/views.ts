/** Rows as the scheduler sees them. */
import type { ExecutionView, JobView, SlotView } from '../../schedule/mod.ts';
import type { ExecutionRow, JobRow } from '../../store/mod.ts';

export function jobView({ job, queuedAt, deadline }: JobRow): JobView {
  return { spec: job, state: job.State.StateType, message: job.State.Message ?? '', queuedAt, deadline };
}

/** @param attempts executions of the slot */
export function slotView(slot: string, attempts: readonly ExecutionRow[] = []): SlotView {
  return {
    slot,
    attempt: attempts.reduce((most, { attempt }) => Math.max(most, attempt), 0),
    countedExec: attempts.find(({ counted }) => counted)?.id ?? '',
  };
}

export function executionView(row: ExecutionRow): ExecutionView {
  return {
    id: row.id,
    version: row.jobVersion,
    slot: row.slot,
    attempt: row.attempt,
    nodeId: row.nodeId,
    phase: row.phase,
    class: row.class,
    code: row.code,
    message: row.compute.Message ?? '',
    hint: row.compute.Details?.Hint ?? '',
    createdAt: row.createTime,
    endedAt: row.ended,
    bidDeadline: row.bidDeadline,
    execDeadline: row.execDeadline,
    lostAfter: row.lostAfter,
  };
}
