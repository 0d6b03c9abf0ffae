/** The nodes, with what was found out about them per request. Whoever changes a node says so; the rest follows when asked. */
import type { NodeView } from '../types.ts';
import { Candidates } from './candidates.ts';
import { Pool } from './pool.ts';
import type { PlacementRequest } from './request.ts';

/** What is known at most, nodes times requests: about 100 bytes each. */
const MAX_KNOWN = 500_000;
const MIN_REQUESTS = 16;

/** All nodes, indexed by what they have left; knows for each request which nodes match it. */
export class Fleet {
  readonly #nodes = new Map<string, NodeView>();
  readonly #ids = new Pool();
  #available = 0;
  /** By key of the request, least recently used first; `seen` counts the changes that it has followed. */
  readonly #known = new Map<string, { readonly candidates: Candidates; seen: number }>();
  /** The last changes, by node id; `#forgotten` came before them. */
  #changes: string[] = [];
  #forgotten = 0;

  /** @param overCommit promised resources may reach this multiple of a node's capacity */
  constructor(readonly overCommit: number, nodes: Iterable<NodeView> = []) {
    for (const node of nodes) this.set(node.id, node);
  }

  get nodes(): ReadonlyMap<string, NodeView> {
    return this.#nodes;
  }

  /** How many nodes are approved and connected. */
  get available(): number {
    return this.#available;
  }

  /** undefined = the node is gone. */
  set(id: string, node: NodeView | undefined): void {
    this.#available += Number(isAvailable(node)) - Number(isAvailable(this.#nodes.get(id)));
    this.#ids.put(id, node !== undefined);
    if (node) this.#nodes.set(id, node);
    else this.#nodes.delete(id);
    if (this.#known.size === 0) return;
    if (this.#changes.push(id) < 1000 + this.#nodes.size) return;
    this.#forgotten += this.#changes.length;
    this.#changes = [];
  }

  candidates(request: PlacementRequest): Candidates {
    const now = this.#forgotten + this.#changes.length;
    let known = this.#known.get(request.key);
    this.#known.delete(request.key);
    if (!known || known.seen < this.#forgotten) {
      known = { candidates: new Candidates(request, this.#nodes, this.#ids, this.overCommit), seen: now };
    }
    for (let i = known.seen - this.#forgotten; i < this.#changes.length; i++) {
      known.candidates.update(this.#changes[i]!);
    }
    known.seen = now;
    this.#known.set(request.key, known);
    const limit = Math.max(MIN_REQUESTS, MAX_KNOWN / Math.max(1, this.#nodes.size));
    if (this.#known.size > limit) this.#known.delete(this.#known.keys().next().value!);
    return known.candidates;
  }
}

function isAvailable(node: NodeView | undefined): boolean {
  return node?.membership === 'APPROVED' && node.session === 'connected';
}
