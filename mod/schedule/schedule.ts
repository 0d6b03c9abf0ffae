/**
 * From what is to what should be: one job's rows and the nodes in, a plan out. Pure: no clock, no I/O, no randomness but
 * what is given. Level-triggered: it never looks at what caused the evaluation, so it can run at any time, any number
 * of times; a settled job gets an empty plan.
 */
import { isTerminalJob } from '../model/mod.ts';
import { Draft } from './draft.ts';
import { indexSlot, JOB_KINDS, type JobKind, nodeSlot } from './kinds.ts';
import { describeLack, isHopeless } from './place/lack.ts';
import { type EmptySlot, Placement } from './place/place.ts';
import { reconcileLive, stopAll } from './reconcile/live.ts';
import { complete, fail, failByExecution, queue, run, totalTimeout } from './reconcile/outcome.ts';
import { type SlotState, slotState } from './reconcile/slots.ts';
import type { ExecutionView, NodeView, Plan, ScheduleInput } from './types.ts';

export function schedule(input: ScheduleInput): Plan {
  const draft = new Draft(input);
  const { job } = input;
  if (isTerminalJob(job.state)) {
    stopAll(
      draft,
      job.state === 'Failed' ? 'Execution stopped due to job failure' : 'Execution stopped: job stopped',
    );
    return draft.plan();
  }
  const kind = JOB_KINDS[job.spec.Type];
  const nodes = new Map(input.nodes.map((node) => [node.id, node]));
  reconcileLive(draft, nodes);
  if (kind.finite && totalTimeout(draft)) return draft.plan();

  // Filtering all nodes is the costly part; a job whose slots are all busy or done does without.
  let placement: Placement | null = null;
  const placing = () => placement ??= new Placement(draft, nodes);
  const slots = examineSlots(draft, kind, () => placing().matching());

  const failed = [...slots.values()].find((state) => state.kind === 'failed');
  if (failed && kind.retry === 'policy') {
    failByExecution(draft, failed.execution, failed.failures);
    return draft.plan();
  }
  const empty: EmptySlot[] = [];
  for (const [slot, state] of slots) {
    if (state.kind === 'empty') empty.push({ slot, ...state });
    if (state.kind === 'backoff') {
      draft.wakeAt({ at: state.at, trigger: 'exec-failure', comment: 'next attempt after a failure' });
    }
  }
  const lacking = empty.length > 0 ? placing().place(empty, kind) : 0;
  const pending = [...slots.values()].some(({ kind }) => kind === 'busy' || kind === 'backoff') ||
    draft.create.length > 0;
  // Whatever ends, ends here; ops and daemon jobs with no node to be on lack one.
  if (kind.finite && slots.size > 0 && !pending && empty.length === 0) finish(draft, slots);
  else if (kind.finite && !kind.perNode && slots.size === 0) complete(draft);
  else if (lacking > 0 || (kind.perNode && !pending)) wait(draft, kind, placing(), nodes, lacking, pending);
  else if (kind.perNode && !kind.finite) stayAwake(draft);
  if (draft.job === null) run(draft);
  if (draft.create.length > 0 && job.queuedAt !== 0n && draft.job?.state !== 'Failed') draft.queuedAt = 0n;
  return draft.plan();
}

/** Each slot that the job should have, and what it is in; slots are in order of their index. */
function examineSlots(draft: Draft, kind: JobKind, matching: () => string[]): Map<string, SlotState> {
  const { job } = draft.input;
  const bySlot = new Map<string, ExecutionView[]>();
  for (const execution of draft.executions.values()) {
    if (execution.version !== job.spec.Version) continue;
    const others = bySlot.get(execution.slot);
    if (others) others.push(execution);
    else bySlot.set(execution.slot, [execution]);
  }
  const names = kind.perNode
    ? new Set([...bySlot.keys(), ...matching().map(nodeSlot)])
    : new Set(Array.from({ length: job.spec.Count }, (_, index) => indexSlot(index)));
  const rows = new Map(draft.input.slots.map((row) => [row.slot, row]));
  const states = new Map<string, SlotState>();
  for (const slot of names) {
    const row = rows.get(slot) ?? { slot, attempt: 0, countedExec: '' };
    states.set(slot, slotState(draft, kind, row, bySlot.get(slot) ?? []));
  }
  return states;
}

/** No slot is live or will be: batch is complete; ops failed when a node failed, or none has a result. */
function finish(draft: Draft, slots: ReadonlyMap<string, SlotState>): void {
  const states = [...slots.values()];
  const failed = states.find((state) => state.kind === 'failed');
  if (failed) return failByExecution(draft, failed.execution, failed.failures);
  const refused = states.find((state) => state.kind === 'refused');
  if (refused && !states.some(({ kind }) => kind === 'done')) {
    return fail(draft, refused.execution.message, {
      ErrorCode: refused.execution.code,
      ...(refused.execution.hint ? { Hint: refused.execution.hint } : {}),
    });
  }
  complete(draft);
}

/** Some slots found no node. What already runs goes on; a job of which nothing runs is queued or fails. */
function wait(
  draft: Draft,
  kind: JobKind,
  placement: Placement,
  nodes: ReadonlyMap<string, NodeView>,
  lacking: number,
  pending: boolean,
): void {
  const { job } = draft.input;
  const refusals = placement.refusals();
  draft.refusals = refusals;
  if (placement.avoidedUntil !== null) {
    draft.wakeAt({ at: placement.avoidedUntil, trigger: 'job-queue', comment: 'a node may be tried again' });
  }
  if (pending) return stayAwake(draft);
  const all = [...nodes.values()];
  const lack = describeLack(Math.max(1, lacking), all, placement.suitable, refusals);
  // Who says how long to wait means it, also for a node that is yet to be labelled or added (compatibility.md A3).
  const told = !kind.perNode && (job.spec.Tasks[0]?.Timeouts?.QueueTimeout ?? 0) > 0;
  if (kind.finite && !told && isHopeless(all, refusals)) return fail(draft, lack.message, lack.details);
  queue(draft, lack, !kind.finite && kind.perNode);
}

/** Looked at again when nodes change, and now and then in case no one says so. */
function stayAwake(draft: Draft): void {
  const { now, policy } = draft.input;
  draft.waiting = true;
  draft.wakeAt({ at: now + policy.queueBackoff, trigger: 'job-queue', comment: 'waiting for nodes' });
}
