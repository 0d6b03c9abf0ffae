/** What the embedded server can be told, and the defaults of nats-server (wire-protocol.md 2.1). */

/** Somebody who may connect. */
export interface NatsUser {
  readonly user: string;
  readonly password: string;
}

/** Certificates of the server, and what it asks of clients. */
export interface NatsTlsOptions {
  /** PEM text of the certificate chain and its key. Without them TLS is only announced (a proxy terminates it). */
  readonly cert?: string;
  readonly key?: string;
  /**
   * TLS before INFO: `true` always, `'auto'` when the client speaks first within 50 ms, `false` (default) never: INFO goes
   * out in clear, then the same socket is upgraded.
   */
  readonly handshakeFirst?: boolean | 'auto';
  /** Also take clients without TLS; INFO then says `tls_available` in place of `tls_required`. */
  readonly allowPlain?: boolean;
}

/** Where to listen, who may come, and how much each may use. */
export interface NatsServerOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. Default 4222. */
  readonly port?: number;
  readonly serverName?: string;
  /** Version of the protocol's server that INFO tells, `x.y.z`; clients judge by it what it can. Default 2.14.5. */
  readonly version?: string;
  /** Shared secret that clients send as `auth_token`. */
  readonly token?: string;
  readonly users?: readonly NatsUser[];
  readonly tls?: NatsTlsOptions;
  /** `host` or `host:port` that INFO tells clients in place of the listening address. */
  readonly advertise?: string;
  /** Bytes of headers and body together. Default 1 MiB. */
  readonly maxPayload?: number;
  /** Bytes of a protocol line behind its operation. Default 4096. */
  readonly maxControlLine?: number;
  /** Bytes waiting for one client before it is cut off as a slow consumer. Default 64 MiB. */
  readonly maxPending?: number;
  /** Bytes waiting for all clients together before the one that most waits for is cut off. Default 128 MiB. */
  readonly maxPendingTotal?: number;
  /** Subscriptions of one client, and of all; who wants more is cut off. Default 4,096 and 262,144. */
  readonly maxSubscriptions?: number;
  readonly maxSubscriptionsTotal?: number;
  /** Clients at a time; 0 is no limit. Default 65,536. */
  readonly maxConnections?: number;
  /** Silence before a PING. Default 2 min. */
  readonly pingIntervalMs?: number;
  /** Unanswered PINGs before a connection counts as stale. Default 2. */
  readonly pingMax?: number;
  /** Time for TLS and CONNECT. Default 2 s, with TLS 3 s. */
  readonly authTimeoutMs?: number;
  /** Time without any progress in writing to a client before it is cut off. Default 10 s. */
  readonly writeTimeoutMs?: number;
  /** Told of each connection that the server closes for a fault of the client's, for the log. */
  readonly onFault?: (fault: ConnectionFault) => void;
}

/** Why a client was refused or cut off. */
export interface ConnectionFault {
  readonly clientId: number;
  /** What the client called itself in CONNECT. */
  readonly name: string;
  readonly address: string;
  readonly reason: string;
}

export interface ServerSettings {
  readonly maxPayload: number;
  readonly maxControlLine: number;
  readonly maxPending: number;
  readonly maxPendingTotal: number;
  readonly maxSubscriptions: number;
  readonly maxSubscriptionsTotal: number;
  readonly maxConnections: number;
  readonly pingIntervalMs: number;
  readonly pingMax: number;
  readonly authTimeoutMs: number;
  readonly writeTimeoutMs: number;
}

export function withDefaults(options: NatsServerOptions): ServerSettings {
  return {
    maxPayload: options.maxPayload ?? 1_048_576,
    maxControlLine: options.maxControlLine ?? 4096,
    maxPending: options.maxPending ?? 64 * 1024 * 1024,
    maxPendingTotal: options.maxPendingTotal ?? 128 * 1024 * 1024,
    maxSubscriptions: options.maxSubscriptions ?? 4096,
    maxSubscriptionsTotal: options.maxSubscriptionsTotal ?? 262_144,
    maxConnections: options.maxConnections ?? 65_536,
    pingIntervalMs: options.pingIntervalMs ?? 120_000,
    pingMax: options.pingMax ?? 2,
    authTimeoutMs: options.authTimeoutMs ?? (options.tls?.cert ? 3000 : 2000),
    writeTimeoutMs: options.writeTimeoutMs ?? 10_000,
  };
}
