/**
 * Who gets room: wants of any number of jobs and all nodes in, placements out. Filters say where a want can go, ranks where
 * it should. Among many nodes a sample is ranked, which is nearly as good as all of them and does not grow with them.
 */
import type { Resources } from '../../model/mod.ts';
import { nodeOf } from '../kinds.ts';
import type { NodeView } from '../types.ts';
import { Chooser } from './chooser.ts';
import type { Fleet } from './fleet.ts';
import type { Past } from './past.ts';
import type { PlacementRequest, Want } from './request.ts';

/** A slot with its node. */
export interface Placement {
  readonly jobId: string;
  readonly slot: string;
  readonly nodeId: string;
  readonly resources: Resources;
}

/** Why a slot got none: no node has room, this call has placed its share, or its own node can never take it. */
export interface WantRefusal {
  readonly jobId: string;
  readonly slot: string;
  readonly why: 'room' | 'limit' | 'never';
}

/** Who gets room, and why the others do not. */
export interface Allocation {
  readonly placements: readonly Placement[];
  /** Executions that have to make room, of whatever job. No rule evicts any yet. */
  readonly evictions: readonly { readonly executionId: string }[];
  readonly refusals: readonly WantRefusal[];
}

/** Bounds of one allocation. */
export interface AllocateOptions {
  /** Placements at most. */
  readonly limit: number;
  /** In [0, 1); breaks ties and draws samples. */
  readonly random: () => number;
}

/** Wants are served in the order given. */
export function allocate(wants: readonly Want[], fleet: Fleet, options: AllocateOptions): Allocation {
  const taken = new Map<string, NodeView>();
  const placements: Placement[] = [];
  const refusals: WantRefusal[] = [];
  for (const want of wants) {
    const { jobId, request } = want;
    const chooser = new Chooser(want, fleet, taken, options.random);
    // One that found no node leaves none for the rest of its job.
    let exhausted = false;
    for (const slot of want.slots) {
      if (placements.length >= options.limit) {
        refusals.push({ jobId, slot, why: 'limit' });
        continue;
      }
      const own = nodeOf(slot);
      const node = own === null ? exhausted ? undefined : chooser.best() : chooser.ownNode(own);
      if (node) {
        chooser.take(node);
        placements.push({ jobId, slot, nodeId: node.id, resources: request.resources });
      } else {
        exhausted = true;
        refusals.push({ jobId, slot, why: own !== null && chooser.never(own) ? 'never' : 'room' });
      }
    }
  }
  return { placements, evictions: [], refusals };
}

/** Slots of an ops or daemon job on nodes that fit, or lack no more than room, besides those that it has. */
export function slotsOnNodes(request: PlacementRequest, past: Past, fleet: Fleet): string[] {
  const candidates = fleet.candidates(request);
  return [...fleet.nodes.keys()].filter((id) => candidates.matches(id) && !past.avoided.has(id)).sort();
}
