/**
 * The nodes as the scheduler sees them, kept in memory. It is read inside write operations only, which run one after
 * another, and a view that may have changed is read again before it is used; so it never lags behind the transaction, and
 * what a transaction that was undone has shown is read again too.
 */
import { addResources, subtractResources } from '../../model/mod.ts';
import { Fleet, type NodeView } from '../../schedule/mod.ts';
import type { ExecutionRow, NodeView as NodeRecord, StoreReader, StoreTx } from '../../store/mod.ts';

export class NodeIndex {
  readonly #fleet: Fleet;
  readonly #stale = new Set<string>();
  #loaded = false;

  constructor(overCommit: number) {
    this.#fleet = new Fleet(overCommit);
  }

  /** The node or its session may have changed. */
  touch(tx: StoreTx, nodeId: string): void {
    this.#stale.add(nodeId);
    tx.afterRollback(() => void this.#stale.add(nodeId));
  }

  /** An execution was promised its resources there (`add`), or has given them back (`subtract`). */
  promise(tx: StoreTx, { nodeId, allocated }: ExecutionRow, change: 'add' | 'subtract'): void {
    tx.afterRollback(() => void this.#stale.add(nodeId));
    const node = this.#fleet.nodes.get(nodeId);
    if (!node || this.#stale.has(nodeId)) return;
    const combine = change === 'add' ? addResources : subtractResources;
    const promised = Object.values(allocated.Tasks).reduce(combine, node.promised);
    this.#fleet.set(nodeId, { ...node, promised });
  }

  async fleet(reader: StoreReader): Promise<Fleet> {
    if (!this.#loaded) {
      for (const record of await reader.nodes.list()) this.#fleet.set(record.node.id, viewOf(record));
      this.#loaded = true;
      this.#stale.clear();
    }
    for (const id of this.#stale) {
      const record = await reader.nodes.view(id);
      this.#fleet.set(id, record && record.node.deletedAt === 0n ? viewOf(record) : undefined);
      this.#stale.delete(id);
    }
    return this.#fleet;
  }
}

function viewOf({ node, session, usage }: NodeRecord): NodeView {
  const status = session?.status;
  return {
    id: node.id,
    membership: node.membership,
    eligibility: node.eligibility,
    session: status === 'connected' || status === 'suspect' ? status : 'away',
    connectedSince: session?.connectedSince ?? 0n,
    info: node.info,
    promised: usage.promised,
  };
}
