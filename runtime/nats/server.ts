/** The listening server: accepts connections, watches their deadlines, tells about itself, closes gracefully. */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { authenticator } from './auth.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { LocalConnection, type LocalOptions } from './local.ts';
import { type NatsServerOptions, withDefaults } from './options.ts';
import { ServerError } from './protocol.ts';
import { Router } from './router.ts';
import { tlsPolicy } from './secure.ts';
import { every, realWorld } from '../world.ts';

/** Counters since the start, and what is there now. */
export interface NatsServerStats {
  readonly connections: number;
  readonly totalConnections: number;
  readonly subscriptions: number;
  /** Messages and bytes (headers and body) published by clients, and delivered to them. */
  readonly inMsgs: number;
  readonly outMsgs: number;
  readonly inBytes: number;
  readonly outBytes: number;
  /** Clients cut off because they did not read. */
  readonly slowConsumers: number;
}

/** How clients are sent away. */
export interface CloseOptions {
  /** Tell the clients first (INFO with `ldm`) and give them so long to leave by themselves. Default 0: do not. */
  readonly lameDuckMs?: number;
}

/** A running server. */
export interface NatsServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** `nats://host:port` for a client on this machine. */
  readonly url: string;
  stats(): NatsServerStats;
  /** A connection of this process that needs no socket; not subject to authentication. */
  connect(options?: LocalOptions): LocalConnection;
  /** Writes out what is on its way to each client, then ends. Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * @throws Error of node:net when the address is taken or not ours, of node:tls when the certificate is not usable
 * @example await using server = await startNatsServer({ port: 0, token: 'secret' });
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const settings = withDefaults(options);
  const version = options.version ?? '2.14.5';
  // The JavaScript client breaks off without a word over any other text.
  if (!/^v?\d+\.\d+\.\d+/.test(version)) throw new TypeError(`"${version}" is not a semantic version`);
  const id = randomBytes(16).toString('hex').toUpperCase();
  const auth = authenticator(options.token, options.users);
  const tls = options.tls ? tlsPolicy(options.tls) : null;
  const router = new Router();
  const connections = new Set<Connection>();
  const locals = new Set<LocalConnection>();
  const host = options.host ?? '127.0.0.1';
  let port = options.port ?? 4222;
  let lastClient = 0;
  let slowConsumers = 0;
  let lameDuck = false;
  let whenEmpty = () => {};
  let closing: Promise<void> | null = null;

  const connectionHost: ConnectionHost = {
    settings,
    router,
    auth,
    tls,
    info: (connection) =>
      JSON.stringify({
        server_id: id,
        server_name: options.serverName ?? id,
        version,
        proto: 1,
        go: 'node',
        ...advertised(options.advertise, host, port),
        headers: true,
        max_payload: settings.maxPayload,
        client_id: connection.id,
        client_ip: connection.address,
        ...(auth.required && { auth_required: true }),
        ...(tls && (tls.required ? { tls_required: true } : { tls_available: true })),
        ...(lameDuck && { ldm: true }),
      }),
    onFault: (fault) => options.onFault?.(fault),
    onSlowConsumer: () => slowConsumers++,
    account: { pending: 0 },
    onOverdraft() {
      let most: Connection | undefined;
      for (const each of connections) if (!most || each.pending > most.pending) most = each;
      most?.cutOff('slow consumer: too many bytes pending for all clients, most of them for this one');
    },
    onClosed(connection) {
      connections.delete(connection);
      if (connections.size === 0) whenEmpty();
    },
  };

  const listener = net.createServer({ pauseOnConnect: false }, (socket) => {
    const connection = new Connection(++lastClient, socket, connectionHost, performance.now());
    connections.add(connection);
    if (settings.maxConnections > 0 && connections.size > settings.maxConnections) {
      connection.sendInfo();
      connection.fail(ServerError.maxConnections);
      return;
    }
    void connection.open();
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, host, resolve);
  });
  port = (listener.address() as net.AddressInfo).port;

  // One timer for the deadlines of all connections.
  const shortest = Math.min(settings.pingIntervalMs, settings.authTimeoutMs, settings.writeTimeoutMs);
  const watch = every(Math.min(Math.max(shortest / 4, 10), 500), () => {
    const now = performance.now();
    for (const connection of connections) connection.check(now);
  });

  const empty = (withinMs: number) =>
    new Promise<void>((resolve) => {
      if (connections.size === 0) return resolve();
      const timer = realWorld.after(withinMs, resolve);
      whenEmpty = () => {
        timer[Symbol.dispose]();
        resolve();
      };
    });

  const shutDown = async (lameDuckMs: number) => {
    const stopped = new Promise<void>((resolve) => listener.close(() => resolve()));
    if (lameDuckMs > 0) {
      lameDuck = true;
      for (const connection of connections) if (connection.dynamic) connection.sendInfo();
      await empty(lameDuckMs);
    }
    for (const local of locals) local.close();
    for (const connection of connections) connection.close();
    await empty(settings.writeTimeoutMs);
    for (const connection of connections) connection.destroy();
    watch[Symbol.dispose]();
    await stopped;
  };

  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const close = (how: CloseOptions = {}) => closing ??= shutDown(how.lameDuckMs ?? 0);
  return {
    host,
    port,
    url: `nats://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`,
    stats: () => ({
      connections: connections.size + locals.size,
      totalConnections: lastClient,
      subscriptions: router.subscriptions,
      ...router.traffic,
      slowConsumers,
    }),
    connect(localOptions = {}) {
      const local = new LocalConnection(
        router,
        settings.maxPayload,
        localOptions,
        () => locals.delete(local),
      );
      locals.add(local);
      return local;
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Host and port that INFO tells. */
function advertised(
  advertise: string | undefined,
  host: string,
  port: number,
): { host: string; port: number } {
  if (!advertise) return { host, port };
  const { hostname, port: own } = new URL(`nats://${advertise}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: own === '' ? port : Number(own) };
}
