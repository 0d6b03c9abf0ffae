/** How welcome a job is on a node that could take it: a sum of small functions; the highest sum wins. */
import type { NodeView } from '../types.ts';
import { holds } from './constraints.ts';
import type { PlacementRequest } from './request.ts';

export interface RankContext {
  /** Executions of this job version that the node holds or has completed. */
  readonly siblings: number;
  /** Attempts of this job version that failed there. */
  readonly failures: number;
  readonly random: () => number;
}

export type Rank = (node: NodeView, request: PlacementRequest, context: RankContext) => number;

/** Outweighs all others together: a node gets a second execution of a job when no fitting node is without one. */
const spread: Rank = (_node, _request, { siblings }) => -200 * siblings;

const proven: Rank = (_node, _request, { failures }) => -40 * Math.min(failures, 3);

const share = (size = 0, promised = 0, asked = 0) => (size > 0 && asked > 0 ? (promised + asked) / size : 0);

/** 0 to 80 by the scarcest resource that would be left free, relative to the node's own size. */
const freeCapacity: Rank = ({ info, promised }, { resources }) => {
  const max = info.ComputeNodeInfo.MaxCapacity;
  // Written out, since this runs for each candidate of each placement.
  const taken = Math.max(
    share(max.CPU, promised.CPU, resources.CPU),
    share(max.Memory, promised.Memory, resources.Memory),
    share(max.Disk, promised.Disk, resources.Disk),
    share(max.GPU, promised.GPU, resources.GPU),
  );
  return 80 * Math.max(0, 1 - taken);
};

const preferredLabels: Rank = (node, { preferences }) =>
  preferences.length > 0 && preferences.every((wish) => holds(wish, node.info.Labels ?? {})) ? 10 : 0;

const luck: Rank = (_node, _request, { random }) => 4 * random();

export const RANKS: readonly Rank[] = Object.freeze([spread, proven, freeCapacity, preferredLabels, luck]);

export function rankOf(node: NodeView, request: PlacementRequest, context: RankContext): number {
  let sum = 0;
  for (const rank of RANKS) sum += rank(node, request, context);
  return sum;
}
