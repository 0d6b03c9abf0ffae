/**
 * The filtering forward proxy of one execution: absolute-URI requests in plain HTTP, and CONNECT tunnels. It listens on a
 * unix socket (or a port), asks the policy about every request, connects to the addresses that were checked, and records
 * what it did. Redirects go back to the client, whose next request is checked like any other.
 *
 * Each request travels in a connection of its own and is written anew by `node:http`, so nothing that two parsers could
 * read differently (request smuggling) gets from one side to the other.
 */
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { ListenOptions, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DecisionSink } from './decision_log.ts';
import { dial } from './dial.ts';
import { answerText, endToEndHeaders, framingFault, hasBody, rawAnswer, requestHeaders } from './messages.ts';
import type { Decision, EgressPolicy, Target } from './policy.ts';
import { Meter, TokenBucket } from './rate.ts';
import { RequestRecord } from './request_record.ts';

/** What one program may use of its proxy. */
export interface ProxyLimits {
  /** Requests and tunnels under way at once; more are answered 503. */
  readonly connections: number;
  /** Bytes a second, both directions of all connections together; 0 = no limit. */
  readonly bytesPerSecond: number;
  /** For a request's head to arrive. */
  readonly headerMs: number;
  /** For a connection to a host. */
  readonly connectMs: number;
  /** Without a byte in either direction. */
  readonly idleMs: number;
}

/**
 * 100 Mbit/s: ten times the shaping of the original's gateway, so that nothing which ran there is slower, and one job
 * does not fill the node's link.
 */
export const DEFAULT_LIMITS: ProxyLimits = Object.freeze({
  connections: 256,
  bytesPerSecond: 12_500_000,
  headerMs: 30_000,
  connectMs: 30_000,
  idleMs: 300_000,
});

/** What a proxy decides by and reports to. */
export interface ProxyOptions {
  readonly policy: EgressPolicy;
  readonly log: DecisionSink;
  readonly limits?: Partial<ProxyLimits>;
  /** Set on every plain HTTP request, whatever the client sent under these names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What to do about the limit of connections, for the person who wrote the job. */
  readonly limitHint?: string;
  /** Told of each decision that cannot be recorded (a full disk). */
  readonly onLogError?: (error: Error) => void;
}

const MAX_HEADER_BYTES = 64 << 10;

/** An HTTP proxy that lets through what its policy allows, within its limits. */
export class EgressProxy {
  #server: Server;
  #limits: ProxyLimits;
  #bucket: TokenBucket;
  #underWay = new Set<{ destroy(): void }>();
  #answering = new Map<Duplex, ServerResponse>();
  /** Requests and tunnels whose line in the log is still to come. */
  #tasks = new Set<Promise<void>>();
  #closing = new AbortController();
  #options: ProxyOptions;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#bucket = new TokenBucket(this.#limits.bytesPerSecond);
    this.#server = createServer({
      headersTimeout: this.#limits.headerMs,
      requestTimeout: 0,
      keepAliveTimeout: Math.min(this.#limits.idleMs, 60_000),
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    this.#server.on('request', (request, response) => {
      const { socket } = request;
      this.#answering.set(socket, response);
      response.once('close', () => {
        if (this.#answering.get(socket) === response) this.#answering.delete(socket);
      });
      this.#track(this.#onRequest(request, response), response);
    });
    this.#server.on('connect', (request, socket, head) => {
      this.#track(this.#onConnect(request, socket, head), socket);
    });
    this.#server.on('clientError', (_error, socket) => {
      const response = this.#answering.get(socket);
      // What cannot be read came behind a request that is under way: it ends the connection, not that answer.
      if (response) response.once('close', () => socket.destroy());
      else if (socket.writable) {
        socket.end(rawAnswer('400 Bad Request', answerText('the request cannot be read')));
      } else socket.destroy();
    });
  }

  /**
   * Resolves when it listens.
   * @param at `{ path }` for a unix socket, `{ host, port }` for TCP
   * @throws Error of the system (`EADDRINUSE`, `ENOENT`)
   */
  static async listen(at: ListenOptions, options: ProxyOptions): Promise<EgressProxy> {
    const proxy = new EgressProxy(options);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(at, () => {
        proxy.#server.off('error', reject);
        resolve();
      });
    });
    return proxy;
  }

  /** Port it listens on; 0 on a unix socket. */
  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  /** Ends all that is under way, writes what became of it, then ends the log. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#closing.abort(Object.assign(new Error('the execution has ended'), { code: 'ECANCELED' }));
    for (const one of [...this.#underWay]) one.destroy();
    this.#server.closeAllConnections();
    await closed;
    await Promise.all(this.#tasks);
    this.#options.log.close();
  }

  /** It fails only where its decision cannot be recorded; then its client gets nothing. */
  #track(work: Promise<void>, client: { destroy(): void }): void {
    const task = work.catch((error: Error) => {
      client.destroy();
      this.#options.onLogError?.(error);
    }).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** A look-up cannot be ended, but it need not be waited for. */
  async #decide(target: Target): Promise<Decision> {
    const { signal } = this.#closing;
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = () => reject(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([this.#options.policy.decide(target), ended]);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const visit = new RequestRecord(this.#options.log, request.method ?? 'GET');
    response.on('error', () => response.destroy());
    const answer = (status: number, text: string) => {
      visit.status = status;
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
      response.end(text);
    };
    const url = absoluteUrl(request.url ?? '');
    const fault = typeof url === 'string' ? url : framingFault(request);
    if (typeof url === 'string' || fault !== null) {
      visit.refuse('request-invalid', fault!);
      return answer(400, answerText(fault!));
    }
    const port = url.port === '' ? 80 : Number(url.port);
    visit.to(url.hostname, port);
    if (this.#full(visit)) return answer(503, this.#busy());
    const slot = { destroy: () => void response.destroy() };
    this.#underWay.add(slot);
    try {
      const decision = await this.#decide({ host: url.hostname, port, scheme: 'http' });
      if (!decision.allowed) {
        visit.decided(decision);
        const status = decision.code === 'name-not-found' ? 502 : 403;
        return answer(status, answerText(decision.reason, decision.hint));
      }
      visit.decided(decision);
      await this.#forward(request, response, url, decision, visit);
    } catch (error) {
      visit.fail(error);
      if (response.headersSent) response.destroy();
      else answer(502, answerText(`${url.host} cannot be reached (${visit.why})`));
    } finally {
      this.#underWay.delete(slot);
      visit.end();
    }
  }

  async #forward(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    { host, port, addresses }: Extract<Decision, { allowed: true }>,
    visit: RequestRecord,
  ): Promise<void> {
    const { socket, address } = await dial(addresses, port, this.#limits.connectMs, this.#closing.signal);
    visit.address = address;
    const gone = () => socket.destroy();
    response.once('close', gone);
    if (response.destroyed) gone();
    const up = new Meter(this.#bucket);
    const down = new Meter(this.#bucket);
    try {
      socket.setTimeout(this.#limits.idleMs, () => socket.destroy(idle()));
      const outgoing = httpRequest({
        method: request.method,
        path: `${url.pathname}${url.search}`,
        headers: requestHeaders(request, authority(host, port), this.#options.headers ?? {}),
        setHost: false,
        createConnection: () => socket,
      });
      const answered = answerOf(outgoing);
      // A host may answer before it has read the whole body; what is left of it is then of no interest.
      const sent = hasBody(request) ? pipeline(request, up, outgoing) : Promise.resolve(outgoing.end());
      sent.catch((error: Error) => outgoing.destroy(error));
      const incoming = await answered;
      visit.status = incoming.statusCode ?? 502;
      response.writeHead(visit.status, incoming.statusMessage ?? '', endToEndHeaders(incoming));
      response.flushHeaders();
      await pipeline(incoming, down, response);
    } finally {
      count(visit, up, down);
      response.off('close', gone);
      socket.destroy();
    }
  }

  async #onConnect(request: IncomingMessage, client: Duplex, head: Uint8Array): Promise<void> {
    const visit = new RequestRecord(this.#options.log, 'CONNECT');
    client.on('error', () => client.destroy());
    const answer = (status: string, text: string) => void client.end(rawAnswer(status, text));
    const target = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(request.url ?? '');
    if (!target || Number(target[2]) > 65535) {
      visit.refuse('request-invalid', 'CONNECT names no host and port');
      return answer('400 Bad Request', answerText('CONNECT names no host and port'));
    }
    const [host, port] = [target[1]!, Number(target[2])];
    visit.to(host, port);
    if (this.#full(visit)) return answer('503 Service Unavailable', this.#busy());
    this.#underWay.add(client);
    try {
      const decision = await this.#decide({ host, port, scheme: 'tunnel' });
      if (!decision.allowed) {
        visit.decided(decision);
        const status = decision.code === 'name-not-found' ? '502 Bad Gateway' : '403 Forbidden';
        return answer(status, answerText(decision.reason, decision.hint));
      }
      visit.decided(decision);
      const { socket, address } = await dial(
        decision.addresses,
        port,
        this.#limits.connectMs,
        this.#closing.signal,
      );
      visit.address = address;
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      await this.#tunnel(client, head, socket, visit);
    } catch (error) {
      if (visit.address === undefined) {
        visit.fail(error);
        answer('502 Bad Gateway', answerText(`${host}:${port} cannot be reached (${visit.why})`));
      } else {
        visit.cut(error);
      }
    } finally {
      this.#underWay.delete(client);
      visit.end();
    }
  }

  async #tunnel(client: Duplex, head: Uint8Array, host: Socket, visit: RequestRecord): Promise<void> {
    const up = new Meter(this.#bucket);
    const down = new Meter(this.#bucket);
    const end = () => {
      client.destroy();
      host.destroy();
    };
    client.setMaxListeners(32); // two pipelines over one socket, and Bun's server adds its own
    client.once('close', end);
    host.setTimeout(this.#limits.idleMs, end);
    if (head.length > 0) up.write(head);
    try {
      await Promise.all([pipeline(client, up, host), pipeline(host, down, client)]);
    } finally {
      count(visit, up, down);
      end();
    }
  }

  #full(visit: RequestRecord): boolean {
    if (this.#underWay.size < this.#limits.connections) return false;
    visit.refuse('too-many-connections', this.#tooMany(), this.#options.limitHint);
    return true;
  }

  #tooMany(): string {
    return `this execution has ${this.#limits.connections} connections open, which is its limit`;
  }

  #busy(): string {
    return answerText(this.#tooMany(), this.#options.limitHint);
  }
}

/** `Host` of a checked target: the default port is left out, IPv6 is in brackets. */
function authority(host: string, port: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === 80 ? name : `${name}:${port}`;
}

function idle(): Error {
  return Object.assign(new Error('no byte for too long'), { code: 'ETIMEDOUT' });
}

function count(visit: RequestRecord, up: Meter, down: Meter): void {
  visit.bytesSent = up.bytes;
  visit.bytesReceived = down.bytes;
  visit.throttledMs = up.waitedMs + down.waitedMs;
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    // Nobody asked for it: `Upgrade` does not cross the proxy.
    outgoing.once('upgrade', (_answer, socket) => {
      socket.destroy();
      reject(Object.assign(new Error('the host switched protocols'), { code: 'EPROTO' }));
    });
    // Stays for the errors after the response, which its own stream reports, too.
    outgoing.on('error', reject);
  });
}

/** The URL of a request to a proxy, or what is wrong with it. */
function absoluteUrl(text: string): URL | string {
  if (text.startsWith('/')) return 'this is a proxy, ask for a full URL (http://…)';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) return 'the URL cannot be read';
  if (url.protocol !== 'http:') return `the proxy speaks plain HTTP and CONNECT, not ${url.protocol}//`;
  if (url.username !== '' || url.password !== '') return 'a URL with user name or password is not passed on';
  return url;
}
