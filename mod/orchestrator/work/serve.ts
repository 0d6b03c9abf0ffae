/**
 * Freed capacity, and nodes that came or changed, go to those who wait: of each request that fits now the first in order.
 * Nobody else is looked at, however many wait.
 */
import { makeId } from '../../model/mod.ts';
import { Fleet, nodeSlot, type PlacementRequest, refusalOf, requestOfKey } from '../../schedule/mod.ts';
import type { WantRow } from '../../store/mod.ts';
import { settle } from './settle.ts';
import { EACH } from './want_rows.ts';
import type { Work } from './work.ts';

/** Jobs that one transaction serves; more are served by the next one. */
const MAX_SERVED = 32;
/** Jobs of one request that are passed over because something of their own keeps them from a node with room. */
const MAX_PASSED = 32;

interface Queue {
  readonly id: bigint;
  readonly request: PlacementRequest;
  /** '' = any; else wants of that node. */
  readonly nodeId: string;
  passed: number;
  first: WantRow;
}

export async function serve(
  work: Work,
  nodeIds: readonly string[],
  requestIds: readonly bigint[],
): Promise<void> {
  const { tx, context } = work;
  const fleet = await context.nodes.fleet(tx);
  const queues: Queue[] = [];
  for (const { id, key } of await tx.wants.requests()) {
    const request = requestOfKey(key);
    const here = nodeIds.filter((nodeId) => mayTake(fleet, nodeId, request));
    if (request.perNode) {
      await joinEach(work, id, here);
      for (const nodeId of here) await add({ id, request, nodeId, passed: 0 });
    } else if (here.length > 0 || requestIds.includes(id)) {
      await add({ id, request, nodeId: '', passed: 0 });
    }
  }
  async function add(queue: Omit<Queue, 'first'>): Promise<void> {
    const [first] = await tx.wants.inOrder(queue.id, queue.nodeId, queue.passed, 1);
    if (first && fits(fleet, queue)) queues.push({ ...queue, first });
  }

  let [served, placed] = [0, 0];
  while (queues.length > 0 && served < MAX_SERVED && work.budget > 0) {
    const at = queues.reduce((best, queue, i) => (before(queue.first, queues[best]!.first) ? i : best), 0);
    const [queue] = queues.splice(at, 1) as [Queue];
    const unit = await work.unit(queue.first.jobId);
    const evaluationId = makeId('v', context.world.uuid());
    const here = unit ? await settle(work, unit, { rows: [queue.first] }, evaluationId) : 0;
    if (!unit) await tx.wants.clear(queue.first.jobId);
    served++;
    placed += here;
    if (here === 0) queue.passed++;
    await context.nodes.fleet(tx);
    if (queue.passed < MAX_PASSED) await add(queue);
  }
  if (queues.length > 0 && placed > 0) {
    work.wake({ nodes: nodeIds, requests: queues.map(({ id }) => id) });
  }
}

/** Lacks nothing but perhaps room. */
function mayTake(fleet: Fleet, nodeId: string, request: PlacementRequest): boolean {
  const node = fleet.nodes.get(nodeId);
  if (!node) return false;
  const refusal = refusalOf(node, request, fleet);
  return refusal === null || (request.perNode && refusal.code === 'NodeFull');
}

function fits(fleet: Fleet, { request, nodeId }: Omit<Queue, 'first'>): boolean {
  const { fit } = fleet.candidates(request);
  return nodeId === '' ? fit.size > 0 : fit.has(nodeId);
}

/** Ops and daemon jobs have a slot on each node that matches, from when it does. */
async function joinEach(work: Work, request: bigint, nodeIds: readonly string[]): Promise<void> {
  if (nodeIds.length === 0) return;
  for (const { jobId } of await work.tx.wants.inOrder(request, EACH, 0, Number.MAX_SAFE_INTEGER)) {
    const unit = await work.unit(jobId);
    if (!unit) continue;
    const slots = new Set(nodeIds.map(nodeSlot));
    await settle(work, unit, { slots }, makeId('v', work.context.world.uuid()));
  }
}

function before(a: WantRow, b: WantRow): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.since !== b.since) return a.since < b.since;
  return a.jobId < b.jobId;
}
