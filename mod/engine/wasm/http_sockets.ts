/**
 * Connections that a run keeps for a while to the hosts that it asked before, one to each: many requests in a row shake
 * hands once, where the runtime can keep them. A kept one is used only while the policy allows the address that it leads to.
 */
import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { canonicalAddress, type Decision, dial, mayKeepConnections } from '../../../runtime/egress/mod.ts';

/** Fewer than the seconds after which servers close idle connections: the first do after 5. */
const IDLE_MS = 4_000;
/** Hosts to which one is kept. */
const MOST = 8;

type Allowed = Extract<Decision, { allowed: true }>;

export interface SocketsOptions {
  /** Milliseconds for a connection. */
  readonly connectMs: number;
  readonly ca: string | undefined;
}

/** The way to one host. */
export interface Route {
  readonly agent: Agent;
  /** Where its connection leads; absent before there is one. */
  readonly address: string | undefined;
  /** Whether the connection was made for the request at hand. */
  readonly isNew: boolean;
}

class Kept implements Route {
  readonly agent = new Agent({ keepAlive: mayKeepConnections, maxSockets: 1, maxFreeSockets: 1 });
  address: string | undefined;
  isNew = false;
  used = performance.now();
}

export class Sockets {
  readonly #options: SocketsOptions;
  /** By scheme, host and port; the least recently used first. */
  readonly #kept = new Map<string, Kept>();
  readonly #all = new Set<Socket>();
  #closed = false;

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  /**
   * For a request that was just allowed.
   * @param signal ends an attempt to connect
   */
  route(decision: Allowed, isSecure: boolean, signal: AbortSignal): Route {
    const { host, port, addresses } = decision;
    const key = `${isSecure} ${host} ${port}`;
    let kept = this.#kept.get(key);
    this.#kept.delete(key);
    const isStale = kept?.address !== undefined &&
      (!addresses.includes(kept.address) || performance.now() - kept.used > IDLE_MS);
    if (!kept || isStale) {
      kept?.agent.destroy();
      kept = new Kept();
    }
    const route = kept;
    route.used = performance.now();
    route.isNew = false;
    route.agent.createConnection = (_options, done) => {
      this.#connect(decision, isSecure, route, signal).then((socket) => done?.(null, socket), (error) => {
        done?.(error as Error, undefined as unknown as Duplex);
      });
      return undefined;
    };
    this.#kept.set(key, route);
    for (const [oldest, { agent }] of this.#kept) {
      if (this.#kept.size <= MOST) break;
      agent.destroy();
      this.#kept.delete(oldest);
    }
    return route;
  }

  /** Ends all of them. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { agent } of this.#kept.values()) agent.destroy();
    for (const socket of this.#all) socket.destroy();
  }

  async #connect(
    { addresses, port, host }: Allowed,
    isSecure: boolean,
    route: Kept,
    signal: AbortSignal,
  ): Promise<Socket> {
    route.isNew = true;
    const { socket, address } = await dial(addresses, port, this.#options.connectMs, signal);
    this.#all.add(socket);
    socket.once('close', () => this.#all.delete(socket));
    // One that is there too late is nobody's.
    if (this.#closed) socket.destroy();
    route.address = address;
    return isSecure ? await secured(socket, host, this.#options.ca) : socket;
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
    const failed = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    tls.once('error', failed);
    socket.once('close', () => failed(new Error('the connection was closed before it was secure')));
    tls.once('secureConnect', () => {
      tls.off('error', failed);
      resolve(tls);
    });
  });
}
