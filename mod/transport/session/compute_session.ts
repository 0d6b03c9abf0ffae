/**
 * One connection of a compute node. It subscribes before it announces itself, shakes hands, then runs the data plane and
 * the control loop until the connection ends. When the orchestrator asks for it, it shakes hands again at once over the
 * same connection.
 */
import { BacalhauError, stringifyJson, toBacalhauError } from '../../model/mod.ts';
import type { NodeInfo } from '../../model/mod.ts';
import { Signal } from '../../../runtime/async.ts';
import type { Bus } from '../bus/bus.ts';
import { controlRequest } from './control.ts';
import type { ComputeLinkOptions, LinkStatus } from './link.ts';
import { LogProducer } from '../logs/log_producer.ts';
import { EXTENSION } from '../wire/messages.ts';
import type { HandshakeResponse, InMessage, OutMessage } from '../wire/messages.ts';
import { Receiver } from './receiver.ts';
import { ACK } from '../wire/replies.ts';
import { Sender } from './sender.ts';
import { aliveSubject, HELLO_ALL, helloSubject, inSubject, outSubject } from '../wire/subjects.ts';

const IN_TYPES: ReadonlySet<string> = new Set<InMessage['type']>([
  'AskForBid',
  'BidAccepted',
  'BidRejected',
  'CancelExecution',
]);
/** Understood only by an orchestrator that named the extension. */
const EXTENSION_TYPES: ReadonlySet<string> = new Set<OutMessage['type']>([
  'ExecutionStatus',
  'ExecutionInventory',
]);

/** Heartbeats without an answer after which the connection is taken for dead. */
const MAX_SILENT_HEARTBEATS = 2;
const SILENT_RETRY_MS = 1000;
/** Two handshakes on one connection are at least so far apart. */
const MIN_HANDSHAKE_INTERVAL_MS = 200;
/** For what is under way when a connection ends. */
const STOP_MS = 10_000;
/** A greeting to all nodes is answered within this time, each node at its own moment. */
const GREETING_SPREAD_MS = 1000;

/** Carries the reason for a new handshake out of the live session. */
class HandshakeDemanded {
  constructor(readonly reason: string) {}
}

export class ComputeSession {
  readonly #options: ComputeLinkOptions;
  readonly #bus: Bus;
  readonly #signal: AbortSignal;
  readonly #onStatus: (status: LinkStatus, reason: string) => void;
  readonly #wake: Signal;
  /** A failure of data plane or connection, seen by the control loop when it wakes. */
  #broken: BacalhauError | HandshakeDemanded | undefined;
  #sender: Sender<OutMessage> | undefined;
  #leaving = false;
  #sentInfo = '';

  /** @param signal ends the session */
  constructor(
    options: ComputeLinkOptions,
    bus: Bus,
    signal: AbortSignal,
    onStatus: (status: LinkStatus, reason: string) => void,
  ) {
    this.#options = options;
    this.#bus = bus;
    this.#signal = signal;
    this.#onStatus = onStatus;
    this.#wake = new Signal(options.world);
  }

  /** Ends only by an error that says why, or quietly when the signal is aborted. */
  async run(): Promise<void> {
    const { nodeId, world } = this.#options;
    const wake = (): void => this.#wake.notify();
    this.#signal.addEventListener('abort', wake, { once: true });
    void this.#bus.closed.then(() => this.#break(connectionClosed()));
    const receiver = new Receiver<InMessage>({
      bus: this.#bus,
      subject: inSubject(nodeId),
      expects: (type) => IN_TYPES.has(type),
      receive: (batch) => this.#options.receive(batch),
      failed: (error) => this.#break(error),
    });
    const producer = new LogProducer({
      nodeId,
      world,
      bus: this.#bus,
      logs: (request, signal) => this.#options.logs(request, signal),
    });
    this.#bus.subscribe(helloSubject(nodeId), wake);
    this.#bus.subscribe(aliveSubject(nodeId, this.#options.bootId), ({ reply }) => {
      if (reply !== '' && this.#broken === undefined) this.#bus.publish(reply, ACK);
    });
    this.#bus.subscribe(HELLO_ALL, () => void world.after(world.random() * GREETING_SPREAD_MS, wake));
    try {
      await this.#flushed();
      while (!this.#signal.aborted) await this.#joinAndLive(receiver);
    } finally {
      this.#signal.removeEventListener('abort', wake);
      producer.stop();
      await this.#within(STOP_MS, Promise.all([receiver.stop(), this.#sender?.stop()]));
    }
  }

  /** Resolves when the outbox is empty, or the session has no data plane. */
  async idle(): Promise<void> {
    await this.#sender?.idle();
  }

  /** @throws BacalhauError when the orchestrator did not answer */
  async notice(reason: string): Promise<void> {
    this.#leaving = true;
    await this.#sender?.stop();
    await this.#request('transport.ShutdownNoticeRequest', {
      NodeID: this.#options.nodeId,
      ...(reason === '' ? {} : { Reason: reason }),
      LastOrchestratorSeqNum: this.#options.lastOrchestratorSeq(),
    });
  }

  /** Resolves with `work`, or without it after `ms`: one message that never ends must not keep the node from coming back. */
  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _timer = this.#options.world.after(ms, late.resolve);
    await Promise.race([work, late.promise]);
  }

  /** Our subscriptions are in force; a server that does not answer must not keep us from closing. */
  async #flushed(): Promise<void> {
    const gone = Promise.withResolvers<never>();
    const onAbort = (): void => gone.reject(this.#signal.reason);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#bus.flush(), gone.promise]);
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  /** Resolves when a new handshake is due. */
  async #joinAndLive(receiver: Receiver<InMessage>): Promise<void> {
    const { world } = this.#options;
    const startedAt = world.elapsed();
    this.#broken = undefined;
    receiver.restart();
    const response = await this.#handshake();
    await this.#options.connected(response);
    this.#sender = this.#startSender(response);
    this.#onStatus('connected', response.reason ?? '');
    try {
      await this.#controlLoop();
    } catch (thrown) {
      if (!(thrown instanceof HandshakeDemanded)) throw thrown;
      this.#onStatus('connecting', thrown.reason);
    } finally {
      await this.#sender.stop();
    }
    const early = startedAt + MIN_HANDSHAKE_INTERVAL_MS - world.elapsed();
    if (early > 0 && !this.#signal.aborted) await world.sleep(early, this.#signal);
  }

  async #handshake(): Promise<HandshakeResponse> {
    const { installId, bootId } = this.#options;
    const info = this.#options.nodeInfo();
    const response = await this.#request('transport.HandshakeRequest', {
      NodeInfo: info,
      LastOrchestratorSeqNum: this.#options.lastOrchestratorSeq(),
      Extensions: [EXTENSION],
      InstallID: installId,
      BootID: bootId,
    });
    if (!response.accepted) {
      const reason = response.reason || 'the orchestrator gave no reason';
      throw new BacalhauError('Forbidden', `Cannot join as node "${this.#options.nodeId}": ${reason}`);
    }
    this.#sentInfo = fixedPart(info);
    return response;
  }

  #startSender(response: HandshakeResponse): Sender<OutMessage> {
    const { nodeId, world, outbox, timings } = this.#options;
    const extended = response.Extensions?.includes(EXTENSION) ?? false;
    return new Sender<OutMessage>({
      world,
      bus: this.#bus,
      subject: outSubject(nodeId),
      source: nodeId,
      outbox,
      ackMs: timings.ackMs,
      metadata: {},
      chained: extended,
      understands: ({ type }) => extended || !EXTENSION_TYPES.has(type),
      failed: (error) => this.#break(error),
    });
  }

  #break(error: BacalhauError): void {
    // Nobody listens on `out.msgs`: the orchestrator has no session for this node (any more).
    this.#broken ??= error.code === 'NoResponders' ? new HandshakeDemanded(error.message) : error;
    this.#wake.notify();
  }

  /** Heartbeats and, where something changed, node info; at once when woken. */
  async #controlLoop(): Promise<void> {
    const { world, timings: { heartbeatMs, infoUpdateMs } } = this.#options;
    let silent = 0;
    let infoCheckedAt = world.elapsed();
    while (!this.#signal.aborted) {
      await this.#wake.wait(silent > 0 ? Math.min(SILENT_RETRY_MS, heartbeatMs) : heartbeatMs);
      if (this.#signal.aborted) return;
      if (this.#leaving) continue;
      if (this.#broken !== undefined) throw this.#broken;
      try {
        await this.#heartbeat();
        if (world.elapsed() - infoCheckedAt >= infoUpdateMs) {
          infoCheckedAt = world.elapsed();
          await this.#updateInfo();
        }
        silent = 0;
      } catch (thrown) {
        const error = toBacalhauError(thrown);
        if (this.#signal.aborted || this.#leaving) continue;
        if (error.code === 'HandshakeRequired' || error.code === 'NoResponders') {
          throw new HandshakeDemanded(error.message);
        }
        if (error.code === 'ConnectionClosed' || ++silent >= MAX_SILENT_HEARTBEATS) throw error;
      }
    }
  }

  async #heartbeat(): Promise<void> {
    const { available, queued } = this.#options.capacity();
    await this.#request('transport.HeartbeatRequest', {
      NodeID: this.#options.nodeId,
      AvailableCapacity: available,
      QueueUsedCapacity: queued,
      LastOrchestratorSeqNum: this.#options.lastOrchestratorSeq(),
    });
  }

  async #updateInfo(): Promise<void> {
    const info = this.#options.nodeInfo();
    const fixed = fixedPart(info);
    if (fixed === this.#sentInfo) return;
    const answer = await this.#request('transport.UpdateNodeInfoRequest', { NodeInfo: info });
    if (!answer.accepted) throw new BacalhauError('HandshakeRequired', answer.reason ?? 'node info refused');
    this.#sentInfo = fixed;
  }

  #request<T extends Parameters<typeof controlRequest>[1]>(
    type: T,
    payload: Parameters<typeof controlRequest<T>>[2],
  ): ReturnType<typeof controlRequest<T>> {
    const { nodeId, world, timings } = this.#options;
    const to = { bus: this.#bus, world, nodeId, timeoutMs: timings.requestMs };
    return controlRequest(to, type, payload, this.#signal);
  }
}

function connectionClosed(): BacalhauError {
  return new BacalhauError('ConnectionClosed', 'The connection to the orchestrator was lost', {
    retryable: true,
  });
}

/** Node info without what heartbeats tell: two equal texts need no update. */
function fixedPart(info: NodeInfo): string {
  const {
    QueueCapacity: _q,
    AvailableCapacity: _a,
    RunningExecutions: _r,
    EnqueuedExecutions: _e,
    ...fixed
  } = info.ComputeNodeInfo;
  return stringifyJson({ ...info, ComputeNodeInfo: fixed });
}
