/**
 * The time of programs on nodes of the original, which never say that one has started (invariants.md section 0 row 21):
 * what was approved before the last heartbeat has, once the node's queue is empty.
 */
import { exceeding, type Resources } from '../../model/mod.ts';
import { executionDeadline } from '../../schedule/mod.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';

/** @param heardBefore when the node was heard the last time, nanoseconds */
export async function startForeignDeadlines(
  work: UnitOfWork,
  nodeId: string,
  queued: Resources,
  heardBefore: bigint,
  grace: bigint,
): Promise<void> {
  if (exceeding(queued, {}).length > 0) return;
  for (const row of await work.tx.executions.heldByNode(nodeId)) {
    if (row.phase !== 'approved' || row.execDeadline > 0n || row.modifyTime >= heardBefore) continue;
    const unit = (await work.unit(row.jobId))!;
    const execDeadline = executionDeadline(unit.job.job, work.tx.now, grace);
    if (execDeadline > 0n) await unit.change(row, { execDeadline });
  }
}
