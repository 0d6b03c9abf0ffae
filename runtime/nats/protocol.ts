/**
 * The texts of the NATS client protocol that the server writes. Each error is sent as `-ERR '<text>'`; clients compare
 * these texts, so they are nats-server's own to the letter (checked against Debian's in test/runtime/nats).
 */

export const ServerError = {
  authorization: 'Authorization Violation',
  authTimeout: 'Authentication Timeout',
  controlLine: 'maximum control line exceeded',
  maxConnections: 'maximum connections exceeded',
  maxPayload: 'Maximum Payload Violation',
  maxSubscriptions: 'maximum subscriptions exceeded',
  unknownOperation: 'Unknown Protocol Operation',
  /** nats-server cuts the connection without a word; the text is the one its documentation lists. */
  parser: 'Parser Error',
  invalidSubject: 'Invalid Subject',
  invalidPublishSubject: 'Invalid Publish Subject',
  invalidProtocol: 'invalid client protocol',
  headersRequired: 'no responders requires headers support',
  tlsRequired: 'Secure Connection - TLS Required',
  stale: 'Stale Connection',
} as const;

export type ServerErrorText = (typeof ServerError)[keyof typeof ServerError];

/** What a client says of itself. */
export interface ConnectOptions {
  readonly verbose: boolean;
  readonly pedantic: boolean;
  readonly echo: boolean;
  readonly headers: boolean;
  readonly noResponders: boolean;
  readonly protocol: number;
  readonly name: string;
  readonly token: string;
  readonly user: string;
  readonly password: string;
}

/** What holds for a client that has not sent CONNECT: verbose and echo are on until it says otherwise. */
export const BEFORE_CONNECT: ConnectOptions = Object.freeze({
  verbose: true,
  pedantic: true,
  echo: true,
  headers: false,
  noResponders: false,
  protocol: 0,
  name: '',
  token: '',
  user: '',
  password: '',
});

const CONNECT_FIELDS: readonly [wire: string, field: keyof ConnectOptions][] = [
  ['verbose', 'verbose'],
  ['pedantic', 'pedantic'],
  ['echo', 'echo'],
  ['headers', 'headers'],
  ['no_responders', 'noResponders'],
  ['protocol', 'protocol'],
  ['name', 'name'],
  ['auth_token', 'token'],
  ['user', 'user'],
  ['pass', 'password'],
];

/** The body of CONNECT laid over `previous`; null when it is no JSON object or a field has the wrong type. */
export function parseConnect(json: string, previous: ConnectOptions): ConnectOptions | null {
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch {
    return null;
  }
  if (body === null) return previous;
  if (typeof body !== 'object' || Array.isArray(body)) return null;
  const result: Record<string, unknown> = { ...previous };
  for (const [wire, field] of CONNECT_FIELDS) {
    const value = (body as Record<string, unknown>)[wire];
    if (value === undefined || value === null) continue;
    if (typeof value !== typeof previous[field]) return null;
    result[field] = value;
  }
  return result as unknown as ConnectOptions;
}

/** Answer to a request that nobody listens to (ADR-4 of NATS); newer clients read the subject from it. */
export function noRespondersHeader(subject: string): string {
  return `NATS/1.0 503\r\nNats-Subject: ${subject}\r\n\r\n`;
}
