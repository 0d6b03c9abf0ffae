/**
 * All nodes as one request sees them, whatever job it is of: who has room, who would fit but is full, and why the others
 * cannot. Kept per request and brought up to date node by node, so that nobody filters all nodes for one placement.
 */
import type { Refusal } from '../../model/mod.ts';
import type { NodeView } from '../types.ts';
import { holds } from './constraints.ts';
import { refusalOf } from './filters.ts';
import { Pool } from './pool.ts';
import type { PlacementRequest } from './request.ts';

export class Candidates {
  /** Nodes that can take it now, and those of them that it prefers by label. */
  readonly fit = new Pool();
  readonly preferred = new Pool();
  /** Nodes that lack nothing but free resources. */
  readonly full = new Pool();
  readonly #refusals = new Map<string, Refusal>();
  readonly #groups = new Map<string, Set<string>>();

  constructor(readonly request: PlacementRequest, readonly overCommit: number) {}

  /** The node is new or has changed; undefined = it is gone. */
  update(id: string, node: NodeView | undefined): void {
    const refusal = node ? refusalOf(node, this.request, { overCommit: this.overCommit }) : undefined;
    this.#file(id, refusal);
    const { preferences } = this.request;
    this.fit.put(id, refusal === null);
    this.full.put(id, refusal?.code === 'NodeFull');
    if (preferences.length > 0) {
      const labels = node?.info.Labels ?? {};
      this.preferred.put(id, refusal === null && preferences.every((wish) => holds(wish, labels)));
    }
  }

  #file(id: string, refusal: Refusal | null | undefined): void {
    const before = this.#refusals.get(id);
    if (before) {
      const key = groupOf(before);
      const group = this.#groups.get(key)!;
      group.delete(id);
      if (group.size === 0) this.#groups.delete(key);
      this.#refusals.delete(id);
    }
    if (!refusal) return;
    this.#refusals.set(id, refusal);
    const key = groupOf(refusal);
    const group = this.#groups.get(key);
    if (group) group.add(id);
    else this.#groups.set(key, new Set([id]));
  }

  /** Null when the node can take it now. */
  refusal(id: string): Refusal | null {
    return this.#refusals.get(id) ?? null;
  }

  /** Why nodes cannot take it, with those of which each is true. */
  groups(): Iterable<readonly [string, ReadonlySet<string>]> {
    return this.#groups;
  }
}

/** Refusals that differ in the numbers of their node only, which stand in brackets, are told together. */
export function groupOf({ code, reason }: Refusal): string {
  const bracket = reason.lastIndexOf(' (');
  return `${code} ${bracket > 0 && reason.endsWith(')') ? reason.slice(0, bracket) : reason}`;
}
