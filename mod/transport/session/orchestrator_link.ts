/**
 * The orchestrator's end of all node sessions: answers control requests (one node's in turn, different nodes' at the same
 * time), keeps one data plane per node id, and reads logs. Whatever bytes arrive are answered, never fatal.
 *
 * Order of a handshake (invariants.md O6): decision in the store, old plane stopped, `out.msgs` subscribed and flushed,
 * answer sent, then the session's messages.
 */
import { BacalhauError } from '../../model/mod.ts';
import type { BusMessage, Subscription } from '../bus/bus.ts';
import { decodeMessage, encodeMessage } from '../wire/codec.ts';
import type { Decoded, Encoded, MessageType, Payloads } from '../wire/codec.ts';
import { DataPlane } from './data_plane.ts';
import type { OrchestratorLink, OrchestratorLinkOptions, SessionKey } from './link.ts';
import { LogConsumer } from '../logs/log_consumer.ts';
import { json } from '../logs/log_wire.ts';
import { EXTENSION } from '../wire/messages.ts';
import type { HandshakeRequest, HandshakeResponse, LogFrame, LogRequest } from '../wire/messages.ts';
import { cut, encodeError } from '../wire/replies.ts';
import {
  aliveSubject,
  checkNodeId,
  CONTROL_REQUESTS,
  HELLO_ALL,
  helloSubject,
  LEGACY_MANAGEMENT,
  nodeOfSubject,
  OTHER_REQUESTS,
} from '../wire/subjects.ts';

const QUEUE = 'bacalhau-orchestrators';
const CONTROL_SOURCE = 'orchestrator-control';
const REQUESTS_SOURCE = 'orchestrator-data-plane-responder';
/** Control requests of one node that wait for their turn; a node has one under way at a time. */
const MAX_WAITING = 64;
/** For the answer of a process that is there. */
const ALIVE_MS = 1_000;

/** Subscribes at once. When the bus ends, all sessions are dropped and the link is of no use any more. */
export function startOrchestratorLink(options: OrchestratorLinkOptions): OrchestratorLink {
  return new Link(options);
}

/** What is answered, and what happens once the answer is on its way. */
interface Answer {
  readonly encoded: Encoded;
  readonly afterwards?: () => void;
}

class Link implements OrchestratorLink {
  readonly #options: OrchestratorLinkOptions;
  readonly #subscriptions: readonly Subscription[];
  readonly #planes = new Map<string, DataPlane>();
  /** The last control request of each node that has one under way, and how many wait. */
  readonly #turns = new Map<string, { last: Promise<void>; waiting: number }>();
  readonly #logs: LogConsumer;
  /** Planes that are being stopped. */
  readonly #stopping = new Set<Promise<void>>();
  #closed = false;

  constructor(options: OrchestratorLinkOptions) {
    this.#options = options;
    const { bus, world } = options;
    this.#logs = new LogConsumer(bus, world);
    const queue = { queue: QUEUE };
    this.#subscriptions = [
      bus.subscribe(CONTROL_REQUESTS, (message) => this.#enqueue(message), queue),
      bus.subscribe(OTHER_REQUESTS, (message) => this.#onOtherRequest(message), queue),
      bus.subscribe(LEGACY_MANAGEMENT, (message) => this.#onLegacy(message), queue),
    ];
    void bus.closed.then(() => this.#dropAll('the connection to the message server was lost'));
    this.#publish(HELLO_ALL, new Uint8Array());
  }

  drop(nodeId: string, reason: string): void {
    const plane = this.#planes.get(nodeId);
    if (plane === undefined) return;
    this.#remove(plane, reason);
    this.#publish(helloSubject(nodeId), new Uint8Array());
  }

  async isAlive(nodeId: string, bootId: string): Promise<boolean> {
    const { bus } = this.#options;
    return await bus.request(aliveSubject(nodeId, bootId), new Uint8Array(), { timeoutMs: ALIVE_MS })
      .then(() => true, () => false);
  }

  sessions(): readonly SessionKey[] {
    return [...this.#planes.values()].map(({ session }) => session);
  }

  logs(nodeId: string, request: LogRequest, signal: AbortSignal): AsyncIterable<LogFrame> {
    return this.#logs.read(nodeId, request, signal);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const subscription of this.#subscriptions) subscription.unsubscribe();
      this.#dropAll('the orchestrator is stopping');
    }
    await Promise.all([...this.#turns.values()].map(({ last }) => last));
    await Promise.all(this.#stopping);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dropAll(reason: string): void {
    for (const plane of [...this.#planes.values()]) this.#remove(plane, reason);
    this.#logs.close(reason);
  }

  #remove(plane: DataPlane, reason: string): Promise<void> {
    if (this.#planes.get(plane.session.nodeId) === plane) this.#planes.delete(plane.session.nodeId);
    const stopped = plane.stop();
    this.#stopping.add(stopped);
    void stopped.finally(() => this.#stopping.delete(stopped));
    this.#options.dropped?.(plane.session, reason);
    return stopped;
  }

  #publish(subject: string, data: Uint8Array, headers?: Encoded['headers']): void {
    try {
      this.#options.bus.publish(subject, data, headers === undefined ? {} : { headers });
    } catch {
      // Peers repeat what stays unanswered; the end of the connection is noticed by `closed`.
    }
  }

  /** Requests of one node are handled in order of arrival. */
  #enqueue(message: BusMessage): void {
    if (message.reply === '' || message.status !== undefined) return;
    const nodeId = nodeOfSubject(message.subject);
    const turn = this.#turns.get(nodeId) ?? { last: Promise.resolve(), waiting: 0 };
    if (turn.waiting >= MAX_WAITING) {
      const text = `Cannot take the request of node "${nodeId}": ${MAX_WAITING} of its requests wait`;
      return this.#answerError(
        message,
        new BacalhauError('TooManyRequests', text, { retryable: true }),
        CONTROL_SOURCE,
      );
    }
    turn.waiting++;
    turn.last = turn.last.then(() => this.#control(nodeId, message)).finally(() => {
      if (--turn.waiting === 0) this.#turns.delete(nodeId);
    });
    this.#turns.set(nodeId, turn);
  }

  /** Never rejects. */
  async #control(nodeId: string, message: BusMessage): Promise<void> {
    try {
      const request = readRequest(message);
      const answer = await this.#answer(nodeId, request, echo(message));
      this.#publish(message.reply, answer.encoded.data, answer.encoded.headers);
      answer.afterwards?.();
    } catch (error) {
      this.#answerError(message, error, CONTROL_SOURCE);
    }
  }

  #answerError(message: BusMessage, error: unknown, source: string): void {
    const { data, headers } = encodeError(error, source, this.#options.world.now(), echo(message));
    this.#publish(message.reply, data, headers);
  }

  async #answer(nodeId: string, request: Decoded, extra: Record<string, string>): Promise<Answer> {
    const options = this.#options;
    const encode = <T extends MessageType>(type: T, payload: Payloads[T]): Answer => ({
      encoded: encodeMessage(type, payload, CONTROL_SOURCE, options.world.now(), extra),
    });
    switch (request.type) {
      case 'transport.HandshakeRequest': {
        checkSender(nodeId, request.payload.NodeInfo.NodeID);
        const { response, plane } = await this.#handshake(request.payload);
        const answer = encode('transport.HandshakeResponse', response);
        return plane === undefined ? answer : { ...answer, afterwards: () => plane.send() };
      }
      case 'transport.HeartbeatRequest':
        this.#session(nodeId, request.payload.NodeID);
        return encode('transport.HeartbeatResponse', await options.heartbeat(request.payload));
      case 'transport.UpdateNodeInfoRequest':
        this.#session(nodeId, request.payload.NodeInfo.NodeID);
        return encode('transport.UpdateNodeInfoResponse', await options.updateNodeInfo(request.payload));
      case 'transport.ShutdownNoticeRequest': {
        const plane = this.#session(nodeId, request.payload.NodeID);
        const answer = encode(
          'transport.ShutdownNoticeResponse',
          await options.shutdownNotice(request.payload),
        );
        return { ...answer, afterwards: () => void this.#remove(plane, 'graceful shutdown') };
      }
      default:
        throw new BacalhauError('', `no handler found for message type: ${request.type}`);
    }
  }

  /** @throws BacalhauError `HandshakeRequired` */
  #session(nodeId: string, named: string): DataPlane {
    checkSender(nodeId, named);
    const plane = this.#planes.get(nodeId);
    if (plane !== undefined) return plane;
    throw new BacalhauError('HandshakeRequired', `node ${nodeId} not connected - handshake required`, {
      component: 'NodesManager',
      retryable: true,
    });
  }

  async #handshake(
    request: HandshakeRequest,
  ): Promise<{ readonly response: HandshakeResponse; readonly plane?: DataPlane }> {
    const { world, bus, timings } = this.#options;
    const nodeId = request.NodeInfo.NodeID;
    checkNodeId(nodeId);
    const decision = await this.#options.handshake(request);
    if (!('session' in decision)) return decision;
    if (this.#closed) {
      throw new BacalhauError('ServiceUnavailable', 'the orchestrator is stopping', { retryable: true });
    }
    const old = this.#planes.get(nodeId);
    if (old !== undefined) await this.#remove(old, 'replaced by a new handshake');
    this.#logs.nodeGone(nodeId, `node "${nodeId}" connected anew`);
    const extended = request.Extensions?.includes(EXTENSION) ?? false;
    const plane: DataPlane = new DataPlane({
      session: decision.session,
      world,
      bus,
      ackMs: timings.ackMs,
      extended,
      receive: (session, batch) => this.#options.receive(session, batch),
      outbox: (session) => this.#options.outbox(session),
      failed: (error) => this.#failed(plane, error),
    });
    this.#planes.set(nodeId, plane);
    await bus.flush();
    const response = extended ? { ...decision.response, Extensions: [EXTENSION] } : decision.response;
    return { response, plane };
  }

  #failed(plane: DataPlane, error: BacalhauError): void {
    if (this.#planes.get(plane.session.nodeId) === plane) this.drop(plane.session.nodeId, error.message);
  }

  #onOtherRequest(message: BusMessage): void {
    if (message.reply === '' || message.status !== undefined) return;
    let error: unknown;
    try {
      const { type } = readRequest(message);
      error = type === 'managedPublisher.PreSignURLRequest'
        ? new BacalhauError('BadRequest', 'Managed S3 publisher is not available')
        : new BacalhauError('', `no handler found for message type: ${type}`);
    } catch (thrown) {
      error = thrown;
    }
    this.#answerError(message, error, REQUESTS_SOURCE);
  }

  /** A node of the original tries the legacy protocol first and goes on with this one when refused. */
  #onLegacy(message: BusMessage): void {
    if (message.reply === '' || message.status !== undefined) return;
    const method = message.subject.split('.').at(-1);
    const answer = method === 'RegisterNode/v1'
      ? { value: { Accepted: false, Reason: 'node supports NCLv1 protocol - legacy protocol disabled' } }
      : { value: null, error: cut(`the legacy protocol is not supported: ${method}`) };
    this.#publish(message.reply, json(answer));
  }
}

/** @throws BacalhauError with the original's text and an empty code */
function readRequest(message: BusMessage): Decoded {
  try {
    return decodeMessage(message.data);
  } catch (error) {
    const text = `failed to deserialize request: ${(error as Error).message}`;
    throw new BacalhauError('', text, { cause: error });
  }
}

/** Longer than any that a peer makes. */
const MAX_ECHO = 256;

/** The one header that responders copy. */
function echo(message: BusMessage): Record<string, string> {
  const id = message.headers['Bacalhau-MessageID'];
  return id === undefined || id.length > MAX_ECHO ? {} : { 'Bacalhau-MessageID': id };
}

/** A node speaks for itself only (the original trusts the payload). */
function checkSender(subjectId: string, payloadId: string): void {
  if (subjectId === payloadId) return;
  throw new BacalhauError(
    'BadRequest',
    `Cannot take a request for node "${payloadId}" from node "${subjectId}"`,
  );
}
