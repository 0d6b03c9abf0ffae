/**
 * Freed capacity, and nodes that came or changed, go to those who wait: of each request that fits now the first in order.
 * Nobody else is looked at, however many wait.
 */
import { makeId } from '../../model/mod.ts';
import { Fleet, nodeSlot, type PlacementRequest, refusalOf, requestOfKey } from '../../schedule/mod.ts';
import type { WantRow } from '../../store/mod.ts';
import { evaluateJob } from './evaluate_job.ts';
import { EACH } from './want_rows.ts';
import type { UnitOfWork } from './unit_of_work.ts';

/** Jobs that one transaction serves; more are served by the next one. */
const MAX_SERVED = 32;
/** Jobs of one request that are passed over because something of their own keeps them from a node with room. */
const MAX_PASSED = 32;

/** Those of one request that wait, in order. */
interface Queue {
  readonly id: bigint;
  readonly request: PlacementRequest;
  /** Where there may be room for them; null = anywhere. */
  readonly nodeIds: readonly string[] | null;
  passed: number;
  first: WantRow;
}

/** @param nodes by id, with whether more of it has changed than what is free */
export async function serve(
  work: UnitOfWork,
  nodes: ReadonlyMap<string, boolean>,
  requests: ReadonlySet<bigint>,
): Promise<void> {
  const { tx, context } = work;
  const fleet = await context.nodes.fleet(tx);
  const queues: Queue[] = [];
  for (const { id, key, first } of await tx.wants.requests()) {
    const request = requestOfKey(key);
    const here = [...nodes.keys()].filter((nodeId) => mayTake(fleet, nodeId, request));
    if (request.perNode) {
      await joinEach(work, id, here.filter((nodeId) => nodes.get(nodeId)));
      for (const nodeId of here) {
        const [own] = await tx.wants.inOrder(id, nodeId, 0, 1);
        if (own) queues.push({ id, request, nodeIds: [nodeId], passed: 0, first: own });
      }
    } else if (first) {
      if (requests.has(id)) queues.push({ id, request, nodeIds: null, passed: 0, first });
      else if (here.length > 0) queues.push({ id, request, nodeIds: here, passed: 0, first });
    }
  }

  let [served, placed] = [0, 0];
  while (queues.length > 0 && served < MAX_SERVED && work.budget > 0) {
    const at = queues.reduce((best, queue, i) => (before(queue.first, queues[best]!.first) ? i : best), 0);
    const [queue] = queues.splice(at, 1) as [Queue];
    const { id, request, nodeIds, first } = queue;
    const candidates = (await context.nodes.fleet(tx)).candidates(request);
    if (nodeIds ? !nodeIds.some((nodeId) => candidates.fits(nodeId)) : !candidates.some) continue;
    const unit = await work.unit(first.jobId);
    const evaluationId = makeId('v', context.world.uuid());
    const count = unit ? await evaluateJob(work, unit, { rows: [first] }, evaluationId) : 0;
    if (!unit) await tx.wants.clear(first.jobId);
    served++;
    placed += count;
    if (count === 0 && ++queue.passed === MAX_PASSED) continue;
    const [next] = await tx.wants.inOrder(id, first.nodeId, queue.passed, 1);
    if (next) queues.push({ ...queue, first: next });
  }
  if (queues.length > 0 && placed > 0) work.wake({ nodes, requests: queues.map(({ id }) => id) });
}

/** Lacks nothing but perhaps room. */
function mayTake(fleet: Fleet, nodeId: string, request: PlacementRequest): boolean {
  const node = fleet.nodes.get(nodeId);
  if (!node) return false;
  const refusal = refusalOf(node, request, fleet);
  return refusal === null || (request.perNode && refusal.code === 'NodeFull');
}

/** Ops and daemon jobs have a slot on each node that matches, from when it does. */
async function joinEach(work: UnitOfWork, request: bigint, nodeIds: readonly string[]): Promise<void> {
  if (nodeIds.length === 0) return;
  for (const { jobId } of await work.tx.wants.inOrder(request, EACH, 0, Number.MAX_SAFE_INTEGER)) {
    const unit = await work.unit(jobId);
    if (!unit) continue;
    const slots = new Set(nodeIds.map(nodeSlot));
    await evaluateJob(work, unit, { slots }, makeId('v', work.context.world.uuid()));
  }
}

function before(a: WantRow, b: WantRow): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.since !== b.since) return a.since < b.since;
  return a.jobId < b.jobId;
}
