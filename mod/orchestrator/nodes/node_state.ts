/** A node as REST shows it: the stored row with what this process heard since. */
import { type NodeInfo, type NodeState, toRfc3339 } from '../../model/mod.ts';
import type { NodeView } from '../../store/mod.ts';
import type { LiveSession } from './sessions.ts';

export function nodeState({ node, session }: NodeView, live: LiveSession | undefined): NodeState {
  const up = session?.status === 'connected' || session?.status === 'suspect';
  const fresh = live && live.epoch === session?.epoch ? live : undefined;
  const status = up ? 'CONNECTED' : 'DISCONNECTED';
  const reported = fresh?.reportedSeq ?? session?.reportedSeq ?? 0n;
  const acked = session?.ackedSeq ?? 0n;
  return Object.freeze({
    Info: Object.freeze({
      ...node.info,
      ComputeNodeInfo: Object.freeze({
        ...node.info.ComputeNodeInfo,
        AvailableCapacity: up ? fresh?.available ?? session.available : {},
        QueueCapacity: up ? fresh?.queued ?? session.queued : {},
      }),
    }),
    Membership: node.membership,
    Connection: status,
    ConnectionState: Object.freeze({
      Status: status,
      LastHeartbeat: toRfc3339(fresh?.lastHeard ?? session?.lastHeartbeat ?? 0n),
      ...(reported > 0n ? { LastComputeSeqNum: reported } : {}),
      ...(acked > 0n ? { LastOrchestratorSeqNum: acked } : {}),
      ConnectedSince: toRfc3339(session?.connectedSince ?? 0n),
      DisconnectedSince: toRfc3339(up ? 0n : session?.disconnectedSince ?? 0n),
      ...(session?.lastError ? { LastError: session.lastError } : {}),
    }),
    Eligibility: node.eligibility,
  });
}

/** This process itself: the orchestrator is always there, a compute node only once it has joined. */
export function selfState(info: NodeInfo, since: bigint, now: bigint): NodeState {
  const status = info.NodeType === 'Compute' ? 'DISCONNECTED' : 'CONNECTED';
  return Object.freeze({
    Info: info,
    Membership: 'APPROVED',
    Connection: status,
    ConnectionState: Object.freeze({
      Status: status,
      LastHeartbeat: toRfc3339(now),
      ConnectedSince: toRfc3339(since),
      DisconnectedSince: toRfc3339(0n),
    }),
  });
}
