/** Two ends of a session for tests: outboxes in memory, what was received, and a node's facts. */
import { realWorld } from '../../runtime/world.ts';
import type { World } from '../../runtime/world.ts';
import type { NodeInfo } from '../../mod/model/mod.ts';
import type {
  Bus,
  ComputeLinkOptions,
  Connect,
  HandshakeRequest,
  InMessage,
  OrchestratorLinkOptions,
  Outbox,
  OutMessage,
  Received,
  SessionKey,
  Timings,
} from '../../mod/transport/mod.ts';

export const FAST: Timings = {
  heartbeatMs: 50,
  infoUpdateMs: 50,
  requestMs: 1000,
  ackMs: 100,
  reconnectMs: 10,
  reconnectMaxMs: 50,
};

/** Rows that are deleted when acknowledged. */
export class MemoryOutbox<M> implements Outbox<M> {
  rows: { readonly seq: bigint; readonly message: M }[] = [];
  readonly acks: bigint[] = [];
  readonly dead: bigint[] = [];
  #last = 0n;
  #waiters = new Set<() => void>();

  add(...messages: M[]): void {
    for (const message of messages) this.rows.push({ seq: ++this.#last, message });
    for (const wake of [...this.#waiters]) wake();
  }
  pending(after: bigint, limit: number): Promise<readonly { seq: bigint; message: M }[]> {
    return Promise.resolve(this.rows.filter(({ seq }) => seq > after).slice(0, limit));
  }
  changed(after: bigint, signal: AbortSignal): Promise<void> {
    if (this.rows.some(({ seq }) => seq > after)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', () => {
        this.#waiters.delete(wake);
        reject(signal.reason);
      }, { once: true });
    });
  }
  acknowledged(seq: bigint): Promise<void> {
    this.acks.push(seq);
    this.rows = this.rows.filter((row) => row.seq > seq);
    return Promise.resolve();
  }
  undeliverable(seq: bigint): Promise<void> {
    this.dead.push(seq);
    return Promise.resolve();
  }
}

export function nodeInfo(NodeID: string): NodeInfo {
  return {
    NodeID,
    NodeType: 'Compute',
    Labels: { name: NodeID },
    SupportedProtocols: ['ncl/v1'],
    ComputeNodeInfo: {
      ExecutionEngines: ['noop'],
      Publishers: [],
      StorageSources: [],
      MaxCapacity: { CPU: 1 },
      QueueCapacity: {},
      AvailableCapacity: { CPU: 1 },
      MaxJobRequirements: { CPU: 1 },
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      address: '',
    },
    BacalhauVersion: {
      GitVersion: 'v1.10.0',
      GitCommit: '',
      BuildDate: '1970-01-01T00:00:00Z',
      GOOS: 'linux',
      GOARCH: 'amd64',
    },
  };
}

export class ComputeRig {
  readonly received: Received<InMessage>[] = [];
  readonly outbox = new MemoryOutbox<OutMessage>();
  readonly statuses: string[] = [];
  readonly options: ComputeLinkOptions;
  connections = 0;
  info: NodeInfo;
  /** What happens with a message before it counts as received. */
  onReceive: (received: Received<InMessage>) => Promise<void> = () => Promise.resolve();

  constructor(
    nodeId: string,
    connect: Connect,
    extra: Partial<ComputeLinkOptions> = {},
    world: World = realWorld,
  ) {
    this.info = nodeInfo(nodeId);
    this.options = {
      nodeId,
      world,
      connect,
      timings: FAST,
      installId: `install-${nodeId}`,
      bootId: '1',
      nodeInfo: () => this.info,
      capacity: () => ({ available: { CPU: 1 }, queued: {} }),
      lastOrchestratorSeq: () => this.received.at(-1)?.seq ?? 0n,
      connected: () => {
        this.connections++;
        return Promise.resolve();
      },
      receive: async (batch) => {
        for (const received of batch) {
          await this.onReceive(received);
          this.received.push(received);
        }
      },
      outbox: this.outbox,
      // deno-lint-ignore require-yield
      logs: async function* () {
        throw new Error('no logs here');
      },
      status: (status, reason) => void this.statuses.push(`${status}: ${reason}`),
      ...extra,
    };
  }

  get ids(): string[] {
    return this.received.map(({ message }) => (message.payload as { ExecutionID: string }).ExecutionID);
  }
}

export class OrchestratorRig {
  readonly handshakes: HandshakeRequest[] = [];
  readonly heartbeats: string[] = [];
  readonly infos: NodeInfo[] = [];
  readonly received: { readonly session: SessionKey; readonly received: Received<OutMessage> }[] = [];
  readonly drops: string[] = [];
  readonly outboxes = new Map<string, MemoryOutbox<InMessage>>();
  readonly options: OrchestratorLinkOptions;
  onReceive: (session: SessionKey, received: Received<OutMessage>) => Promise<void> = () => Promise.resolve();

  constructor(bus: Bus, extra: Partial<OrchestratorLinkOptions> = {}, world: World = realWorld) {
    this.options = {
      orchestratorId: 'orch',
      world,
      bus,
      timings: FAST,
      handshake: (request) => {
        this.handshakes.push(request);
        return Promise.resolve({
          response: {
            accepted: true,
            reason: 'node registered',
            LastComputeSeqNum: 0n,
            LastOrchestratorSeqNum: 0n,
          },
          session: { nodeId: request.NodeInfo.NodeID, epoch: this.handshakes.length },
        });
      },
      heartbeat: (request) => {
        this.heartbeats.push(request.NodeID);
        return Promise.resolve({ LastComputeSeqNum: 0n });
      },
      updateNodeInfo: (request) => {
        this.infos.push(request.NodeInfo);
        return Promise.resolve({ accepted: true });
      },
      shutdownNotice: () => Promise.resolve({ LastComputeSeqNum: 0n }),
      receive: async (session, batch) => {
        for (const received of batch) {
          await this.onReceive(session, received);
          this.received.push({ session, received });
        }
      },
      outbox: ({ nodeId }) => this.outbox(nodeId),
      dropped: ({ nodeId }, reason) => void this.drops.push(`${nodeId}: ${reason}`),
      ...extra,
    };
  }

  outbox(nodeId: string): MemoryOutbox<InMessage> {
    const found = this.outboxes.get(nodeId) ?? new MemoryOutbox<InMessage>();
    this.outboxes.set(nodeId, found);
    return found;
  }

  get ids(): string[] {
    return this.received.map(({ received: { message } }) =>
      (message.payload as { ExecutionID: string }).ExecutionID
    );
  }
}

export const cancel = (ExecutionID: string): InMessage => ({
  type: 'CancelExecution',
  payload: { Events: null, ExecutionID },
});
export const bid = (ExecutionID: string): OutMessage => ({
  type: 'BidResult',
  payload: { ExecutionID, JobID: 'j-1', JobType: 'batch', Events: null, Accepted: true },
});
export const status = (ExecutionID: string): OutMessage => ({
  type: 'ExecutionStatus',
  payload: { ExecutionID, JobID: 'j-1', JobType: 'batch', Events: null, Phase: 'running', Revision: 3n },
});

export const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `e-${from + index}`);
