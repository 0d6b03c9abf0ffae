/**
 * The two ends of a node's session. Transport owns connecting, handshakes, heartbeats, order, acknowledgement and
 * resending; what the messages mean is the caller's. A message is acknowledged only after `receive` has resolved, that
 * is after its transaction is durable (invariants.md S8); it may come more than once.
 */
import type { BacalhauError, NodeInfo, Resources } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { Bus, Connect } from '../bus/bus.ts';
import type {
  HandshakeRequest,
  HandshakeResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  InMessage,
  LogFrame,
  LogRequest,
  OutMessage,
  ShutdownNoticeRequest,
  UpdateNodeInfoRequest,
  UpdateNodeInfoResponse,
} from '../wire/messages.ts';

/** A message of the peer, to be acknowledged by its number. */
export interface Received<M> {
  readonly message: M;
  /** `Bacalhau-SeqNum`; 0 when the peer sent none. */
  readonly seq: bigint;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Messages that wait to be sent, in order of `seq`; rows of the store. The sender keeps at most `window` in flight,
 * sends again what is not acknowledged in time, and reports what is.
 */
export interface Outbox<M> {
  /** At most `limit` messages with a sequence number above `after`. */
  pending(after: bigint, limit: number): Promise<readonly { readonly seq: bigint; readonly message: M }[]>;
  /** Resolves when there may be a message above `after` (at once only if there is one); rejects when aborted. */
  changed(after: bigint, signal: AbortSignal): Promise<void>;
  /** All up to and including `seq` have been acknowledged. */
  acknowledged(seq: bigint): Promise<void>;
  /**
   * This one can never be delivered (larger than the connection allows, or refused as unreadable again and again); it
   * counts as acknowledged afterwards. Where absent, such a message ends the session, again and again.
   */
  undeliverable?(seq: bigint, error: BacalhauError): Promise<void>;
}

/** Intervals and time limits of a session, in milliseconds. */
export interface Timings {
  /** `Compute.Heartbeat.Interval`, 15 s. */
  readonly heartbeatMs: number;
  /** `Compute.Heartbeat.InfoUpdateInterval`, 60 s. */
  readonly infoUpdateMs: number;
  /** 10 s for handshake, heartbeat and the other control requests. */
  readonly requestMs: number;
  /** Wait for the acknowledgement of a data message, 30 s. */
  readonly ackMs: number;
  /** First wait before connecting again; doubles up to `reconnectMaxMs`. */
  readonly reconnectMs: number;
  readonly reconnectMaxMs: number;
}

/** What a node's side of the session needs. */
export interface ComputeLinkOptions {
  readonly nodeId: string;
  readonly world: World;
  readonly connect: Connect;
  readonly timings: Timings;
  readonly installId: string;
  readonly bootId: string;
  nodeInfo(): NodeInfo;
  capacity(): { readonly available: Resources; readonly queued: Resources };
  /** Highest orchestrator sequence processed for this store of the orchestrator. */
  lastOrchestratorSeq(): bigint;
  /** After an accepted handshake, before the outbox is sent. */
  connected(response: HandshakeResponse): Promise<void>;
  /** What has arrived since the last call, in order; all of it counts or none does. */
  receive(batch: readonly Received<InMessage>[]): Promise<void>;
  readonly outbox: Outbox<OutMessage>;
  /** @throws BacalhauError `NotFound` when the node has no such execution */
  logs(request: LogRequest, signal: AbortSignal): AsyncIterable<LogFrame>;
  /** Each change of the connection, for logs and `agent` calls; `reason` says why a connect failed. */
  status?(status: LinkStatus, reason: string): void;
}

/** How a node's session stands. */
export type LinkStatus = 'connecting' | 'connected' | 'disconnected' | 'closed';

/** Started by its constructor function; connects and reconnects until closed. */
export interface ComputeLink extends AsyncDisposable {
  readonly status: LinkStatus;
  /** Flushes the outbox as far as possible within `ms`. */
  flush(ms: number): Promise<void>;
  /** Sends the shutdown notice (only when the node drains or stops its work, invariants.md section 0 row 19). */
  notice(reason: string): Promise<void>;
  close(): Promise<void>;
}

/** A node's session as the orchestrator's rows know it. */
export interface SessionKey {
  readonly nodeId: string;
  readonly epoch: number;
}

/** Whether a node is taken in, and from where messages go on. */
export type HandshakeDecision =
  | { readonly response: HandshakeResponse & { readonly accepted: true }; readonly session: SessionKey }
  | { readonly response: HandshakeResponse & { readonly accepted: false } };

/** What the orchestrator's side of the sessions needs. */
export interface OrchestratorLinkOptions {
  /** Shown as `Bacalhau-Source`. */
  readonly orchestratorId: string;
  readonly world: World;
  readonly bus: Bus;
  readonly timings: Timings;
  /** Answers `*.out.ctrl` in a queue group; may throw a BacalhauError, which is sent as `BacError`. */
  handshake(request: HandshakeRequest): Promise<HandshakeDecision>;
  /** @throws BacalhauError `HandshakeRequired` when the node has no session here */
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatResponse>;
  updateNodeInfo(request: UpdateNodeInfoRequest): Promise<UpdateNodeInfoResponse>;
  shutdownNotice(request: ShutdownNoticeRequest): Promise<HeartbeatResponse>;
  /**
   * What has arrived since the last call, in order; all of it counts or none does.
   * @throws when the commit failed: nothing is acknowledged and the session is dropped (invariants.md section 0 row 5)
   */
  receive(session: SessionKey, batch: readonly Received<OutMessage>[]): Promise<void>;
  outbox(session: SessionKey): Outbox<InMessage>;
  /** The plane of this session is down (dropped, replaced or closed). */
  dropped?(session: SessionKey, reason: string): void;
}

/** The orchestrator's side of all sessions. */
export interface OrchestratorLink extends AsyncDisposable {
  /** Stops the data plane of a node; its next heartbeat is answered with `HandshakeRequired`. */
  drop(nodeId: string, reason: string): void;
  /** Whether the process of this boot of one of our nodes answers. */
  isAlive(nodeId: string, bootId: string): Promise<boolean>;
  /** Nodes with a data plane here. */
  sessions(): readonly SessionKey[];
  /** Reads the log of an execution on its node. Ends with the log, or with an error that names the cause. */
  logs(nodeId: string, request: LogRequest, signal: AbortSignal): AsyncIterable<LogFrame>;
  close(): Promise<void>;
}
