/** Payloads of `ncl/v1` (wire-protocol.md 6 and 7.4), in the order of keys in which the original writes them. */
import type {
  Event,
  Execution,
  JobType,
  NodeInfo,
  Resources,
  RunOutput,
  SpecConfig,
} from '../../model/mod.ts';

type Events = readonly Event[] | null;

/** Asks a node whether it takes an execution. */
export interface AskForBid {
  readonly Events: Events;
  readonly Execution: Execution;
}
/** Tells a node to run what it bid for. */
export interface BidAccepted {
  readonly Events: Events;
  readonly ExecutionID: string;
  readonly Accepted: boolean;
}
/** Tells a node that its bid is not needed. */
export interface BidRejected {
  readonly Events: Events;
  readonly ExecutionID: string;
}
/** Tells a node to stop an execution. */
export interface CancelExecution {
  readonly Events: Events;
  readonly ExecutionID: string;
}

interface Report {
  readonly ExecutionID: string;
  readonly JobID: string;
  readonly JobType: JobType;
  readonly Events: Events;
}
/** A node's answer to an ask. */
export interface BidResult extends Report {
  readonly Accepted: boolean;
}
/** An execution has completed. */
export interface RunResult extends Report {
  readonly PublishResult: SpecConfig | null;
  readonly RunCommandResult: RunOutput | null;
}
/** Ours, on reports of an end that is no completion: what the run left all the same. Peers of the original pass over it. */
export interface Remains {
  readonly PublishResult?: SpecConfig | null;
  readonly RunCommandResult?: RunOutput | null;
}
/** An execution has failed. */
export interface ComputeError extends Report, Remains {}

/** Extension `bacalhau.ts/1`: a phase that the original's wire has no message for. */
export interface ExecutionStatus extends Report, Remains {
  /** `queued`, `preparing`, `running`, `publishing`, `stopped` */
  readonly Phase: 'queued' | 'preparing' | 'running' | 'publishing' | 'stopped';
  /** The node's revision of the row; an older report is ignored. */
  readonly Revision: bigint;
}

/** Extension `bacalhau.ts/1`: all executions the node holds that are not confirmed, sent first after a handshake. */
export interface ExecutionInventory {
  readonly Executions: readonly {
    readonly ExecutionID: string;
    readonly JobID: string;
    readonly Phase: string;
    readonly Revision: bigint;
  }[];
  /** Of the session that it was made for: one that comes again in a later session is out of date. */
  readonly Epoch?: number;
  /** Set when the inventory goes on in the next message; it is complete with the first that does not say so. */
  readonly More?: boolean;
}

/** Messages to a node, by type name. */
export interface InMessages {
  AskForBid: AskForBid;
  BidAccepted: BidAccepted;
  BidRejected: BidRejected;
  CancelExecution: CancelExecution;
}

/** Messages from a node, by type name. */
export interface OutMessages {
  BidResult: BidResult;
  RunResult: RunResult;
  ComputeError: ComputeError;
  ExecutionStatus: ExecutionStatus;
  ExecutionInventory: ExecutionInventory;
}

/** Any message of a table, with its type. */
export type MessageOf<M> = { [K in keyof M]: { readonly type: K; readonly payload: M[K] } }[keyof M];
/** Any message to a node. */
export type InMessage = MessageOf<InMessages>;
/** Any message from a node. */
export type OutMessage = MessageOf<OutMessages>;

/** A node begins a session. */
export interface HandshakeRequest {
  readonly NodeInfo: NodeInfo;
  /** RFC 3339; part of the incarnation of a node of the original. */
  readonly StartTime?: string;
  readonly LastOrchestratorSeqNum: bigint;
  /** Ours: names of extensions; both sides must name one for it to be used. */
  readonly Extensions?: readonly string[];
  /** Ours: identity of the installation and number of this start of it; together the incarnation. */
  readonly InstallID?: string;
  readonly BootID?: string;
}

/** Mind the spelling: `accepted` and `reason` in lower case, the starting sequence under `LastOrchestratorSeqNum`. */
export interface HandshakeResponse {
  readonly accepted: boolean;
  readonly reason?: string;
  readonly LastComputeSeqNum: bigint;
  readonly LastOrchestratorSeqNum: bigint;
  readonly Extensions?: readonly string[];
  /** Ours: id of the orchestrator's store and the session's epoch. */
  readonly StoreID?: string;
  readonly Epoch?: number;
}

/** A node lives, and has so much left. */
export interface HeartbeatRequest {
  readonly NodeID: string;
  readonly AvailableCapacity: Resources;
  readonly QueueUsedCapacity: Resources;
  readonly LastOrchestratorSeqNum: bigint;
}
/** The orchestrator heard it. */
export interface HeartbeatResponse {
  readonly LastComputeSeqNum: bigint;
}

/** What a node is has changed. */
export interface UpdateNodeInfoRequest {
  readonly NodeInfo: NodeInfo;
}
/** Whether the change was taken. */
export interface UpdateNodeInfoResponse {
  readonly accepted: boolean;
  readonly reason?: string;
}

/** A node leaves. */
export interface ShutdownNoticeRequest {
  readonly NodeID: string;
  readonly Reason?: string;
  readonly LastOrchestratorSeqNum: bigint;
}
/** The orchestrator knows that it leaves. */
export interface ShutdownNoticeResponse {
  readonly LastComputeSeqNum: bigint;
}

/** Name of our extension of the wire, which both sides must know for it to be used. */
export const EXTENSION = 'bacalhau.ts/1';

/** `Tail` = only output from now on. Offset and Credit are ours (invariants.md section 0, row 22). */
export interface LogRequest {
  readonly ExecutionID: string;
  readonly NodeID: string;
  readonly Tail: boolean;
  readonly Follow: boolean;
  /** Ours: start at this byte offset of the log file. */
  readonly Offset?: bigint;
  /** Ours: only the last so many lines. */
  readonly TailLines?: number;
}

/** Where a piece of output comes from. */
export const LogType = { Stdout: 1, Stderr: 2 } as const;

/** `Line` is one piece of output, newline included; not necessarily one line. */
export interface LogFrame {
  readonly Type: 1 | 2;
  readonly Line: string;
  /** Ours: RFC 3339 time of the write. */
  readonly Time?: string;
  /** Ours: offset at which to go on reading. */
  readonly Offset?: bigint;
}
