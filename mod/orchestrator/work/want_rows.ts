/** Wants of a job as rows: a run of neighbouring slots that wait for the same is one. */
import { indexSlot, nodeOf, type PlacementRequest } from '../../schedule/mod.ts';
import type { WantRow } from '../../store/mod.ts';
import type { JobUnit } from './job_unit.ts';

/** Stands for a slot on each node that matches, now or later. */
export const EACH = '*';

/** Slots counted on from the first. */
export type Run = Pick<WantRow, 'slot' | 'slots'>;

/** The slots that a run stands for, `limit` at most, and the run of the others. */
export function slotsOf(run: Run, limit: number): { slots: string[]; rest: Run | null } {
  if (nodeOf(run.slot) !== null) return { slots: [run.slot], rest: null };
  const first = Number(run.slot);
  const count = Math.min(run.slots, limit);
  return {
    slots: Array.from({ length: count }, (_, index) => indexSlot(first + index)),
    rest: count === run.slots ? null : { slot: indexSlot(first + count), slots: run.slots - count },
  };
}

/** Neighbours together; slots of nodes stand alone. */
function joined(slots: readonly (string | Run)[]): Run[] {
  const found: { slot: string; slots: number }[] = [];
  const all = slots.map((slot) => (typeof slot === 'string' ? { slot, slots: 1 } : slot));
  for (const { slot, slots: count } of all.sort((a, b) => Number(a.slot) - Number(b.slot))) {
    const last = found.at(-1);
    if (last && Number(last.slot) + last.slots === Number(slot)) last.slots += count;
    else found.push({ slot, slots: count });
  }
  return found;
}

export interface Waits {
  /** 0 = for room. */
  readonly due: bigint;
  readonly since: bigint;
}

/** @returns the id of the request, if there are any */
export async function putWants(
  unit: JobUnit,
  request: PlacementRequest,
  slots: readonly (string | Run)[],
  { due, since }: Waits,
): Promise<bigint | null> {
  const { Namespace: namespace, Priority: priority } = unit.job.job;
  const same = { jobId: unit.id, version: unit.version, namespace, priority, since, due };
  let id: bigint | null = null;
  for (const { slot, slots: count } of joined(slots)) {
    const nodeId = slot === EACH ? EACH : nodeOf(slot) ?? '';
    id = await unit.tx.wants.put({ ...same, slot, slots: count, nodeId }, request.key);
  }
  return id;
}
