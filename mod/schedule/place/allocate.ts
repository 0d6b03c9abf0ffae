/**
 * Who gets room: wants of any number of jobs and all nodes in, placements out. Filters say where a want can go, ranks where
 * it should. Among many nodes a sample is ranked, which is nearly as good as all of them and does not grow with them.
 */
import { addResources, type Resources } from '../../model/mod.ts';
import { nodeOf } from '../kinds.ts';
import type { NodeView, SchedulePolicy } from '../types.ts';
import type { Candidates } from './candidates.ts';
import { refusalOf } from './filters.ts';
import type { Fleet } from './fleet.ts';
import type { Past } from './past.ts';
import { rankOf } from './ranks.ts';
import type { PlacementRequest } from './request.ts';

/** Slots of one job that need an execution now. */
export interface Want {
  readonly jobId: string;
  readonly request: PlacementRequest;
  readonly past: Past;
  /** In order of preference. */
  readonly slots: readonly string[];
}

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

export interface Allocation {
  readonly placements: readonly Placement[];
  /** Executions that have to make room, of whatever job. No rule evicts any yet. */
  readonly evictions: readonly { readonly executionId: string }[];
  readonly refusals: readonly WantRefusal[];
}

export interface AllocateOptions {
  readonly policy: SchedulePolicy;
  /** Placements at most. */
  readonly limit: number;
  /** In [0, 1); breaks ties and draws samples. */
  readonly random: () => number;
}

/** Up to so many nodes all are ranked; beyond, a sample. */
const RANK_ALL = 256;
const SAMPLE = 24;

/** Wants are served in the order given. */
export function allocate(wants: readonly Want[], fleet: Fleet, options: AllocateOptions): Allocation {
  const promised = new Map<string, Resources>();
  const placements: Placement[] = [];
  const refusals: WantRefusal[] = [];
  for (const want of wants) {
    const { jobId, request } = want;
    const chooser = new Chooser(want, fleet, promised, options);
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

class Chooser {
  readonly #candidates: Candidates;
  readonly #siblings: Map<string, number>;
  /** Whether nodes that failed lately are left out, since another may take it. */
  readonly #hopeful: boolean;

  constructor(
    readonly want: Want,
    readonly fleet: Fleet,
    /** What nodes have promised since this call began. */
    readonly promised: Map<string, Resources>,
    readonly options: AllocateOptions,
  ) {
    this.#candidates = fleet.candidates(want.request);
    this.#siblings = new Map(want.past.siblings);
    this.#hopeful = isHopeful(this.#candidates, want.past);
  }

  #view(id: string): NodeView {
    const node = this.fleet.nodes.get(id)!;
    const promised = this.promised.get(id);
    return promised ? { ...node, promised } : node;
  }

  /** The node if this want may go there now. */
  #open(id: string): NodeView | undefined {
    const { past, request } = this.want;
    if (past.avoided.has(id) || (this.#hopeful && past.failing.has(id))) return undefined;
    const node = this.#view(id);
    if (!this.promised.has(id)) return node;
    return refusalOf(node, request, { overCommit: this.fleet.overCommit }) ? undefined : node;
  }

  /** A node gets a second execution of a job only when no open one is without one; among equals ranks decide. */
  best(): NodeView | undefined {
    const { fit, preferred } = this.#candidates;
    if (fit.size > RANK_ALL) {
      const drawn = new Set<string>();
      const { random } = this.options;
      for (let i = 0; i < SAMPLE; i++) drawn.add(fit.draw(random())!);
      for (let i = 0; i < SAMPLE && preferred.size > 0; i++) drawn.add(preferred.draw(random())!);
      const { node, siblings } = this.#bestOf(drawn);
      if (node && siblings === 0) return node;
    }
    return this.#bestOf(fit.size > RANK_ALL ? this.#leastUsed() : fit).node;
  }

  #bestOf(ids: Iterable<string>): { node: NodeView | undefined; siblings: number } {
    const { past, request } = this.want;
    let best: NodeView | undefined;
    let [bestRank, bestSiblings] = [-Infinity, Infinity];
    for (const id of ids) {
      const siblings = this.#siblings.get(id) ?? 0;
      if (siblings > bestSiblings) continue;
      const node = this.#open(id);
      if (!node) continue;
      const failures = past.failures.get(id) ?? 0;
      const rank = rankOf(node, request, { siblings, failures, random: this.options.random });
      if (siblings === bestSiblings && rank <= bestRank) continue;
      [best, bestRank, bestSiblings] = [node, rank, siblings];
    }
    return { node: best, siblings: bestSiblings };
  }

  /** Of all that fit a few with the fewest executions of the job, from a place drawn by lot. */
  #leastUsed(): string[] {
    let least = Infinity;
    let found: string[] = [];
    for (const id of this.#candidates.fit) {
      const siblings = this.#siblings.get(id) ?? 0;
      if (siblings > least || !this.#open(id)) continue;
      if (siblings < least) [least, found] = [siblings, []];
      found.push(id);
    }
    const start = Math.floor(this.options.random() * found.length);
    return [
      ...found.slice(start, start + SAMPLE),
      ...found.slice(0, Math.max(0, start + SAMPLE - found.length)),
    ];
  }

  ownNode(id: string): NodeView | undefined {
    return this.#candidates.fit.has(id) ? this.#open(id) : undefined;
  }

  /** The node is gone, or lacks what time does not bring. What it said itself about one job is no such thing. */
  never(id: string): boolean {
    return !this.fleet.nodes.has(id) || this.#candidates.refusal(id)?.retryable === false;
  }

  take({ id, promised }: NodeView): void {
    this.#siblings.set(id, (this.#siblings.get(id) ?? 0) + 1);
    this.promised.set(id, addResources(promised, this.want.request.resources));
  }
}

/** Whether a node other than those that failed the job lately can take it, now or once it has room. */
export function isHopeful({ fit, full }: Candidates, { failing, avoided }: Past): boolean {
  if (failing.size === 0) return false;
  for (const pool of [fit, full]) {
    for (const id of pool) if (!failing.has(id) && !avoided.has(id)) return true;
  }
  return false;
}

/** Slots of an ops or daemon job on nodes that fit, or lack no more than room, besides those that it has. */
export function slotsOnNodes(
  request: PlacementRequest,
  past: Past,
  fleet: Fleet,
  nodeIds: Iterable<string> = fleet.nodes.keys(),
): string[] {
  const { fit, full } = fleet.candidates(request);
  return [...nodeIds].filter((id) => (fit.has(id) || full.has(id)) && !past.avoided.has(id)).sort();
}
