/**
 * The orchestrator side of log streams: opens streams on nodes and hands their frames to readers, any number at once. A
 * stream ends with the log, with the reader, or with an error that names the cause; a node that vanishes is noticed by
 * its missing heartbeats.
 */
import { BacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { Signal } from '../../../runtime/async.ts';
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts';
import {
  Close,
  CREDIT_CLOSE,
  creditSubject,
  decodeStreamIds,
  decodeStreamMessage,
  encodeStreamRequest,
  json,
  LOG_CREDIT,
  LOG_HEARTBEAT_MS,
} from './log_wire.ts';
import type { StreamMessage } from './log_wire.ts';
import type { LogFrame, LogRequest } from '../wire/messages.ts';
import { logSubject } from '../wire/subjects.ts';

/** Without a sign of life for so long, three heartbeats and a margin, the node is taken for gone. */
const SILENCE_MS = 3 * LOG_HEARTBEAT_MS + 5000;
/** A reader this far behind a node without flow control is cut off. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

interface Stream {
  readonly id: string;
  readonly nodeId: string;
  readonly executionId: string;
  readonly wake: Signal;
  readonly queue: { readonly message: StreamMessage; readonly bytes: number }[];
  buffered: number;
  heardAt: number;
  failure: BacalhauError | undefined;
}

export class LogConsumer {
  readonly #bus: Bus;
  readonly #world: World;
  /** `_SINBOX.<22>`, one per orchestrator process; built at the first stream. */
  #inbox = '';
  #subscriptions: Subscription[] = [];
  readonly #streams = new Map<string, Stream>();
  #counter = 0;
  #watch: Disposable | undefined;
  #closed = false;

  constructor(bus: Bus, world: World) {
    this.#bus = bus;
    this.#world = world;
  }

  /** @throws BacalhauError from the iterator: the node's own error, or `ServiceUnavailable` when the node is away */
  async *read(nodeId: string, request: LogRequest, signal: AbortSignal): AsyncGenerator<LogFrame> {
    signal.throwIfAborted();
    const stream = this.#open(nodeId, request);
    const onAbort = (): void => stream.wake.notify();
    signal.addEventListener('abort', onAbort, { once: true });
    let ended = false;
    try {
      let consumed = 0n;
      let promised = LOG_CREDIT;
      for (;;) {
        signal.throwIfAborted();
        const item = stream.queue.shift();
        if (item === undefined) {
          if (stream.failure !== undefined) throw stream.failure;
          await stream.wake.wait();
          continue;
        }
        stream.buffered -= item.bytes;
        consumed += BigInt(item.bytes);
        if (item.message.kind === 'close') {
          ended = true;
          const { Code, Text, ErrorCode } = item.message.close;
          if (Code === Close.Normal) return;
          throw this.#error(
            stream,
            ErrorCode ?? codeOf(Code, Text),
            Text || `it was closed with code ${Code}`,
          );
        }
        if (item.message.kind === 'error') throw this.#error(stream, 'InternalError', item.message.text);
        yield item.message.frame;
        if (promised - consumed < LOG_CREDIT / 2n) {
          promised = consumed + LOG_CREDIT;
          this.#tell(stream, promised.toString());
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#streams.delete(stream.id);
      if (!ended) this.#tell(stream, CREDIT_CLOSE);
    }
  }

  /** Ends the streams of a node whose connection is known to be gone. */
  nodeGone(nodeId: string, reason: string): void {
    for (const stream of this.#streams.values()) {
      if (stream.nodeId === nodeId) this.#fail(stream, this.#error(stream, 'ServiceUnavailable', reason));
    }
  }

  /** Ends all streams. */
  close(reason: string): void {
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const stream of this.#streams.values()) {
      this.#fail(stream, this.#error(stream, 'ServiceUnavailable', reason));
    }
  }

  #open(nodeId: string, request: LogRequest): Stream {
    if (this.#closed) {
      const text = `Cannot read the log of "${request.ExecutionID}": the orchestrator is stopping`;
      throw new BacalhauError('ServiceUnavailable', text, { retryable: true });
    }
    this.#listen();
    const id = (++this.#counter).toString(36).padStart(8, '0');
    const stream: Stream = {
      id,
      nodeId,
      executionId: request.ExecutionID,
      wake: new Signal(this.#world),
      queue: [],
      buffered: 0,
      heardAt: this.#world.elapsed(),
      failure: undefined,
    };
    this.#streams.set(id, stream);
    const heartBeatRequestSub = `_HEARTBEAT.${this.#inbox}`;
    const data = encodeStreamRequest({
      consumerId: `${this.#inbox}.`,
      streamId: id,
      heartBeatRequestSub,
      log: request,
      credit: LOG_CREDIT,
    });
    this.#bus.publish(logSubject(nodeId), data, { reply: `${this.#inbox}.${id}` });
    this.#watchStreams();
    return stream;
  }

  #listen(): void {
    if (this.#inbox !== '') return;
    this.#inbox = `_SINBOX.${this.#bus.newInbox().slice('_INBOX.'.length)}`;
    this.#subscriptions = [
      this.#bus.subscribe(`${this.#inbox}.*`, (message) => this.#onMessage(message)),
      this.#bus.subscribe(`_HEARTBEAT.${this.#inbox}`, (message) => this.#onHeartbeat(message)),
    ];
  }

  #onMessage(message: BusMessage): void {
    const stream = this.#streams.get(message.subject.slice(this.#inbox.length + 1));
    if (stream === undefined || stream.failure !== undefined) return;
    stream.heardAt = this.#world.elapsed();
    if (message.status !== undefined) {
      return this.#fail(
        stream,
        this.#error(stream, 'ServiceUnavailable', `node "${stream.nodeId}" is not connected`),
      );
    }
    try {
      stream.queue.push({ message: decodeStreamMessage(message.data), bytes: message.data.length });
    } catch (error) {
      const text = `node "${stream.nodeId}" sent what is no log: ${(error as Error).message}`;
      return this.#fail(stream, this.#error(stream, 'InternalError', text));
    }
    stream.buffered += message.data.length;
    stream.wake.notify();
    if (stream.buffered > MAX_BUFFERED_BYTES) {
      const text = `the reader is ${MAX_BUFFERED_BYTES} bytes behind`;
      this.#fail(stream, this.#error(stream, 'ResourceExhausted', text));
    }
  }

  /** The true set of those that nobody reads any more. */
  #onHeartbeat(message: BusMessage): void {
    if (message.reply === '' || message.status !== undefined) return;
    const unwanted: Record<string, string[]> = {};
    try {
      for (const [subject, ids] of Object.entries(decodeStreamIds(message.data, 'ActiveStreamIds'))) {
        for (const id of ids) {
          const stream = this.#streams.get(id);
          if (stream === undefined) (unwanted[subject] ??= []).push(id);
          else stream.heardAt = this.#world.elapsed();
        }
      }
    } catch {
      // Answered all the same: silence would cost that producer all its streams.
    }
    this.#publish(message.reply, json({ NonActiveStreamIds: unwanted }));
  }

  /** One timer for all streams, only while there are any. */
  #watchStreams(): void {
    this.#watch ??= this.#world.after(LOG_HEARTBEAT_MS, () => {
      this.#watch = undefined;
      const now = this.#world.elapsed();
      for (const stream of this.#streams.values()) {
        if (now - stream.heardAt > SILENCE_MS) {
          const text = `node "${stream.nodeId}" no longer answers`;
          this.#fail(stream, this.#error(stream, 'ServiceUnavailable', text));
        }
      }
      if (this.#streams.size > 0 && !this.#closed) this.#watchStreams();
    });
  }

  #fail(stream: Stream, error: BacalhauError): void {
    stream.failure ??= error;
    stream.wake.notify();
  }

  #tell(stream: Stream, text: string): void {
    const request = { heartBeatRequestSub: `_HEARTBEAT.${this.#inbox}`, streamId: stream.id };
    this.#publish(creditSubject(request), new TextEncoder().encode(text));
  }

  #publish(subject: string, data: Uint8Array): void {
    try {
      this.#bus.publish(subject, data);
    } catch (error) {
      // The end of the connection ends the streams; whoever closed it says why.
      if (!(error instanceof BacalhauError && error.code === 'ConnectionClosed')) throw error;
    }
  }

  #error(stream: Stream, code: string, reason: string): BacalhauError {
    const why = reason.replace(/^error (?:in handler|decoding) : /, '');
    // A sentence of a node of ours is whole already.
    const text = why.startsWith('Cannot ') ? why : `Cannot read the log of "${stream.executionId}": ${why}`;
    return new BacalhauError(code, text, {
      retryable: code === 'ServiceUnavailable',
      ...(code === 'ServiceUnavailable'
        ? { hint: `Try again when node "${stream.nodeId}" is connected.` }
        : {}),
    });
  }
}

/** The original names no code; its one common failure is told by its text. */
function codeOf(close: number, text: string): string {
  if (/ execution \S+ not found$/.test(text)) return 'NotFound';
  if (close === Close.GoingAway) return 'ServiceUnavailable';
  if (close === Close.BadRequest) return 'BadRequest';
  return 'InternalError';
}
