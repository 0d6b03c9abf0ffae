/** What a node tells of itself and what the orchestrator knows of it (rest-api.md 9.10-9.12, wire-protocol.md 8.1). */
import { exactly, named, rfc3339, textMap, texts } from './fields.ts';
import { resourcesCodec } from './resources.ts';
import {
  type Codec,
  codec,
  int,
  nullable,
  omitAbsent,
  omitEmpty,
  required,
  type Shape,
  struct,
  text,
  type TypeOf,
  uint64,
} from './shape.ts';

/** The build of a program. */
export interface BuildVersion extends TypeOf<typeof buildVersion> {}
const buildVersion = struct('BuildVersionInfo', {
  Major: omitEmpty(text),
  Minor: omitEmpty(text),
  GitVersion: required(text),
  GitCommit: required(text),
  /** RFC 3339. */
  BuildDate: required(rfc3339),
  GOOS: required(text),
  GOARCH: required(text),
});
/** The JSON of a build. */
export const buildVersionCodec: Codec<BuildVersion> = codec('version', buildVersion);

/** What a compute node can do and has left. */
export interface ComputeNodeInfo extends TypeOf<typeof computeNodeInfo> {}
const computeNodeInfo = struct('ComputeNodeInfo', {
  ExecutionEngines: required(nullable(texts)),
  Publishers: required(nullable(texts)),
  StorageSources: required(nullable(texts)),
  MaxCapacity: required(resourcesCodec.shape),
  /** Capacity used by queued work. */
  QueueCapacity: required(resourcesCodec.shape),
  AvailableCapacity: required(resourcesCodec.shape),
  MaxJobRequirements: required(resourcesCodec.shape),
  RunningExecutions: required(int),
  EnqueuedExecutions: required(int),
  address: required(text),
});

/** Role of a node. */
export type NodeType = 'Compute' | 'Requester';

/** What a node says of itself. */
export interface NodeInfo extends TypeOf<typeof nodeInfo> {}
const nodeInfo = struct('NodeInfo', {
  NodeID: required(text),
  // The zero value stands for "no compute node", which is what a handshake without a type is answered with.
  NodeType: required(named<NodeType>('node type', ['Compute', 'Requester'], 'Requester')),
  Labels: required(nullable(textMap)),
  SupportedProtocols: required(nullable(texts)),
  ComputeNodeInfo: required(computeNodeInfo as Shape<ComputeNodeInfo>),
  BacalhauVersion: required(buildVersionCodec.shape),
});
/** The JSON of what a node says of itself. */
export const nodeInfoCodec: Codec<NodeInfo> = codec('node info', nodeInfo);

/** Whether a node may take work. */
export type Membership = 'PENDING' | 'APPROVED' | 'REJECTED' | '';
/** Whether a node is heard. */
export type ConnectionStatus = 'CONNECTED' | 'DISCONNECTED';
const connectionStatus = exactly<ConnectionStatus>(
  'connection',
  ['CONNECTED', 'DISCONNECTED'],
  'DISCONNECTED',
);

/** How a node's connection stands, and since when. */
export interface ConnectionState extends TypeOf<typeof connectionState> {}
const connectionState = struct('ConnectionState', {
  Status: required(connectionStatus),
  /** RFC 3339; never = `0001-01-01T00:00:00Z`. */
  LastHeartbeat: required(rfc3339),
  LastComputeSeqNum: omitEmpty(uint64),
  LastOrchestratorSeqNum: omitEmpty(uint64),
  ConnectedSince: required(rfc3339),
  DisconnectedSince: required(rfc3339),
  LastError: omitEmpty(text),
});

/** Whether a node takes new work (invariants.md section 2); an extra field of ours in REST. */
export type Eligibility = 'eligible' | 'cordoned' | 'draining';

/** A node as the orchestrator sees it. */
export interface NodeState extends TypeOf<typeof nodeState> {}
const nodeState = struct('NodeState', {
  Info: required(nodeInfoCodec.shape),
  Membership: required(exactly<Membership>('membership', ['PENDING', 'APPROVED', 'REJECTED'], '')),
  /** Copy of `ConnectionState.Status`; the web page of the original reads this one. */
  Connection: required(connectionStatus),
  ConnectionState: required(connectionState as Shape<ConnectionState>),
  Eligibility: omitAbsent(
    named<Eligibility>('eligibility', ['eligible', 'cordoned', 'draining'], 'eligible'),
  ),
});
/** The JSON of a node as the orchestrator sees it. */
export const nodeStateCodec: Codec<NodeState> = codec('node state', nodeState);
