/**
 * From what is to what should be, of one job and without a look at the nodes: what happens to its executions, and which
 * slots want one. Level-triggered: it never looks at what caused it, so it can run at any time, on any of the job's slots,
 * any number of times.
 */
import { isExecuting, isTerminalJob } from '../../model/mod.ts';
import { Draft } from '../draft.ts';
import { JOB_KINDS } from '../kinds.ts';
import type { ExecutionChange, JobChange, ReconcileInput, Wake } from '../types.ts';
import { reconcileLive, stopAll } from './live.ts';
import { failure, totalTimeout } from './outcome.ts';
import { slotState } from './slot_state.ts';

/** What a job wants, and what is to change of it. */
export interface Reconciled {
  readonly changes: readonly ExecutionChange[];
  /** Slots that want an execution now. */
  readonly empty: readonly string[];
  /** Slots that want one, but not before `at`. */
  readonly later: readonly { readonly slot: string; readonly at: bigint }[];
  /** Whether a slot has a live execution, and whether a node may run one. */
  readonly live: boolean;
  readonly executing: boolean;
  /** Set when the job fails; it is to be reconciled again then, so that the rest of it is stopped. */
  readonly failure: JobChange | null;
  /** New total deadline of the job. */
  readonly deadline?: bigint;
  /** Deadlines that stand on execution rows (of bids and programs) are not repeated here. */
  readonly wakes: readonly Wake[];
}

/** What a job wants, by its spec and its executions. Sees no nodes. */
export function reconcile(input: ReconcileInput): Reconciled {
  const draft = new Draft(input);
  const { job } = input;
  if (isTerminalJob(job.state)) {
    stopAll(
      draft,
      job.state === 'Failed' ? 'Execution stopped due to job failure' : 'Execution stopped: job stopped',
    );
    return finish(draft, [], [], null);
  }
  const kind = JOB_KINDS[job.spec.Type];
  reconcileLive(draft);
  const timeout = kind.finite && input.whole ? totalTimeout(draft) : null;
  if (timeout) return finish(draft, [], [], timeout);

  const bySlot = Map.groupBy(
    [...draft.executions.values()].filter(({ version }) => version === job.spec.Version),
    ({ slot }) => slot,
  );
  const empty: string[] = [];
  const later: { slot: string; at: bigint }[] = [];
  for (const slot of input.slots) {
    const state = slotState(draft, kind, slot, bySlot.get(slot.slot) ?? []);
    if (state.kind === 'failed' && kind.retry === 'policy') {
      return finish(draft, [], [], failure(state.execution, state.failures));
    }
    if (state.kind === 'empty') empty.push(slot.slot);
    if (state.kind === 'backoff') later.push({ slot: slot.slot, at: state.at });
  }
  return finish(draft, empty, later, null);
}

function finish(
  draft: Draft,
  empty: readonly string[],
  later: Reconciled['later'],
  failure: JobChange | null,
): Reconciled {
  const { live, deadline } = draft;
  return {
    // What is about to be stopped is not approved before.
    changes: failure ? draft.changes.filter(({ notice }) => notice !== 'accept') : draft.changes,
    empty,
    later,
    live: live.some(({ version }) => version === draft.input.job.spec.Version),
    executing: live.some(({ phase }) => isExecuting(phase)),
    failure,
    ...(deadline === undefined ? {} : { deadline }),
    wakes: failure ? [] : draft.wakes,
  };
}
