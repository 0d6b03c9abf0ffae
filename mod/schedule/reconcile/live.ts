/**
 * First pass: each live execution against its job version, its node and its deadlines. Afterwards all live ones are of
 * the current version and on a node that is, or may still be, there.
 */
import type { Job } from '../../model/mod.ts';
import { adopt, expireBid, lose, reject, stop, timeOut, unknown } from '../changes.ts';
import type { Draft } from '../draft.ts';
import { JOB_KINDS } from '../kinds.ts';
import type { ExecutionChange, ExecutionView, Host } from '../types.ts';

/** Seconds a program may take from its start; 0 = unlimited. Long-running jobs have no limit (job-spec.md 1.11). */
function executionSeconds({ Type, Tasks }: Job): number {
  const { ExecutionTimeout, TotalTimeout } = Tasks[0]?.Timeouts ?? {};
  return JOB_KINDS[Type].finite ? ExecutionTimeout || TotalTimeout || 0 : 0;
}

/** When the orchestrator itself ends a program that starts now and that its node does not end; 0 = never. */
export function executionDeadline(job: Job, now: bigint, grace: bigint): bigint {
  const seconds = executionSeconds(job);
  return seconds === 0 ? 0n : now + BigInt(seconds) * 1_000_000_000n + grace;
}

function onSilentNode(draft: Draft, execution: ExecutionView): ExecutionChange | null {
  const { now, policy, hearingSince } = draft.input;
  switch (execution.phase) {
    // Nothing runs before the approval, so these can be placed elsewhere at once.
    case 'asked':
      return expireBid(execution, 'NodeSilent', 'Node was out of reach before it answered');
    case 'offered':
      return reject(execution, 'Node was out of reach before its bid was approved');
    case 'unknown': {
      const heard = hearingSince + policy.disconnectWindow;
      const lostAfter = execution.lostAfter > heard ? execution.lostAfter : heard;
      if (now >= lostAfter) return lose(execution, 'Node did not come back in time');
      draft.wakeAt({ at: lostAfter, trigger: 'node-leave' });
      return null;
    }
    default: {
      const lostAfter = now + policy.disconnectWindow;
      draft.wakeAt({ at: lostAfter, trigger: 'node-leave' });
      return unknown(execution, now, lostAfter);
    }
  }
}

function changeOf(
  draft: Draft,
  execution: ExecutionView,
  node: Host | undefined,
): ExecutionChange | null {
  const { job, now } = draft.input;
  if (execution.version !== job.spec.Version) return stop(execution, 'Execution stopped due to job update');
  if (!node) return lose(execution, 'Node is gone');
  if (node.membership === 'REJECTED') return lose(execution, 'Node was rejected');
  if (node.session === 'away') return onSilentNode(draft, execution);
  if (execution.phase === 'unknown') {
    if (node.session === 'connected') return adopt(execution);
    draft.wakeAt({ at: now + draft.input.policy.disconnectWindow, trigger: 'node-leave' });
    return null;
  }
  if (execution.phase === 'asked') {
    return now >= execution.bidDeadline
      ? expireBid(execution, 'BidTimeout', 'Node did not answer in time')
      : null;
  }
  if (execution.phase !== 'offered' && execution.execDeadline > 0n && now >= execution.execDeadline) {
    return timeOut(execution, executionSeconds(job.spec));
  }
  return null;
}

export function reconcileLive(draft: Draft): void {
  for (const execution of draft.live) {
    const change = changeOf(draft, execution, draft.input.hosts.get(execution.nodeId));
    if (change) draft.change(change);
  }
}

/** Tells all live executions to stop, or their bids that they are not needed. */
export function stopAll(draft: Draft, why: string): void {
  for (const execution of draft.live) draft.change(stop(execution, why));
}
