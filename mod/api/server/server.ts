/** The public API on a port: the app over node:http and, beside it, the log streams over WebSocket. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { type WebSocket, WebSocketServer } from 'ws';
import { BacalhauError, type BuildVersion } from '../../model/mod.ts';
import { createApp } from './app.ts';
import type { Backends } from './backend.ts';
import { errorBody, unknownRoute } from './errors.ts';
import { logStreamJob, streamLogs } from './logs.ts';
import { checkClientVersion } from './version_gate.ts';
import { realWorld } from '../../../runtime/world.ts';

/** Where to listen, what to serve, and who may come. */
export interface ApiServerOptions {
  /** Address to listen on; default `0.0.0.0`. */
  readonly host?: string;
  /** 0 = a free one. */
  readonly port: number;
  readonly backends: Backends;
  readonly version: BuildVersion;
  readonly nodeId: string;
  /** Bytes; default 10,000,000. */
  readonly bodyLimit?: number;
  /** Requests per second and client address, loopback excepted; default 1000, 0 = no limit. */
  readonly rateLimit?: number;
  /** Milliseconds until a handler is answered for with 503; default 30,000. */
  readonly handlerTimeout?: number;
  /** Addresses whose `X-Forwarded-For` is believed; default none. */
  readonly trustedProxies?: readonly string[];
  /** Told of causes that clients do not see; default: nothing is done. */
  readonly onError?: (error: unknown, method: string, path: string) => void;
}

/** The running server of the public API. */
export interface ApiServer {
  /** `http://127.0.0.1:1234` where it listens on all addresses. */
  readonly url: string;
  readonly port: number;
  /** Ends open requests and streams; idempotent. */
  close(): Promise<void>;
}

const HEADERS_TIMEOUT = 5_000;
const REQUEST_TIMEOUT = 20_000;

/** @throws BacalhauError when the address is in use or is none of this machine */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const onError = options.onError ?? (() => {});
  const { app, close: closeApp } = createApp({
    backends: options.backends,
    version: options.version,
    nodeId: options.nodeId,
    bodyLimit: options.bodyLimit ?? 10_000_000,
    rateLimit: options.rateLimit ?? 1000,
    handlerTimeout: options.handlerTimeout ?? 30_000,
    trustedProxies: options.trustedProxies ?? [],
    onError,
  });
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT, requestTimeout: REQUEST_TIMEOUT },
    getRequestListener(app.fetch),
  );
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: true });

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head) => {
    socket.on('error', () => socket.destroy());
    const url = request.url ?? '/';
    const job = options.backends.jobs ? logStreamJob(url) : undefined;
    const client = String(request.headers['x-bacalhau-git-version'] ?? '');
    const refusal = checkClientVersion(client, options.version.GitVersion, '');
    if (refusal) return refuse(socket, refusal.status, refusal.body);
    if (job === undefined) {
      const body = errorBody(unknownRoute(request.method ?? 'GET', url.split('?', 1)[0]!), '');
      return refuse(socket, body.Status, body);
    }
    sockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      void streamLogs(
        webSocket,
        request,
        job,
        options.backends.jobs!,
        (error) => onError(error, 'GET', url),
      );
    });
  });

  const host = options.host ?? '0.0.0.0';
  await new Promise<void>((listening, failed) => {
    server.once('error', (cause: NodeJS.ErrnoException) => failed(cannotListen(host, options.port, cause)));
    server.listen(options.port, host, listening);
  });
  const { port } = server.address() as AddressInfo;

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    closing ??= new Promise((closed) => {
      closeApp();
      for (const socket of sockets.clients) socket.close(1000);
      sockets.close();
      server.close(() => closed());
      server.closeIdleConnections();
      // Requests under way get a moment to be answered; then the listener must go.
      const cut = realWorld.after(1000, () => {
        for (const socket of sockets.clients) socket.terminate();
        server.closeAllConnections();
      });
      server.once('close', () => cut[Symbol.dispose]());
    });
  return { url: `http://${urlHost(host)}:${port}`, port, close };
}

/** The plain HTTP answer to an upgrade that is not accepted. */
function refuse(socket: Duplex, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${status === 404 ? 'Not Found' : 'Refused'}\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${
        new TextEncoder().encode(text).length
      }\r\n\r\n${text}`,
  );
}

function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function cannotListen(host: string, port: number, cause: NodeJS.ErrnoException): BacalhauError {
  const inUse = cause.code === 'EADDRINUSE';
  return new BacalhauError(
    inUse ? 'ResourceInUse' : 'ConfigurationError',
    `Cannot start the API on "${host}:${port}": ${inUse ? 'address already in use' : cause.message}`,
    {
      component: 'APIServer',
      hint: inUse
        ? 'Stop the process that uses the port, or choose another one with --api-port (0 picks a free one).'
        : 'Set API.Host to an address of this machine, or to 0.0.0.0 for all of them.',
      cause,
    },
  );
}
