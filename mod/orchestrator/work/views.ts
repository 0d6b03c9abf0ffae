/** Rows as the scheduler sees them. */
import type { ExecutionView, JobView, SlotView } from '../../schedule/mod.ts';
import type { ExecutionRow, JobRow, SlotRow } from '../../store/mod.ts';

export function jobView({ job, queuedAt, deadline }: JobRow): JobView {
  return { spec: job, state: job.State.StateType, message: job.State.Message ?? '', queuedAt, deadline };
}

export function slotView({ slot, attempt, countedExec }: SlotRow): SlotView {
  return { slot, attempt, countedExec };
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
