/** The best node for each slot of one want in turn. */
import { addResources } from '../../model/mod.ts';
import type { NodeView } from '../types.ts';
import type { Want } from './request.ts';
import { type Candidates, SAMPLE } from './candidates.ts';
import { lacksRoom } from './filters.ts';
import type { Fleet } from './fleet.ts';
import type { Past } from './past.ts';
import { rankOf } from './ranks.ts';

export class Chooser {
  readonly #candidates: Candidates;
  /** Executions of the job, where this call has placed some. */
  readonly #siblings = new Map<string, number>();
  /** Whether nodes that failed lately are left out, since another may take it. */
  readonly #hopeful: boolean;
  /** Those of all nodes that had the fewest executions of the job when they were looked through. */
  #fewest: { readonly siblings: number; readonly ids: string[] } = { siblings: 0, ids: [] };

  /** @param taken nodes with what was promised since the allocation began */
  constructor(
    readonly want: Want,
    readonly fleet: Fleet,
    readonly taken: Map<string, NodeView>,
    readonly random: () => number,
  ) {
    this.#candidates = fleet.candidates(want.request);
    this.#hopeful = isHopeful(this.#candidates, want.past);
  }

  #siblingsOn(id: string): number {
    return this.#siblings.get(id) ?? this.want.past.siblings.get(id) ?? 0;
  }

  /** The node if this want may go there now. */
  #open(id: string): NodeView | undefined {
    const { past, request } = this.want;
    if (past.avoided.has(id) || (this.#hopeful && past.failing.has(id))) return undefined;
    const taken = this.taken.get(id);
    if (!taken) return this.fleet.nodes.get(id);
    return lacksRoom(taken, request, this.fleet) ? undefined : taken;
  }

  /** A node gets a second execution of a job only when no open one is without one; among equals ranks decide. */
  best(): NodeView | undefined {
    const sample = this.#candidates.sample(this.random);
    if (!sample) return this.#bestOf(this.#candidates.fit).node;
    const { node, siblings } = this.#bestOf(sample);
    return node && siblings === 0 ? node : this.#bestOf(this.#drawOfFewest()).node;
  }

  #bestOf(ids: Iterable<string>): { node: NodeView | undefined; siblings: number } {
    const { past, request } = this.want;
    let best: NodeView | undefined;
    let [bestRank, bestSiblings] = [-Infinity, Infinity];
    for (const id of ids) {
      const siblings = this.#siblingsOn(id);
      if (siblings > bestSiblings) continue;
      const node = this.#open(id);
      if (!node) continue;
      const failures = past.failures.get(id) ?? 0;
      const rank = rankOf(node, request, { siblings, failures, random: this.random });
      if (siblings === bestSiblings && rank <= bestRank) continue;
      [best, bestRank, bestSiblings] = [node, rank, siblings];
    }
    return { node: best, siblings: bestSiblings };
  }

  /** Some of the open nodes with the fewest executions of the job. All are looked through only when those known are used. */
  #drawOfFewest(): string[] {
    const drawn = this.#draw();
    if (drawn.length > 0) return drawn;
    let siblings = Infinity;
    let ids: string[] = [];
    for (const id of this.#candidates.fit) {
      const own = this.#siblingsOn(id);
      if (own > siblings || !this.#open(id)) continue;
      if (own < siblings) [siblings, ids] = [own, []];
      ids.push(id);
    }
    this.#fewest = { siblings, ids };
    return this.#draw();
  }

  /** Forgets those that it meets and that are no longer open, or have got one more. */
  #draw(): string[] {
    const { siblings, ids } = this.#fewest;
    const drawn: string[] = [];
    for (let left = ids.length; left > 0 && drawn.length < SAMPLE; left--) {
      const at = Math.floor(this.random() * left);
      const id = ids[at]!;
      ids[at] = ids[left - 1]!;
      if (this.#siblingsOn(id) === siblings && this.#open(id)) {
        ids[left - 1] = id;
        drawn.push(id);
      } else {
        ids[left - 1] = ids.at(-1)!;
        ids.pop();
      }
    }
    return drawn;
  }

  ownNode(id: string): NodeView | undefined {
    return this.#candidates.fits(id) ? this.#open(id) : undefined;
  }

  /** The node is gone, or lacks what time does not bring. What it said itself about one job is no such thing. */
  never(id: string): boolean {
    return !this.fleet.nodes.has(id) || this.#candidates.refusal(id)?.retryable === false;
  }

  take(node: NodeView): void {
    this.#siblings.set(node.id, this.#siblingsOn(node.id) + 1);
    const promised = addResources(node.promised, this.want.request.resources);
    this.taken.set(node.id, { ...node, promised });
  }
}

/** Whether a node other than those that failed the job lately can take it, now or once it has room. */
export function isHopeful(candidates: Candidates, { failing, avoided }: Past): boolean {
  if (failing.size === 0) return false;
  const out = new Set([...failing, ...avoided.keys()]);
  return candidates.matching > [...out].filter((id) => candidates.matches(id)).length;
}
