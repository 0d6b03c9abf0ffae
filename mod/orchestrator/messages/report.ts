/** What all reports of a node have in common. */
import { type Event, fromRfc3339 } from '../../model/mod.ts';
import type { ExecutionRow } from '../../store/mod.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';

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

/** What a node may say for the history: bounded, whatever it sends. */
export function keptEvents(events: readonly Event[] | null): Event[] {
  return (events ?? []).slice(0, MAX_EVENTS).map((event) =>
    event.Message.length > MAX_TEXT ? { ...event, Message: `${event.Message.slice(0, MAX_TEXT)}…` } : event
  );
}

/** As they happened, for the history: in a report its outcome is the first, whatever was before. */
export function chronological(events: readonly Event[]): readonly Event[] {
  if (events.length < 2) return events;
  const timed = events.map((event) => ({ event, at: timeOf(event) }));
  return timed.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map(({ event }) => event);
}

/** 0 of a time that there is not, such as the 31st of June. */
function timeOf({ Timestamp }: Event): bigint {
  try {
    return fromRfc3339(Timestamp);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    return 0n;
  }
}

/**
 * The execution a report is about. One that is not known here, or is another node's, concerns nobody: the node is told
 * to drop it, so that it stops sending.
 */
export async function reported(
  work: UnitOfWork,
  sender: Sender,
  id: string,
): Promise<ExecutionRow | undefined> {
  const row = await work.tx.executions.get(id);
  if (row?.nodeId === sender.nodeId) return row;
  await confirm(work, sender, id);
  return undefined;
}

/** The redundant cancel by which a node learns that its report was applied (invariants.md section 0 row 10). */
export async function confirm(work: UnitOfWork, sender: Sender, id: string): Promise<void> {
  await work.tx.outbox.append(sender.nodeId, id, 'cancel');
}
