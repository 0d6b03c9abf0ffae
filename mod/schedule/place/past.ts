/**
 * What became of a job's executions on the nodes, as far as it matters for the next one. All of it follows from rows, so
 * nothing is stored: a "no" that names no hope of change holds until the node starts a new session; a bid that never
 * came, or a "not now", holds for a while that doubles each time; a failure of the node sends the next attempt elsewhere
 * for a while, if there is an elsewhere. A "not now" is over as soon as an execution of the job ends on that node: what it
 * waited for (a port that both name) may have been that one's.
 */
import { isLive, type Phase, type Refusal } from '../../model/mod.ts';
import type { ExecutionView, SchedulePolicy } from '../types.ts';

/** Executions of a job version that a node has in one phase. */
export interface Tally {
  readonly nodeId: string;
  readonly phase: Phase;
  readonly count: number;
  /** When the last of them ended. */
  readonly lastEnd: bigint;
}

/** An execution that was refused, failed or lost. */
export type Setback = Pick<
  ExecutionView,
  'nodeId' | 'phase' | 'code' | 'message' | 'hint' | 'endedAt' | 'class'
>;

export interface Past {
  /** Executions that a node holds or has completed. */
  readonly siblings: ReadonlyMap<string, number>;
  /** Attempts that failed there. */
  readonly failures: ReadonlyMap<string, number>;
  /** Nodes that are left out for now, and why. */
  readonly avoided: ReadonlyMap<string, Refusal>;
  /** Nodes where an attempt failed lately. */
  readonly failing: ReadonlySet<string>;
  /** When the first of them may be tried again; null = none is. */
  readonly until: bigint | null;
}

export const NO_PAST: Past = Object.freeze({
  siblings: new Map(),
  failures: new Map(),
  avoided: new Map(),
  failing: new Set<string>(),
  until: null,
});

/** Refusals that time can cure. */
export const PASSING: readonly string[] = ['BidTimeout', 'BidDeferred'];

/** @param connectedSince when a node's present session began */
export function pastOf(
  tallies: readonly Tally[],
  setbacks: readonly Setback[],
  connectedSince: (nodeId: string) => bigint,
  policy: SchedulePolicy,
  now: bigint,
): Past {
  const siblings = new Map<string, number>();
  const failures = new Map<string, number>();
  const freed = new Map<string, bigint>();
  const add = (map: Map<string, number>, id: string, count: number) =>
    map.set(id, (map.get(id) ?? 0) + count);
  for (const { nodeId, phase, count, lastEnd } of tallies) {
    if (isLive(phase) || phase === 'completed') add(siblings, nodeId, count);
    if (phase === 'failed' || phase === 'lost') add(failures, nodeId, count);
    if (phase !== 'refused' && lastEnd > (freed.get(nodeId) ?? 0n)) freed.set(nodeId, lastEnd);
  }
  const avoided = new Map<string, Refusal>();
  const passed = new Map<string, number>();
  const failing = new Set<string>();
  let until: bigint | null = null;
  const mark = (at: bigint) => {
    if (until === null || at < until) until = at;
  };
  for (const { nodeId, phase, code, message: reason, hint, endedAt, class: kind } of setbacks) {
    if (phase === 'refused' && code === 'BidDeferred' && (freed.get(nodeId) ?? 0n) > endedAt) continue;
    if (phase === 'refused' && PASSING.includes(code)) {
      add(passed, nodeId, 1);
      const at = endedAt + (policy.avoid << BigInt(Math.min(passed.get(nodeId)! - 1, 6)));
      if (now >= at || avoided.get(nodeId)?.retryable === false) continue;
      mark(at);
      avoided.set(nodeId, { code, reason, hint, retryable: true });
    } else if (phase === 'refused' && code !== 'NodeSilent') {
      if (endedAt >= connectedSince(nodeId)) avoided.set(nodeId, { code, reason, hint, retryable: false });
    } else if ((phase === 'failed' || phase === 'lost') && kind === 'infrastructure') {
      if (now >= endedAt + policy.avoid) continue;
      mark(endedAt + policy.avoid);
      failing.add(nodeId);
    }
  }
  return { siblings, failures, avoided, failing, until };
}
