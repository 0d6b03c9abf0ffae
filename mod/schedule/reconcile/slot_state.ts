/**
 * Second pass: each slot of the current version against what it should have. A slot with a counted result is done; one
 * with a live execution is busy (its bid is approved here); an empty one is placed now, later, or has failed for good.
 */
import { type FailureClass, isExecuting, isLive } from '../../model/mod.ts';
import { approve, reject, stop } from '../changes.ts';
import type { Draft } from '../draft.ts';
import type { JobKind } from '../kinds.ts';
import type { ExecutionView, SchedulePolicy, SlotView } from '../types.ts';

export type SlotState =
  | { readonly kind: 'done' | 'busy' }
  /** Needs an execution now. */
  | { readonly kind: 'empty' }
  /** Needs one, but not before `at`. */
  | { readonly kind: 'backoff'; readonly at: bigint }
  /** Will not be tried again. */
  | { readonly kind: 'failed'; readonly execution: ExecutionView; readonly failures: number }
  /** Its only node said no for good (ops): no failure, no result. */
  | { readonly kind: 'refused' };

export const isFailure = ({ phase, class: kind }: ExecutionView): boolean =>
  (phase === 'failed' || phase === 'lost') && kind !== 'drained';

function isFinal(kind: FailureClass | 'drained' | '', policy: SchedulePolicy): boolean {
  return policy.userErrorsFinal && (kind === 'user' || kind === 'timeout');
}

/** Wait after the n-th failure in a row. */
function backoff(failures: number, { retryBackoff, retryBackoffMax }: SchedulePolicy): bigint {
  const wait = retryBackoff << BigInt(Math.min(failures - 1, 30));
  return wait < retryBackoffMax ? wait : retryBackoffMax;
}

/** A node's own "no"; one that came late or not at all, or means "not now", is asked for again. */
export function isDefinite({ phase, code }: ExecutionView): boolean {
  return phase === 'refused' && code === 'BidRejected';
}

/** Keeps the first of several live executions, which the store's constraints allow only for broken data. */
function keepOne(draft: Draft, live: readonly ExecutionView[]): ExecutionView | undefined {
  const [kept, ...surplus] = [...live].sort((a, b) =>
    Number(isExecuting(b.phase)) - Number(isExecuting(a.phase)) || Number(a.createdAt - b.createdAt)
  );
  for (const execution of surplus) {
    draft.change(
      execution.phase === 'offered'
        ? reject(execution, 'Execution rejected: the slot has another one')
        : stop(execution, 'Execution stopped: the slot has another one'),
    );
  }
  return kept;
}

export function slotState(
  draft: Draft,
  kind: JobKind,
  slot: SlotView,
  executions: readonly ExecutionView[],
): SlotState {
  const { policy, now } = draft.input;
  const live = executions.filter(({ phase }) => isLive(phase));
  if (kind.finite && slot.countedExec !== '') {
    for (const execution of live) {
      draft.change(
        execution.phase === 'offered'
          ? reject(execution, 'Execution rejected: the slot has its result')
          : stop(execution, 'Execution stopped: the slot has its result'),
      );
    }
    return { kind: 'done' };
  }
  const kept = keepOne(draft, live);
  if (kept) {
    if (kept.phase === 'offered') draft.change(approve(kept));
    return { kind: 'busy' };
  }

  const past = [...executions].sort((a, b) => a.attempt - b.attempt);
  const last = past.at(-1);
  const failures = past.filter(isFailure);
  const failed = failures.at(-1);
  if (failed && kind.retry !== 'always') {
    const final = kind.retry === 'never' || isFinal(failed.class, policy);
    if (final || failures.length > policy.maxRetries) {
      return { kind: 'failed', execution: failed, failures: failures.length };
    }
  }
  if (kind.retry === 'never' && last && isDefinite(last)) return { kind: 'refused' };
  if (failed) {
    const at = failed.endedAt + backoff(failures.length, policy);
    if (now < at) return { kind: 'backoff', at };
  }
  return { kind: 'empty' };
}
