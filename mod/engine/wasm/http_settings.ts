/** What a node grants to modules that send HTTP requests (executors.md 8); light, since every run asks it. */
import type { Resolve } from '../../../runtime/egress/mod.ts';
import type { HttpOffer } from '../../../runtime/wasi/mod.ts';
import type { NetworkConfig } from '../../model/mod.ts';

export interface HttpSettings {
  /** Milliseconds of one request with all its redirects, to the last byte of the answer. Default 30,000. */
  readonly timeoutMs?: number;
  /** Bytes of the largest answer. Default 100 MiB. */
  readonly maxBytes?: number;
  /** Bytes a second of a run with Network.Type HTTP, as for containers; 0 = no limit. */
  readonly bytesPerSecond?: number;
  /** Whether "every host" (Default, Host, Full) means those of private networks and this machine, too. Default true. */
  readonly privateHosts?: boolean;
  /** Default: the resolver of this machine. */
  readonly resolve?: Resolve;
  /** Certificates (PEM) of authorities to trust. Default: those of the runtime. */
  readonly ca?: string;
}

export const HTTP_TIMEOUT_MS = 30_000;
const HTTP_MAX_BYTES = 100 * 1024 ** 2;

/** Null for a task without network. */
export function httpOffer(network: NetworkConfig | undefined, settings: HttpSettings): HttpOffer | null {
  return network?.Type === 'None' ? null : { maxBytes: settings.maxBytes ?? HTTP_MAX_BYTES };
}
