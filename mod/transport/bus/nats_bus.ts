/**
 * The real bus: a connection of the public NATS client. Adapter; the only file of this room that knows the client.
 *
 * A connection never reconnects underneath (invariants.md O7: nothing is buffered while cut off) and never follows
 * servers that the configuration does not name.
 */
import { readFile } from 'node:fs/promises';
import type { EventEmitter } from 'node:events';
import { nodeResolveHost, NodeTransport } from '@nats-io/transport-node/lib/node_transport.js';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { createInbox, headers as newHeaders } from '@nats-io/nats-core';
import { NatsConnectionImpl, setTransportFactory } from '@nats-io/nats-core/internal';
import type { MsgHdrs, TlsOptions } from '@nats-io/nats-core';
import { BacalhauError } from '../../model/mod.ts';
import type { Bus, BusMessage, Connect, PublishOptions, RequestOptions, Subscription } from './bus.ts';
import { realWorld } from '../../../runtime/world.ts';

export interface NatsOptions {
  /** `nats://[token@]host:port`, `host:port` or `host`; tried in turn. */
  readonly servers: readonly string[];
  /** A token in the URL wins. */
  readonly token?: string;
  /** Path of a PEM file with the certificates that the server's must chain to; the system's otherwise. */
  readonly caCert?: string;
  /** TLS from the first byte, before the server's greeting (`Compute.TLS.RequireTLS`). */
  readonly requireTls?: boolean;
  /** Per server; 2 s as the original. */
  readonly connectTimeoutMs?: number;
}

const CONNECT_MS = 2_000;
const PING_INTERVAL_MS = 10_000;
/** So a dead peer is noticed after about 30 s of silence. */
const MAX_PINGS_OUT = 2;
/** For the last bytes of a connection that we end. */
const CLOSE_MS = 1_000;
/** Behind the client's own time-out: a dial that ignores it is given up. */
const DIAL_GRACE_MS = 1_000;

/**
 * The client takes all listeners off a socket before it destroys it. A reset that arrives in that moment (a server that
 * refuses the token does that) would be an error event that nobody hears, which ends the process.
 */
class SteadyTransport extends NodeTransport {
  override async dial(...args: Parameters<NodeTransport['dial']>): ReturnType<NodeTransport['dial']> {
    return keepHearing(await super.dial(...args));
  }
  override async tlsFirst(
    ...args: Parameters<NodeTransport['tlsFirst']>
  ): ReturnType<NodeTransport['tlsFirst']> {
    return keepHearing(await super.tlsFirst(...args));
  }
  override async startTLS(): ReturnType<NodeTransport['startTLS']> {
    return keepHearing(await super.startTLS());
  }
}

function keepHearing<S>(socket: S): S {
  const emitter = socket as unknown as EventEmitter;
  const ignore = (): void => undefined;
  const removeAll = emitter.removeAllListeners.bind(emitter);
  emitter.removeAllListeners = (...events) => {
    removeAll(...events);
    return emitter.listeners('error').includes(ignore) ? emitter : emitter.on('error', ignore);
  };
  emitter.on('error', ignore);
  return socket;
}

setTransportFactory({ factory: () => new SteadyTransport(), dnsResolveFn: nodeResolveHost });

/** @returns makes a connection to the first server that answers; the error of the last one tried otherwise */
export function natsConnect(options: NatsOptions): Connect {
  return async ({ name, signal }) => {
    let failure = new BacalhauError(
      'BadRequest',
      'Cannot connect to the orchestrator: no server is configured',
      {
        hint: 'Set Compute.Orchestrators.',
      },
    );
    for (const server of options.servers) {
      signal?.throwIfAborted();
      try {
        const dialling = dialServer(server, name, options);
        const connection = await within((options.connectTimeoutMs ?? CONNECT_MS) + DIAL_GRACE_MS, dialling);
        if (connection && !signal?.aborted) return new NatsBus(connection);
        void dialling.then((late) => late.close()).catch(() => undefined);
        if (!connection) throw new Error('no answer in time');
      } catch (error) {
        failure = connectError(server, error);
      }
    }
    signal?.throwIfAborted();
    throw failure;
  };
}

/** Resolves with `work`, or without it after `ms`; `work` goes on by itself. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  using _timer = realWorld.after(ms, () => late.resolve(undefined));
  // What comes too late has nobody to hear of it.
  work.catch(() => undefined);
  return await Promise.race([work, late.promise]);
}

async function dialServer(server: string, name: string, options: NatsOptions): Promise<NatsConnection> {
  const { address, token } = splitServer(server);
  const secret = token ?? options.token ?? '';
  const tls: TlsOptions = {
    ...(options.caCert ? { ca: await readFile(options.caCert, 'utf8') } : {}),
    ...(options.requireTls ? { handshakeFirst: true } : {}),
  };
  return await NatsConnectionImpl.connect({
    servers: address,
    name,
    reconnect: false,
    ignoreClusterUpdates: true,
    timeout: options.connectTimeoutMs ?? CONNECT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    ...(secret === '' ? {} : { token: secret }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  });
}

function splitServer(server: string): { address: string; token?: string } {
  const rest = server.replace(/^(?:nats|tls):\/\//, '');
  const at = rest.lastIndexOf('@');
  return at < 0
    ? { address: rest }
    : { address: rest.slice(at + 1), token: decodeURIComponent(rest.slice(0, at)) };
}

function chain(error: unknown): string {
  const texts: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each.message !== '' && !texts.includes(each.message)) texts.push(each.message);
  }
  return texts.join(': ') || String(error ?? 'the server closed the connection');
}

function connectError(server: string, error: unknown): BacalhauError {
  const text = chain(error);
  const { address } = splitServer(server);
  if (/authoriz|authentication/i.test(`${(error as Error | undefined)?.name} ${text}`)) {
    return new BacalhauError('Unauthorized', `Cannot connect to "${address}": the server refuses the token`, {
      hint: "Set Compute.Auth.Token to the orchestrator's Orchestrator.Auth.Token.",
      cause: error,
    });
  }
  return new BacalhauError('ServiceUnavailable', `Cannot connect to "${address}": ${text}`, {
    hint: /certificate|self.signed|issuer/i.test(text)
      ? 'Set Compute.TLS.CACert to the certificate authority of the orchestrator.'
      : 'Check Compute.Orchestrators, and that the orchestrator runs and is reachable.',
    retryable: true,
    cause: error,
  });
}

/** Failures of the client by what the reader can do about them. */
function busError(subject: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BacalhauError) return error;
  const because = (code: string, why: string, status?: number): BacalhauError =>
    new BacalhauError(code, `Cannot send to "${subject}": ${why}`, {
      retryable: code !== 'PayloadTooLarge',
      cause: error,
      ...(status === undefined ? {} : { status }),
    });
  const names: string[] = [];
  for (let each: unknown = error; each instanceof Error; each = each.cause) names.push(each.name);
  const text = chain(error);
  if (names.includes('NoRespondersError') || /no responders/i.test(text)) {
    return because('NoResponders', 'nobody listens there', 503);
  }
  if (names.includes('TimeoutError')) return because('TimeOut', 'no answer in time', 504);
  if (names.includes('ClosedConnectionError') || names.includes('DrainingConnectionError')) {
    return because('ConnectionClosed', 'the connection is closed');
  }
  if (/max_payload/.test(text)) return because('PayloadTooLarge', "the message exceeds the server's limit");
  if (names.includes('ConnectionError')) return because('ConnectionClosed', text);
  return because('InternalError', text);
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

/** Reads headers only when asked: almost nobody does. */
class NatsMessage implements BusMessage {
  readonly #message: Msg;
  constructor(message: Msg) {
    this.#message = message;
  }
  get subject(): string {
    return this.#message.subject;
  }
  get reply(): string {
    return this.#message.reply ?? '';
  }
  get data(): Uint8Array {
    return this.#message.data;
  }
  get headers(): Readonly<Record<string, string>> {
    const { headers } = this.#message;
    if (headers === undefined) return NO_HEADERS;
    return Object.fromEntries([...headers].map(([key, values]) => [key, values[0] ?? '']));
  }
  get status(): number | undefined {
    return this.#message.headers?.code || undefined;
  }
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly closed: Promise<void>;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    this.closed = connection.closed().then(() => undefined);
  }

  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? 1_048_576;
  }

  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): void {
    try {
      this.#connection.publish(subject, data, {
        ...(options.reply === undefined ? {} : { reply: options.reply }),
        ...(options.headers === undefined ? {} : { headers: toHeaders(options.headers) }),
      });
    } catch (error) {
      throw busError(subject, error);
    }
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    try {
      const subscription = this.#connection.subscribe(subject, {
        ...(options.queue === undefined ? {} : { queue: options.queue }),
        callback: (error, message) => {
          // An error here is a refused subscription; the connection's end is told by `closed`.
          if (error === null || error === undefined) handler(new NatsMessage(message));
        },
      });
      return { unsubscribe: () => subscription.unsubscribe() };
    } catch (error) {
      throw busError(subject, error);
    }
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    const { signal } = options;
    signal?.throwIfAborted();
    let onAbort: (() => void) | undefined;
    try {
      const answer = this.#connection.request(subject, data, {
        timeout: options.timeoutMs,
        ...(options.headers === undefined ? {} : { headers: toHeaders(options.headers) }),
      });
      if (signal === undefined) return new NatsMessage(await answer);
      const aborted = new Promise<never>((_resolve, reject) => {
        onAbort = () => reject(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
      });
      return new NatsMessage(await Promise.race([answer, aborted]));
    } catch (error) {
      throw signal?.aborted ? signal.reason : busError(subject, error);
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    }
  }

  /** The client forgets the PINGs of a connection that ends: their promises settle never. */
  async flush(): Promise<void> {
    const lost = this.closed.then(() => {
      throw new BacalhauError('ConnectionClosed', 'Cannot flush: the connection is closed', {
        retryable: true,
      });
    });
    try {
      await Promise.race([this.#connection.flush(), lost]);
    } catch (error) {
      throw busError('PING', error);
    }
  }

  newInbox(): string {
    return createInbox();
  }

  /** The client waits for the socket to take its last bytes, which one whose peer is gone may never do. */
  async close(): Promise<void> {
    if (!this.#connection.isClosed()) await within(CLOSE_MS, this.#connection.close());
  }
}

function toHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const result = newHeaders();
  for (const [key, value] of Object.entries(values)) result.set(key, value);
  return result;
}
