/**
 * The life of an execution at its node, as one table (invariants.md section 2). Each entry is one compare-and-set of the
 * store, so whatever happens at the same time, only these steps are ever taken:
 *
 * ```
 * received ─bid yes──► offered ─BidAccepted──► queued ─► (preparing) ─► starting ─► (running) ─► (harvesting ─► publishing) ─► completed
 *    │ └─bid no─► refused   └─BidRejected─► rejected                                                          any live ─► failed
 *    └─bid yes to an order (desired Running)─► queued                           any live ─CancelExecution─► (cancelling ─►) cancelled
 * ```
 * - `received`, `offered`, `queued`: durable before the message is acknowledged. From `queued` on the folder and the
 *   engine's object of this run number may exist.
 * - `preparing`, `running`: what the node does, made durable a little later and only if it lasts; no decision rests on
 *   them. `starting` with the identity is durable before the program is let go.
 * - `harvesting`, `publishing`: only with a publisher: the exit code, then the whole results, are durable. `harvesting` with
 *   a verdict: the run has failed, or is to be stopped as failed; what it left is still to be kept.
 * - `cancelling`: only when something has to be undone first.
 * - After a restart a run whose process is gone goes back to `queued` with the next run number.
 */
import { ComputeState } from '../model/mod.ts';
import type { ComputePhase } from '../store/mod.ts';

const BEGUN = ['preparing', 'starting', 'running', 'harvesting', 'publishing'] as const;

/** Phase → the phases it may be entered from. */
export const ENTERED_FROM: Readonly<Record<ComputePhase, readonly ComputePhase[]>> = Object.freeze({
  received: [],
  offered: ['received'],
  queued: ['received', 'offered', 'preparing', 'starting', 'running', 'harvesting'],
  preparing: ['queued'],
  // Again where a restart found that its program had not been let go.
  starting: ['queued', 'preparing', 'starting'],
  running: ['starting'],
  harvesting: ['starting', 'running'],
  publishing: ['harvesting'],
  cancelling: ['queued', ...BEGUN],
  refused: ['received'],
  rejected: ['received', 'offered'],
  completed: ['starting', 'running', 'harvesting', 'publishing'],
  failed: ['received', 'offered', 'queued', ...BEGUN],
  cancelled: ['received', 'offered', 'queued', 'cancelling'],
});

/** Integers of the wire and of REST. */
export const COMPUTE_STATE_OF: Readonly<Record<ComputePhase, ComputeState>> = Object.freeze({
  received: ComputeState.New,
  offered: ComputeState.AskForBidAccepted,
  queued: ComputeState.BidAccepted,
  preparing: ComputeState.BidAccepted,
  starting: ComputeState.BidAccepted,
  running: ComputeState.Running,
  harvesting: ComputeState.Running,
  publishing: ComputeState.Publishing,
  cancelling: ComputeState.Cancelled,
  refused: ComputeState.AskForBidRejected,
  rejected: ComputeState.BidRejected,
  completed: ComputeState.Completed,
  failed: ComputeState.Failed,
  cancelled: ComputeState.Cancelled,
});

/** Names in an inventory: those of the orchestrator's table where it has one. */
export const INVENTORY_PHASE_OF: Readonly<Record<ComputePhase, string>> = Object.freeze({
  received: 'asked',
  offered: 'offered',
  queued: 'queued',
  preparing: 'preparing',
  starting: 'preparing',
  running: 'running',
  harvesting: 'running',
  publishing: 'publishing',
  cancelling: 'stopping',
  refused: 'refused',
  rejected: 'rejected',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'stopped',
});

const ENDED: readonly ComputePhase[] = ['refused', 'rejected', 'completed', 'failed', 'cancelled'];

/** An ended execution never changes its phase again. */
export function isEnded(phase: ComputePhase): boolean {
  return ENDED.includes(phase);
}

/** Whether a run of this phase may have an engine's object, results or a publication to see to. */
export function hasBegun(phase: ComputePhase): boolean {
  return (BEGUN as readonly ComputePhase[]).includes(phase);
}
