/**
 * The compute side of log streams: answers requests with the frames of `logs()`, many streams at once, each cancelled on
 * its own. A consumer that leaves a heartbeat unanswered loses all its streams.
 */
import { toBacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { Signal } from '../../../runtime/async.ts';
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts';
import {
  Close,
  CREDIT_CLOSE,
  creditSubject,
  decodeStreamIds,
  decodeStreamRequest,
  encodeClose,
  encodeFrame,
  json,
  LOG_HEARTBEAT_MS,
  LOG_HEARTBEAT_TIMEOUT_MS,
} from './log_wire.ts';
import type { StreamClose, StreamRequest } from './log_wire.ts';
import type { LogFrame, LogRequest } from '../wire/messages.ts';
import { cut } from '../wire/replies.ts';
import { logSubject } from '../wire/subjects.ts';

const MAX_STREAMS = 1024;
/** Bytes after which the producer waits until the server has taken them. */
const FLUSH_BYTES = 256 * 1024;
/** A frame of more characters is sent in pieces, so that even fully escaped it stays below the message limit. */
const MAX_LINE = 64 * 1024;

interface Stream {
  readonly request: StreamRequest;
  readonly reply: string;
  readonly abort: AbortController;
  readonly wake: Signal;
  granted: bigint;
  sent: bigint;
}

/** The reader is gone or wants no more: nobody waits for a close. */
const UNWANTED = Symbol('unwanted');

export interface LogProducerOptions {
  readonly nodeId: string;
  readonly world: World;
  readonly bus: Bus;
  logs(request: LogRequest, signal: AbortSignal): AsyncIterable<LogFrame>;
}

export class LogProducer {
  readonly #options: LogProducerOptions;
  readonly #subject: string;
  readonly #subscription: Subscription;
  readonly #streams = new Map<string, Stream>();
  /** Heartbeat timers by heartbeat subject: one per consumer. */
  readonly #heartbeats = new Map<string, Disposable>();
  #stopped = false;

  constructor(options: LogProducerOptions) {
    this.#options = options;
    this.#subject = logSubject(options.nodeId);
    this.#subscription = options.bus.subscribe(this.#subject, (message) => this.#onRequest(message));
  }

  /** Ends all streams with "going away". */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#subscription.unsubscribe();
    for (const timer of this.#heartbeats.values()) timer[Symbol.dispose]();
    for (const stream of this.#streams.values()) {
      this.#close(stream, { Code: Close.GoingAway, Text: 'the node is closing its connection' });
      stream.abort.abort(UNWANTED);
    }
  }

  #onRequest(message: BusMessage): void {
    if (message.reply === '' || message.status !== undefined || this.#stopped) return;
    let request: StreamRequest;
    try {
      request = decodeStreamRequest(message.data);
    } catch (error) {
      const Text = cut(`error decoding : ${(error as Error).message}`);
      return this.#publish(message.reply, encodeClose({ Code: Close.BadRequest, Text }));
    }
    const refusal = this.#streams.has(request.streamId)
      ? `stream ${request.streamId} exists`
      : this.#streams.size >= MAX_STREAMS
      ? `the node already serves ${MAX_STREAMS} log streams`
      : undefined;
    if (refusal !== undefined) {
      const Text = `error in handler : ${refusal}`;
      return this.#publish(message.reply, encodeClose({ Code: Close.Internal, Text }));
    }
    const stream: Stream = {
      request,
      reply: message.reply,
      abort: new AbortController(),
      wake: new Signal(this.#options.world),
      granted: request.credit,
      sent: 0n,
    };
    this.#streams.set(request.streamId, stream);
    void this.#serve(stream);
    if (request.heartBeatRequestSub !== '') this.#scheduleHeartbeat(request.heartBeatRequestSub);
  }

  async #serve(stream: Stream): Promise<void> {
    const { request, abort } = stream;
    const credit = request.credit > 0n ? this.#listenForCredit(stream) : undefined;
    let close: StreamClose = { Code: Close.Normal, Text: '' };
    try {
      await this.#send(stream);
    } catch (thrown) {
      const error = toBacalhauError(thrown);
      close = {
        Code: Close.Internal,
        Text: `error in handler : ${error.message}`,
        ...(credit !== undefined && error.code !== '' ? { ErrorCode: error.code } : {}),
      };
    } finally {
      credit?.unsubscribe();
      this.#streams.delete(request.streamId);
    }
    if (!abort.signal.aborted) this.#close(stream, close);
  }

  #listenForCredit(stream: Stream): Subscription {
    return this.#options.bus.subscribe(creditSubject(stream.request), ({ data }) => {
      const text = new TextDecoder().decode(data);
      if (text === CREDIT_CLOSE) return this.#cancel(stream);
      const total = /^[0-9]{1,18}$/.test(text) ? BigInt(text) : 0n;
      if (total > stream.granted) stream.granted = total;
      stream.wake.notify();
    });
  }

  #cancel(stream: Stream): void {
    stream.abort.abort(UNWANTED);
    stream.wake.notify();
  }

  async #send(stream: Stream): Promise<void> {
    const { bus } = this.#options;
    const { request, abort: { signal } } = stream;
    const frames = this.#options.logs(request.log, signal)[Symbol.asyncIterator]();
    let onAbort: (() => void) | undefined;
    signal.addEventListener('abort', () => onAbort?.(), { once: true });
    const nextOrAborted = (): Promise<IteratorResult<LogFrame>> =>
      new Promise((resolve, reject) => {
        onAbort = () => resolve({ done: true, value: undefined });
        frames.next().then(resolve, reject);
      });
    let unflushed = 0;
    try {
      while (!signal.aborted) {
        const next = await nextOrAborted();
        if (next.done || signal.aborted) return;
        for (const piece of pieces(next.value)) {
          const data = encodeFrame(piece, request.credit > 0n);
          while (request.credit > 0n && stream.sent >= stream.granted && !signal.aborted) {
            await stream.wake.wait();
          }
          if (signal.aborted) return;
          bus.publish(stream.reply, data);
          stream.sent += BigInt(data.length);
          unflushed += data.length;
        }
        if (unflushed >= FLUSH_BYTES) {
          await bus.flush();
          unflushed = 0;
        }
      }
    } finally {
      // Not awaited: an iterator that is stuck in `next()` would keep the stream open.
      if (signal.aborted) void frames.return?.().then(undefined, () => undefined);
    }
  }

  #scheduleHeartbeat(subject: string): void {
    if (this.#heartbeats.has(subject) || this.#stopped) return;
    const timer = this.#options.world.after(LOG_HEARTBEAT_MS, () => {
      this.#heartbeats.delete(subject);
      void this.#heartbeat(subject);
    });
    this.#heartbeats.set(subject, timer);
  }

  async #heartbeat(subject: string): Promise<void> {
    const own = [...this.#streams.values()].filter(({ request }) => request.heartBeatRequestSub === subject);
    if (own.length === 0 || this.#stopped) return;
    const ids = own.map(({ request }) => request.streamId).sort();
    try {
      const answer = await this.#options.bus.request(
        subject,
        json({ ActiveStreamIds: { [this.#subject]: ids } }),
        {
          timeoutMs: LOG_HEARTBEAT_TIMEOUT_MS,
        },
      );
      const unwanted = new Set(Object.values(decodeStreamIds(answer.data, 'NonActiveStreamIds')).flat());
      for (const stream of own) if (unwanted.has(stream.request.streamId)) this.#cancel(stream);
    } catch {
      // No answer, or none that can be read: the consumer is gone and its streams with it.
      for (const stream of own) this.#cancel(stream);
    }
    this.#scheduleHeartbeat(subject);
  }

  #close(stream: Stream, close: StreamClose): void {
    this.#publish(stream.reply, encodeClose(close));
  }

  #publish(subject: string, data: Uint8Array): void {
    try {
      this.#options.bus.publish(subject, data);
    } catch {
      // The reader learns of a lost connection by missing heartbeats.
    }
  }
}

/** The frame itself, or pieces of at most `MAX_LINE` characters; only the last has the offset to go on from. */
function* pieces(frame: LogFrame): Generator<LogFrame> {
  let rest = frame.Line;
  while (rest.length > MAX_LINE) {
    // Not between the halves of a surrogate pair.
    const high = rest.charCodeAt(MAX_LINE - 1);
    const cut = high >= 0xd800 && high <= 0xdbff ? MAX_LINE - 1 : MAX_LINE;
    const { Offset: _later, ...head } = frame;
    yield { ...head, Line: rest.slice(0, cut) };
    rest = rest.slice(cut);
  }
  yield { ...frame, Line: rest };
}
