/**
 * The nodes as the scheduler sees them, kept in memory. It is read inside write operations only, which run one after
 * another, and a view that may have changed is read again before it is used; so it never lags behind the transaction.
 */
import type { NodeView } from '../../schedule/mod.ts';
import type { NodeView as NodeRecord, StoreReader } from '../../store/mod.ts';

export class NodeIndex {
  readonly #views = new Map<string, NodeView>();
  readonly #stale = new Set<string>();
  #allStale = true;
  #list: readonly NodeView[] = [];

  /** The node, its session or its usage may have changed. */
  touch(nodeId: string): void {
    this.#stale.add(nodeId);
  }

  /** A transaction was rolled back after it may have been read. */
  touchAll(): void {
    this.#allStale = true;
  }

  async list(reader: StoreReader): Promise<readonly NodeView[]> {
    if (this.#allStale) {
      const records = await reader.nodes.list();
      this.#views.clear();
      for (const record of records) this.#views.set(record.node.id, viewOf(record));
    } else if (this.#stale.size > 0) {
      for (const id of this.#stale) {
        const record = await reader.nodes.view(id);
        if (record && record.node.deletedAt === 0n) this.#views.set(id, viewOf(record));
        else this.#views.delete(id);
      }
    } else {
      return this.#list;
    }
    this.#allStale = false;
    this.#stale.clear();
    return this.#list = [...this.#views.values()];
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
