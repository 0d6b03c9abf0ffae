/**
 * The inventory of one of our nodes settles both sides after a handshake: what the node no longer knows is over here,
 * what is over here is told to the node, and what was unknown is adopted. It counts once per session, since later rows
 * are younger than it. An execution that cannot be settled, such as one of a job that cannot be read, is reported, and
 * keeps nobody from the others.
 */
import { computeStateOf, EventTopic, isExecuting, type Phase } from '../../model/mod.ts';
import type { ExecutionRow } from '../../store/mod.ts';
import type { ExecutionInventory } from '../../transport/mod.ts';
import { computeState } from '../work/job_unit.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import { failed, onceStopped } from './ends.ts';
import { confirm, type Sender } from './report.ts';

export type InventoryEntry = ExecutionInventory['Executions'][number];

/** Phases of a node that are those of the orchestrator too. */
const SAME: Readonly<Record<string, Phase>> = {
  queued: 'queued',
  preparing: 'preparing',
  starting: 'preparing',
  running: 'running',
  harvesting: 'running',
  publishing: 'publishing',
};
const ENDED: readonly string[] = ['completed', 'failed', 'refused', 'rejected', 'cancelled', 'stopped'];

export async function onInventory(
  work: UnitOfWork,
  sender: Sender,
  entries: readonly InventoryEntry[],
  report: (error: unknown) => void,
): Promise<void> {
  const listed = new Map(entries.map((entry) => [entry.ExecutionID, entry]));
  const held = await work.tx.executions.outlinesByNode(sender.nodeId);
  for (const { id } of held) {
    const entry = listed.get(id);
    listed.delete(id);
    try {
      const row = (await work.tx.executions.get(id))!;
      if (entry) await onListed(work, row, entry);
      else await onMissing(work, row);
    } catch (error) {
      report(error);
    }
  }
  // The rest is over here, or was never placed there by this store.
  for (const id of listed.keys()) await confirm(work, sender, id);
}

async function onListed(work: UnitOfWork, row: ExecutionRow, entry: InventoryEntry): Promise<void> {
  const unit = (await work.unit(row.jobId))!;
  const same = Object.hasOwn(SAME, entry.Phase) ? SAME[entry.Phase] : undefined;
  if (isExecuting(row.phase) && same && entry.Revision >= row.nodeRev) {
    const adopted = row.phase === 'unknown';
    if (same === row.phase) return;
    await unit.change(
      row,
      {
        phase: same,
        compute: computeState(computeStateOf(same)!, 'Running'),
        nodeRev: entry.Revision,
        unknownSince: 0n,
        lostAfter: 0n,
      },
      adopted
        ? { events: [{ Topic: EventTopic.Execution, Message: 'Node is back, execution goes on' }] }
        : {},
    );
  } else if (row.phase === 'stopping' && ENDED.includes(entry.Phase)) {
    await onceStopped(work, row);
  }
}

async function onMissing(work: UnitOfWork, row: ExecutionRow): Promise<void> {
  // An ask may still be on its way to the node.
  if (row.phase === 'asked') return;
  if (row.phase === 'stopping') return await onceStopped(work, row);
  const unit = (await work.unit(row.jobId))!;
  const message = 'Node no longer knows the execution';
  await unit.change(row, failed({ class: 'infrastructure', code: 'ExecutionForgotten', message }), {
    events: [{
      Topic: EventTopic.Execution,
      Message: message,
      Details: { IsError: 'true', Retryable: 'true' },
    }],
  });
  work.reported(row, unit);
}
