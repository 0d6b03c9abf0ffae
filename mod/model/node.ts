/** What a node tells of itself and what the orchestrator knows of it (rest-api.md 9.10-9.12, wire-protocol.md 8.1). */
import type { StringMap } from './job.ts';
import type { Resources } from './resources.ts';

export interface BuildVersion {
  readonly Major?: string;
  readonly Minor?: string;
  readonly GitVersion: string;
  readonly GitCommit: string;
  /** RFC 3339. */
  readonly BuildDate: string;
  readonly GOOS: string;
  readonly GOARCH: string;
}

export interface ComputeNodeInfo {
  readonly ExecutionEngines: readonly string[] | null;
  readonly Publishers: readonly string[] | null;
  readonly StorageSources: readonly string[] | null;
  readonly MaxCapacity: Resources;
  /** Capacity used by queued work. */
  readonly QueueCapacity: Resources;
  readonly AvailableCapacity: Resources;
  readonly MaxJobRequirements: Resources;
  readonly RunningExecutions: number;
  readonly EnqueuedExecutions: number;
  readonly address: string;
}

export type NodeType = 'Compute' | 'Requester';

export interface NodeInfo {
  readonly NodeID: string;
  readonly NodeType: NodeType;
  readonly Labels: StringMap | null;
  readonly SupportedProtocols: readonly string[] | null;
  readonly ComputeNodeInfo: ComputeNodeInfo;
  readonly BacalhauVersion: BuildVersion;
}

export type Membership = 'PENDING' | 'APPROVED' | 'REJECTED' | '';
export type ConnectionStatus = 'CONNECTED' | 'DISCONNECTED';

export interface ConnectionState {
  readonly Status: ConnectionStatus;
  /** RFC 3339; never = `0001-01-01T00:00:00Z`. */
  readonly LastHeartbeat: string;
  readonly LastComputeSeqNum?: bigint;
  readonly LastOrchestratorSeqNum?: bigint;
  readonly ConnectedSince: string;
  readonly DisconnectedSince: string;
  readonly LastError?: string;
}

/** Whether a node takes new work (invariants.md section 2); an extra field of ours in REST. */
export type Eligibility = 'eligible' | 'cordoned' | 'draining';

export interface NodeState {
  readonly Info: NodeInfo;
  readonly Membership: Membership;
  /** Copy of `ConnectionState.Status`; the web page of the original reads this one. */
  readonly Connection: ConnectionStatus;
  readonly ConnectionState: ConnectionState;
  readonly Eligibility?: Eligibility;
}
