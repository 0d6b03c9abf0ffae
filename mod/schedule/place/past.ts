/**
 * What became of a job's executions on the nodes, as far as it matters for the next one. All of it follows from rows: a "no" that names no hope of change holds until the node starts a new session; a bid that never
 * came, or a "not now", holds for a while that doubles each time; a failure of the node sends the next attempt elsewhere
 * for a while, if there is an elsewhere. A "not now" is over as soon as an execution of the job ends on that node: what it
 * waited for (a port that both name) may have been that one's.
 */
import { isLive, isTerminalPhase, type Phase, type Refusal } from '../../model/mod.ts';
import type { ExecutionView, SchedulePolicy } from '../types.ts';

/** Executions of a job version that a node has in one phase. */
export interface Tally {
  readonly nodeId: string;
  readonly phase: Phase;
  readonly count: number;
  /** When the last of them ended. */
  readonly lastEnd: bigint;
}

/** How an execution stands, as one that was refused, failed or lost is told of. */
export type Setback = Pick<
  ExecutionView,
  'nodeId' | 'phase' | 'code' | 'message' | 'hint' | 'endedAt' | 'class'
>;

/** What earlier attempts of a job say about nodes. */
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

/** Of a job that never ran. */
export const NO_PAST: Past = Object.freeze({
  siblings: new Map(),
  failures: new Map(),
  avoided: new Map(),
  failing: new Set<string>(),
  until: null,
});

/** What a node said to a job, or did with it, that keeps the job from it for a while. */
interface Setbacks {
  /** How often it let a bid pass, and the last time. */
  timeouts: number;
  timeout: Setback | null;
  /** How often it said "not now" since an execution of the job ended there, and the last time. */
  deferrals: number;
  deferral: Setback | null;
  /** A "no" that names no hope of change. */
  refusal: Setback | null;
  /** When an attempt failed there by no fault of the job. */
  failedAt: bigint;
}

/** Collects what becomes of the executions of one job version, as it happens. */
export class PastRecord {
  readonly #siblings = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #setbacks = new Map<string, Setbacks>();

  constructor(tallies: readonly Tally[], setbacks: readonly Setback[]) {
    for (const setback of setbacks) this.#learn(setback);
    for (const { nodeId, phase, count, lastEnd } of tallies) {
      if (isSibling(phase)) add(this.#siblings, nodeId, count);
      if (hasFailed(phase)) add(this.#failures, nodeId, count);
      if (phase !== 'refused') this.#freed(nodeId, lastEnd);
    }
  }

  /** An execution has come from one phase (null = it is new) into another. */
  changed(before: Phase | null, after: Setback): void {
    const { nodeId, phase, endedAt } = after;
    add(
      this.#siblings,
      nodeId,
      Number(isSibling(phase)) - Number(before !== null && isSibling(before)),
    );
    if (!isTerminalPhase(phase) || (before !== null && isTerminalPhase(before))) return;
    if (hasFailed(phase)) add(this.#failures, nodeId, 1);
    if (phase === 'refused' || hasFailed(phase)) this.#learn(after);
    if (phase !== 'refused') this.#freed(nodeId, endedAt);
  }

  #learn(setback: Setback): void {
    const { nodeId, phase, code, class: kind, endedAt } = setback;
    let known = this.#setbacks.get(nodeId);
    if (!known) {
      known = { timeouts: 0, timeout: null, deferrals: 0, deferral: null, refusal: null, failedAt: 0n };
      this.#setbacks.set(nodeId, known);
    }
    if (phase !== 'refused') {
      if (kind === 'infrastructure' && endedAt > known.failedAt) known.failedAt = endedAt;
    } else if (code === 'BidTimeout') {
      known.timeouts++;
      known.timeout = setback;
    } else if (code === 'BidDeferred') {
      known.deferrals++;
      known.deferral = setback;
    } else if (code !== 'NodeSilent') {
      known.refusal = setback;
    }
  }

  #freed(nodeId: string, at: bigint): void {
    const known = this.#setbacks.get(nodeId);
    if (known?.deferral && known.deferral.endedAt < at) {
      Object.assign(known, { deferrals: 0, deferral: null });
    }
  }

  /** @param connectedSince when a node's present session began */
  at(now: bigint, connectedSince: (nodeId: string) => bigint, { avoid }: SchedulePolicy): Past {
    const avoided = new Map<string, Refusal>();
    const failing = new Set<string>();
    let until: bigint | null = null;
    const lasts = (at: bigint): boolean => {
      if (now >= at) return false;
      if (until === null || at < until) until = at;
      return true;
    };
    for (const [nodeId, { timeouts, timeout, deferrals, deferral, refusal, failedAt }] of this.#setbacks) {
      const doubled = avoid << BigInt(Math.max(0, Math.min(timeouts + deferrals - 1, 6)));
      for (const passing of [timeout, deferral]) {
        if (passing && lasts(passing.endedAt + doubled)) avoided.set(nodeId, refusalBy(passing, true));
      }
      if (refusal && refusal.endedAt >= connectedSince(nodeId)) {
        avoided.set(nodeId, refusalBy(refusal, false));
      }
      if (failedAt > 0n && lasts(failedAt + avoid)) failing.add(nodeId);
    }
    return { siblings: this.#siblings, failures: this.#failures, avoided, failing, until };
  }
}

function refusalBy({ code, message: reason, hint }: Setback, retryable: boolean): Refusal {
  return { code, reason, hint, retryable };
}

const isSibling = (phase: Phase) => isLive(phase) || phase === 'completed';
const hasFailed = (phase: Phase) => phase === 'failed' || phase === 'lost';

function add(counts: Map<string, number>, nodeId: string, count: number): void {
  if (count !== 0) counts.set(nodeId, (counts.get(nodeId) ?? 0) + count);
}
