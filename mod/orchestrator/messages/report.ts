/** What all reports of a node have in common. */
import { DesiredState, type Event, type Phase } from '../../model/mod.ts';
import type { ExecutionRow } from '../../store/mod.ts';
import type { Work } from '../work/work.ts';

/** The session that a report came through. */
export interface Sender {
  readonly nodeId: string;
  readonly epoch: number;
  /** Whether the node named our extension. */
  readonly extended: boolean;
}

/** Events of one report that are kept, and the longest text of one. */
const MAX_EVENTS = 32;
const MAX_TEXT = 16_384;

export const STOPPED = Object.freeze({ StateType: DesiredState.Stopped });

/** The phases of an execution whose node may run it. */
const EXECUTING: readonly Phase[] = ['approved', 'queued', 'preparing', 'running', 'publishing', 'unknown'];

export function isExecuting(phase: Phase): boolean {
  return EXECUTING.includes(phase);
}

/** What a node may say for the history: bounded, whatever it sends. */
export function keptEvents(events: readonly Event[] | null): Event[] {
  return (events ?? []).slice(0, MAX_EVENTS).map((event) =>
    event.Message.length > MAX_TEXT ? { ...event, Message: `${event.Message.slice(0, MAX_TEXT)}…` } : event
  );
}

/**
 * The execution a report is about. One that is not known here, or is another node's, concerns nobody: the node is told
 * to drop it, so that it stops sending.
 */
export async function reported(work: Work, sender: Sender, id: string): Promise<ExecutionRow | undefined> {
  const row = await work.tx.executions.get(id);
  if (row?.nodeId === sender.nodeId) return row;
  await confirm(work, sender, id);
  return undefined;
}

/** The redundant cancel by which a node learns that its report was applied (invariants.md section 0 row 10). */
export async function confirm(work: Work, sender: Sender, id: string): Promise<void> {
  await work.tx.outbox.append(sender.nodeId, id, 'cancel');
}
