/**
 * A node's handshake in one transaction (invariants.md O6): membership, incarnation, session with a new epoch, and the
 * outbox rebuilt from current intents (section 0, row 8).
 */
import { isExecuting, isLive, type Membership, stringifyJson } from '../../model/mod.ts';
import type { NodeRow, OutboxKind, SessionRow } from '../../store/mod.ts';
import { EXTENSION, type HandshakeRequest } from '../../transport/mod.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';

export interface HandshakeRules {
  readonly manualApproval: boolean;
  readonly maxPendingNodes: number;
  /** Name of this process. */
  readonly owner: string;
}

export type HandshakeOutcome =
  | { readonly accepted: false; readonly reason: string }
  | {
    readonly accepted: true;
    readonly reason: string;
    readonly session: SessionRow;
    /** The node's messages follow after this sequence number. */
    readonly startSeq: bigint;
    readonly extended: boolean;
  };

/** Which start of which installation speaks; a node of the original tells only when it started. */
export function incarnationOf({ InstallID, BootID, StartTime }: HandshakeRequest): string {
  return InstallID ? `${InstallID}/${BootID ?? ''}` : `start:${StartTime ?? ''}`;
}

/** The boot id of one of our nodes, '' of another's. */
export function bootOf(incarnation: string): string {
  return incarnation.slice(incarnation.indexOf('/') + 1 || incarnation.length);
}

export async function handshake(
  work: UnitOfWork,
  request: HandshakeRequest,
  rules: HandshakeRules,
): Promise<HandshakeOutcome> {
  const { NodeInfo: info } = request;
  const { nodes } = work.tx;
  if (info.NodeType !== 'Compute') return { accepted: false, reason: 'node is not a compute node' };
  const known = await nodes.get(info.NodeID);
  const alive = known && known.deletedAt === 0n ? known : undefined;
  if (alive?.membership === 'REJECTED') return { accepted: false, reason: 'node has been rejected' };

  if (!alive && rules.manualApproval) {
    const pending = (await nodes.list()).filter(({ node }) => node.membership === 'PENDING').length;
    if (pending >= rules.maxPendingNodes) {
      return {
        accepted: false,
        reason: `${pending} nodes wait for approval already; approve or reject some`,
      };
    }
  }

  const node = await saveNode(work, request, alive, rules);
  const { now } = work.tx;
  const session = await nodes.openSession(node.id, {
    owner: rules.owner,
    incarnation: incarnationOf(request),
    status: 'connected',
    connectedSince: now,
    disconnectedSince: 0n,
    lastHeartbeat: now,
    lastError: '',
    available: info.ComputeNodeInfo.AvailableCapacity,
    queued: info.ComputeNodeInfo.QueueCapacity,
  });
  await rebuildOutbox(work, node.id);
  work.nodeChanged(node.id);
  return {
    accepted: true,
    reason: alive ? 'node reconnected' : 'node registered',
    session,
    startSeq: node.outSeq,
    extended: node.extensions.includes(EXTENSION),
  };
}

async function saveNode(
  work: UnitOfWork,
  request: HandshakeRequest,
  known: NodeRow | undefined,
  rules: HandshakeRules,
): Promise<NodeRow> {
  const { NodeInfo: info } = request;
  const membership: Membership = rules.manualApproval ? 'PENDING' : 'APPROVED';
  const said = {
    installId: request.InstallID ?? '',
    extensions: (request.Extensions ?? []).filter((extension) => extension === EXTENSION),
    info,
    infoHash: stringifyJson(info),
  };
  if (!known) return await work.tx.nodes.insert({ id: info.NodeID, membership, ...said });
  const same = known.infoHash === said.infoHash && known.installId === said.installId &&
    known.extensions.length === said.extensions.length;
  return same ? known : await work.tx.nodes.update(known, said);
}

/** What the node has to be told now, whatever was told before; messages already under way are superseded. */
async function rebuildOutbox(work: UnitOfWork, nodeId: string): Promise<void> {
  const { outbox, executions } = work.tx;
  const held = await executions.outlinesByNode(nodeId);
  const intents = new Map<string, OutboxKind>();
  // Ends that the node may not have heard of: these executions are over, so no row tells it.
  for (const { executionId, kind } of await outbox.list(nodeId, 0n, Number.MAX_SAFE_INTEGER)) {
    if (kind === 'cancel' || kind === 'reject') intents.set(executionId, kind);
  }
  for (const { id, phase } of held) {
    if (phase === 'asked') intents.set(id, 'ask');
    else if (isExecuting(phase)) intents.set(id, 'accept');
    else if (isLive(phase)) intents.delete(id);
    else intents.set(id, 'cancel');
  }
  await outbox.clear(nodeId);
  for (const [id, kind] of intents) await outbox.append(nodeId, id, kind);
}
