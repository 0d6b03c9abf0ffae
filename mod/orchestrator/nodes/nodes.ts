/** All that can be asked of nodes, as the API wants it. */
import { BacalhauError, type NodeInfo, type NodeListQuery, type NodeState } from '../../model/mod.ts';
import { holds } from '../../schedule/mod.ts';
import type { OrchestratorStore } from '../../store/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { nodeState, selfState } from './node_state.ts';
import type { Sessions } from './sessions.ts';

export class Nodes {
  readonly #since: bigint;

  /** @param self this process, where it is to be listed */
  constructor(
    readonly store: OrchestratorStore,
    readonly sessions: Sessions,
    readonly world: World,
    readonly self: (() => NodeInfo) | undefined,
  ) {
    this.#since = world.now();
  }

  async #all(): Promise<NodeState[]> {
    const views = await this.store.read((reader) => reader.nodes.list());
    const states = views.map((view) => nodeState(view, this.sessions.get(view.node.id)));
    const self = this.self?.();
    // A node that also computes is listed as what it told in its handshake.
    if (self && !states.some(({ Info }) => Info.NodeID === self.NodeID)) {
      states.push(selfState(self, this.#since, this.world.now()));
    }
    return states;
  }

  async listNodes({ labels, approval, status }: NodeListQuery): Promise<readonly NodeState[]> {
    const [wantedApproval, wantedStatus] = [approval.toUpperCase(), status.toUpperCase()];
    return (await this.#all()).filter(({ Info, Membership, Connection }) =>
      (wantedApproval === '' || Membership === wantedApproval) &&
      (wantedStatus === '' || Connection === wantedStatus) &&
      labels.every((constraint) => holds(constraint, Info.Labels ?? {}))
    );
  }

  /** @throws BacalhauError `NotFound`, `MultipleNodesFound` */
  async getNode(ref: string): Promise<NodeState> {
    const all = await this.#all();
    const exact = all.find(({ Info }) => Info.NodeID === ref);
    if (exact) return exact;
    const [node, another] = ref === '' ? [] : all.filter(({ Info }) => Info.NodeID.startsWith(ref));
    if (!node) {
      throw new BacalhauError('NotFound', `node not found: ${ref}`, {
        component: 'NodesManager',
        hint: 'List nodes with `bacalhau node list`',
      });
    }
    if (another) {
      throw new BacalhauError('MultipleNodesFound', `multiple nodes found for id prefix: ${ref}`, {
        component: 'NodesManager',
        status: 409,
        hint: 'Use the full node id',
      });
    }
    return node;
  }
}
