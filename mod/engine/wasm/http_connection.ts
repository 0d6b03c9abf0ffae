/** One request to one host: decided, sent over a connection to the checked addresses, recorded. */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type Decision,
  type DecisionSink,
  RequestRecord,
  type TokenBucket,
} from '../../../runtime/egress/mod.ts';
import { headersOf, type OutgoingRequest } from './http_message.ts';
import type { HostPolicy } from './http_policy.ts';
import type { Route, Sockets } from './http_sockets.ts';

export interface Ways {
  readonly policy: HostPolicy;
  readonly log: DecisionSink;
  readonly bucket: TokenBucket;
  readonly sockets: Sockets;
  /** Set on requests in plain HTTP, whatever the module wrote. */
  readonly plainHeaders: Readonly<Record<string, string>>;
  /** Waits, or rejects when the run or the request has no more time. */
  sleep(ms: number): Promise<void>;
}

/** The policy said no. */
export class NotAllowed extends Error {
  constructor(readonly decision: Extract<Decision, { allowed: false }>) {
    super(decision.reason);
  }
}

const MAX_HEADER_BYTES = 64 << 10;

/** What may be done twice (RFC 9110 9.2.2), which nobody can tell who lost the connection over it. */
const REPEATABLE: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

export class Connection {
  readonly #ways: Ways;
  readonly #signal: AbortSignal;
  readonly #visit: RequestRecord;
  readonly #request: OutgoingRequest;
  #outgoing: ClientRequest | undefined;
  #socket: Socket | undefined;
  #route: Route | undefined;
  #isOver = false;
  #onClose = () => {};
  readonly #onAbort = () => void this.#outgoing?.destroy(this.#signal.reason);

  /** @param signal ends everything; its reason is an Error with a `code` for the log */
  constructor(request: OutgoingRequest, ways: Ways, signal: AbortSignal) {
    this.#request = request;
    this.#ways = ways;
    this.#signal = signal;
    this.#visit = new RequestRecord(ways.log, request.method);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * The head of the answer; its body is read by {@link parts}.
   * @param body parts of the request's body, asked for one after the other
   * @throws NotAllowed; else the error of the system, recorded unless it {@link isStale}
   */
  async open(body: AsyncIterable<Uint8Array>): Promise<IncomingMessage> {
    const { url, method, bodyBytes } = this.#request;
    const isSecure = url.protocol === 'https:';
    const port = Number(url.port) || (isSecure ? 443 : 80);
    this.#visit.to(url.hostname, port);
    try {
      this.#signal.throwIfAborted();
      // A port is open to `http` or not: what is sent there is a request that we wrote, in TLS or not.
      const decision = await this.#inTime(
        this.#ways.policy.decide({ host: url.hostname, port, scheme: 'http' }),
      );
      this.#visit.decided(decision);
      if (!decision.allowed) throw new NotAllowed(decision);
      const host = decision.host.includes(':') ? `[${decision.host}]` : decision.host;
      const route = this.#route = this.#ways.sockets.route(decision, isSecure, this.#signal);
      const outgoing = this.#outgoing = httpRequest({
        agent: route.agent,
        method,
        path: `${url.pathname}${url.search}`,
        headers: headersOf(
          this.#request,
          url.port === '' ? host : `${host}:${port}`,
          isSecure ? {} : this.#ways.plainHeaders,
        ),
        setHost: false,
        maxHeaderSize: MAX_HEADER_BYTES,
      });
      const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      outgoing.once('response', resolve);
      // Stays for errors after the response, which its own stream reports, too.
      outgoing.on('error', reject);
      // Deno tells a close before the answer to the socket only.
      this.#onClose = () => reject(Object.assign(new Error('the host hung up'), { code: 'ECONNRESET' }));
      outgoing.once('socket', (socket) => {
        this.#visit.address = route.address;
        this.#socket = socket.once('close', this.#onClose);
      });
      if (bodyBytes === 0) outgoing.end();
      else pipeline(Readable.from(this.#counted(body)), outgoing).catch(reject);
      const incoming = await this.#inTime(answered);
      this.#socket?.off('close', this.#onClose);
      this.#visit.status = incoming.statusCode ?? 0;
      return incoming;
    } catch (error) {
      if (!this.isStale) {
        this.fail(error);
        this.close();
      }
      throw error;
    }
  }

  /** The body of the answer, no faster than the run may receive. @throws Error when it ends too soon */
  async *parts(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
    for await (const part of incoming as AsyncIterable<Uint8Array>) {
      this.#visit.bytesReceived += part.length;
      await this.#pace(part.length);
      yield part;
    }
    const length = Number(incoming.headers['content-length'] ?? NaN);
    const isWhole = incoming.complete && !(this.#visit.bytesReceived < length);
    this.#isOver = this.#request.method === 'HEAD' || isWhole;
    if (this.#isOver) return;
    throw Object.assign(new Error('the answer ended too soon'), { code: 'ECONNRESET' });
  }

  /** Whether it failed only because a kept connection had come to its end, and may be sent again. */
  get isStale(): boolean {
    return this.#route?.isNew === false && this.#visit.status === undefined &&
      !this.#signal.aborted && REPEATABLE.includes(this.#request.method);
  }

  /** Records why it went wrong after it was allowed. */
  fail(error: unknown): void {
    if (!(error instanceof NotAllowed)) this.#visit.fail(this.#signal.aborted ? this.#signal.reason : error);
  }

  /** Writes the line of the decision log; the connection is kept when both bodies came to their ends. Idempotent. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    // A host that answers early still waits for the rest of the body.
    const isWhole = this.#visit.bytesSent === this.#request.bodyBytes && this.#outgoing?.writableFinished;
    if (this.#isOver && isWhole) return this.#visit.end();
    this.#outgoing?.destroy();
    // Bun frees the connection of an early answer.
    this.#socket?.destroy();
    this.#visit.end();
  }

  async *#counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of body) {
      await this.#pace(part.length);
      this.#visit.bytesSent += part.length;
      yield part;
    }
  }

  async #pace(bytes: number): Promise<void> {
    const wait = this.#ways.bucket.take(bytes);
    if (wait < 1) return;
    this.#visit.throttledMs += wait;
    await this.#ways.sleep(wait);
  }

  /** @throws the signal's reason */
  #inTime<T>(promise: Promise<T>): Promise<T> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(this.#signal.reason);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    return Promise.race([promise, aborted]).finally(() => this.#signal.removeEventListener('abort', onAbort));
  }
}
