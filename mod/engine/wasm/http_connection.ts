/** One request to one host: decided, dialled at the checked addresses, sent, recorded. */
import { type IncomingMessage, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls } from 'node:tls';
import {
  canonicalAddress,
  type Decision,
  type DecisionSink,
  dial,
  type TokenBucket,
  Visit,
} from '../../../runtime/egress/mod.ts';
import { headersOf, type OutgoingRequest } from './http_message.ts';
import type { HostPolicy } from './http_policy.ts';

export interface Ways {
  readonly policy: HostPolicy;
  readonly log: DecisionSink;
  readonly bucket: TokenBucket;
  /** Milliseconds for a connection. */
  readonly connectMs: number;
  /** Set on requests in plain HTTP, whatever the module wrote. */
  readonly plainHeaders: Readonly<Record<string, string>>;
  readonly ca: string | undefined;
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

export class Connection {
  readonly #ways: Ways;
  readonly #signal: AbortSignal;
  readonly #visit: Visit;
  readonly #request: OutgoingRequest;
  #socket: Socket | undefined;
  readonly #onAbort = () => void this.#socket?.destroy(this.#signal.reason);

  /** @param signal ends everything; its reason is an Error with a `code` for the log */
  constructor(request: OutgoingRequest, ways: Ways, signal: AbortSignal) {
    this.#request = request;
    this.#ways = ways;
    this.#signal = signal;
    this.#visit = new Visit(ways.log, request.method);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * The head of the answer; its body is read by {@link parts}.
   * @param body parts of the request's body, asked for one after the other
   * @throws NotAllowed; else the error of the system
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
      const socket = await this.#connect(decision, isSecure);
      const host = decision.host.includes(':') ? `[${decision.host}]` : decision.host;
      const outgoing = httpRequest({
        method,
        path: `${url.pathname}${url.search}`,
        headers: headersOf(
          this.#request,
          url.port === '' ? host : `${host}:${port}`,
          isSecure ? {} : this.#ways.plainHeaders,
        ),
        setHost: false,
        maxHeaderSize: MAX_HEADER_BYTES,
        createConnection: () => socket,
      });
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve);
        // Stays for errors after the response, which its own stream reports, too.
        outgoing.on('error', reject);
      });
      if (bodyBytes === 0) outgoing.end();
      else {
        pipeline(Readable.from(this.#counted(body)), outgoing).catch((error) => outgoing.destroy(error));
      }
      const incoming = await this.#inTime(answered);
      this.#visit.status = incoming.statusCode ?? 0;
      return incoming;
    } catch (error) {
      this.fail(error);
      this.close();
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
    if (this.#request.method === 'HEAD' || isWhole) return;
    throw Object.assign(new Error('the answer ended too soon'), { code: 'ECONNRESET' });
  }

  /** Records why it went wrong after it was allowed. */
  fail(error: unknown): void {
    if (!(error instanceof NotAllowed)) this.#visit.fail(this.#signal.aborted ? this.#signal.reason : error);
  }

  /** Writes the line of the decision log. Idempotent. */
  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#socket?.destroy();
    this.#visit.end();
  }

  async #connect(decision: Extract<Decision, { allowed: true }>, isSecure: boolean): Promise<Socket> {
    const { addresses, port, host } = decision;
    const dialled = dial(addresses, port, this.#ways.connectMs);
    // One that is there too late is nobody's.
    dialled.then(({ socket }) => {
      if (this.#signal.aborted) socket.destroy();
    }, () => undefined);
    const { socket, address } = await this.#inTime(dialled);
    this.#visit.address = address;
    this.#socket = socket;
    return isSecure ? this.#socket = await this.#inTime(secured(socket, host, this.#ways.ca)) : socket;
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

/** @throws Error of TLS, also when the certificate is not of this host */
function secured(socket: Socket, host: string, ca: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      host,
      // Addresses are not said (RFC 6066 3).
      ...(canonicalAddress(host) === null ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
      ...(ca === undefined ? {} : { ca }),
    });
    tls.once('error', reject);
    tls.once('secureConnect', () => {
      tls.off('error', reject);
      resolve(tls);
    });
  });
}
