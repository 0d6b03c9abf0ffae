/**
 * All nodes as one request sees them, whatever job it is of: who has room, and why the others cannot take it. A node is
 * looked at when somebody asks for it, and again when it has changed, so that nobody filters all nodes for one placement.
 */
import type { Refusal } from '../../model/mod.ts';
import type { NodeView } from '../types.ts';
import { holds } from './constraints.ts';
import { refusalOf } from './filters.ts';
import { Pool } from './pool.ts';
import type { PlacementRequest } from './request.ts';

/** Nodes that cannot take it for the same reason; the refusal is that of one of them. */
export interface Group {
  readonly refusal: Refusal;
  readonly nodes: Pool;
}

/** Up to so many nodes all are ranked; beyond, a sample of those that fit and one of those that are preferred. */
const RANK_ALL = 256;
export const SAMPLE = 24;

export class Candidates {
  readonly #fit = new Pool();
  /** Of those that fit, the ones that the request prefers by label. */
  readonly #preferred = new Pool();
  readonly #groups = new Map<string, Group>();
  readonly #group = new Map<string, Group>();
  /** Whether all nodes have been looked at. */
  #complete = false;

  /** @param ids of the nodes, all at any time */
  constructor(
    readonly request: PlacementRequest,
    readonly nodes: ReadonlyMap<string, NodeView>,
    readonly ids: Pool,
    readonly overCommit: number,
  ) {}

  /** The node has come, changed or gone. */
  update(id: string): void {
    if (this.#complete || this.#fit.has(id) || this.#group.has(id)) this.#look(id);
  }

  #look(id: string): void {
    const node = this.nodes.get(id);
    const refusal = node && refusalOf(node, this.request, { overCommit: this.overCommit });
    const fits = refusal === null;
    this.#fit.put(id, fits);
    if (this.#prefers) this.#preferred.put(id, fits && this.#isPreferred(node!));
    this.#file(id, refusal ?? null);
  }

  get #prefers(): boolean {
    return this.request.preferences.length > 0;
  }

  #isPreferred({ info }: NodeView): boolean {
    return this.request.preferences.every((wish) => holds(wish, info.Labels ?? {}));
  }

  #file(id: string, refusal: Refusal | null): void {
    const key = refusal && groupKey(refusal);
    const before = this.#group.get(id);
    if (before) {
      const last = groupKey(before.refusal);
      if (last === key) return;
      before.nodes.put(id, false);
      if (before.nodes.size === 0) this.#groups.delete(last);
      this.#group.delete(id);
    }
    if (!key) return;
    let group = this.#groups.get(key);
    if (!group) this.#groups.set(key, group = { refusal, nodes: new Pool() });
    group.nodes.put(id, true);
    this.#group.set(id, group);
  }

  #lookAtAll(): void {
    if (this.#complete) return;
    this.#complete = true;
    for (const id of this.ids) if (!this.#fit.has(id) && !this.#group.has(id)) this.#look(id);
  }

  /** Nodes that can take it now. */
  get fit(): Pool {
    this.#lookAtAll();
    return this.#fit;
  }

  /** Why the other nodes cannot take it. */
  get groups(): Iterable<Group> {
    this.#lookAtAll();
    return this.#groups.values();
  }

  fits(id: string): boolean {
    if (!this.#fit.has(id) && !this.#group.has(id) && this.nodes.has(id)) this.#look(id);
    return this.#fit.has(id);
  }

  /** Whether any node fits. */
  get some(): boolean {
    return this.#fit.size > 0 || this.fit.size > 0;
  }

  /** Null when the node can take it now, or is gone. */
  refusal(id: string): Refusal | null {
    return this.fits(id) ? null : this.#group.get(id)?.refusal ?? null;
  }

  /** Fits, or lacks no more than room. */
  matches(id: string): boolean {
    return this.fits(id) || this.#group.get(id)?.refusal.code === 'NodeFull';
  }

  /** How many nodes match. */
  get matching(): number {
    let count = this.fit.size;
    for (const { refusal, nodes } of this.#groups.values()) {
      if (refusal.code === 'NodeFull') count += nodes.size;
    }
    return count;
  }

  /** Drawn by lot: some that fit, and some that are preferred; null where they are so few that all are to be looked at. */
  sample(random: () => number): ReadonlySet<string> | null {
    const drawn = new Set<string>();
    const draw = (pool: Pool) => {
      for (let i = 0; i < SAMPLE && pool.size > 0; i++) drawn.add(pool.draw(random())!);
    };
    if (!this.#complete && !this.#prefers && this.ids.size > RANK_ALL) {
      draw(this.#fit);
      for (let i = 0; i < 4 * SAMPLE && drawn.size < SAMPLE; i++) {
        const id = this.ids.draw(random())!;
        if (this.fits(id)) drawn.add(id);
      }
      if (drawn.size > 0) return drawn;
    }
    if (this.fit.size <= RANK_ALL) return null;
    draw(this.#fit);
    draw(this.#preferred);
    return drawn;
  }
}

/** Without the numbers of one node, which stand in brackets. */
export function commonReason({ reason }: Refusal): string {
  const bracket = reason.lastIndexOf(' (');
  return bracket > 0 && reason.endsWith(')') ? reason.slice(0, bracket) : reason;
}

/** Refusals with the same key are told together. */
export function groupKey(refusal: Refusal): string {
  return `${refusal.code} ${commonReason(refusal)}`;
}
