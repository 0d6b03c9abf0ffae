import type { BuildVersion } from '../../model/mod.ts';
import type { Backends } from './backend.ts';

/** What the API serves, and the limits of its requests. */
export interface ApiOptions {
  readonly backends: Backends;
  readonly version: BuildVersion;
  /** Node id; phrase, issuer and audience of the legacy token flow. */
  readonly nodeId: string;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  /** Requests per second and client address, also the burst; 0 = no limit. Loopback addresses are not limited. */
  readonly rateLimit: number;
  /** Milliseconds until a handler is given up with 503. */
  readonly handlerTimeout: number;
  /** Addresses whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Told of causes that a client does not see. */
  readonly onError: (error: unknown, method: string, path: string) => void;
}
