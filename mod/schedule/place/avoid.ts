/**
 * Nodes that a job keeps away from because of what happened to it there. All of it follows from its executions, so
 * nothing is stored: a "no" that names no hope of change holds until the node starts a new session; a bid that never
 * came, or a "not now", holds for a while that doubles each time; a failure of the node sends the next attempt elsewhere
 * for a while, if there is an elsewhere. A "not now" is over as soon as an execution of the job ends on that node: what it
 * waited for (a port that both name) may have been that one's.
 */
import type { Refusal } from '../../model/mod.ts';
import type { ExecutionView, NodeView, SchedulePolicy } from '../types.ts';

export interface Avoidance {
  readonly refusals: ReadonlyMap<string, Refusal>;
  /** Nodes where an attempt failed lately. */
  readonly failing: ReadonlySet<string>;
  /** When the first of them may be tried again; null = none is. */
  readonly until: bigint | null;
}

/** A refusal of the node's that time can cure. */
const PASSING = ['BidTimeout', 'BidDeferred'];

export function avoidance(
  executions: readonly ExecutionView[],
  nodes: ReadonlyMap<string, NodeView>,
  policy: SchedulePolicy,
  now: bigint,
): Avoidance {
  const refusals = new Map<string, Refusal>();
  const passed = new Map<string, number>();
  const failing = new Set<string>();
  let until: bigint | null = null;
  const mark = (at: bigint) => {
    if (until === null || at < until) until = at;
  };
  const freed = lastEnds(executions);
  for (const { nodeId, phase, code, message, hint, endedAt, class: kind } of executions) {
    if (phase === 'refused' && code === 'BidDeferred' && (freed.get(nodeId) ?? 0n) > endedAt) continue;
    if (phase === 'refused' && PASSING.includes(code)) {
      const times = (passed.get(nodeId) ?? 0) + 1;
      passed.set(nodeId, times);
      const at = endedAt + (policy.avoid << BigInt(Math.min(times - 1, 6)));
      if (now >= at || refusals.get(nodeId)?.retryable === false) continue;
      mark(at);
      refusals.set(nodeId, { code, reason: message, hint, retryable: true });
    } else if (phase === 'refused' && code !== 'NodeSilent') {
      const since = nodes.get(nodeId)?.connectedSince ?? 0n;
      if (endedAt >= since) refusals.set(nodeId, { code, reason: message, hint, retryable: false });
    } else if ((phase === 'failed' || phase === 'lost') && kind === 'infrastructure') {
      if (now >= endedAt + policy.avoid) continue;
      mark(endedAt + policy.avoid);
      failing.add(nodeId);
    }
  }
  return { refusals, failing, until };
}

/** When an execution that ran on a node has last ended there, by node. */
function lastEnds(executions: readonly ExecutionView[]): ReadonlyMap<string, bigint> {
  const ends = new Map<string, bigint>();
  for (const { nodeId, phase, endedAt } of executions) {
    if (phase !== 'refused' && endedAt > (ends.get(nodeId) ?? 0n)) ends.set(nodeId, endedAt);
  }
  return ends;
}
