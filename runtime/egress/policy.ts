/**
 * The decision itself: is this host listed, and may the addresses that it resolves to be reached? The name is looked up
 * once, and the caller connects to the very addresses that were checked, so an answer that changes between two look-ups
 * (DNS rebinding) gains nothing.
 */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { type AddressKind, addressKind, canonicalAddress } from './addresses.ts';
import { canonicalHost, type HostRules, type Scheme } from './rules.ts';

/** All addresses of a name, in order of preference. Throws as `node:dns` does. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** What a program asks for. */
export interface Target {
  /** As the client wrote it, without port. */
  readonly host: string;
  readonly port: number;
  /** `http`: the proxy speaks HTTP to it; `tunnel`: bytes pass unseen (CONNECT, TLS). */
  readonly scheme: Scheme;
}

export type RefusalCode =
  | 'host-invalid'
  | 'host-not-listed'
  | 'port-not-listed'
  | 'address-not-public'
  | 'name-not-found';

/** Whether a request may go, where to, and by which rule, or why not. */
export type Decision =
  | {
    readonly allowed: true;
    /** Canonical: what goes into the Host header. */
    readonly host: string;
    readonly port: number;
    /** Checked; at least one. */
    readonly addresses: readonly string[];
    /** The entry that allowed it, as written. */
    readonly rule: string;
  }
  | {
    readonly allowed: false;
    readonly host: string;
    readonly port: number;
    readonly code: RefusalCode;
    readonly reason: string;
    /** What to change, for the person who wrote the job. */
    readonly hint: string;
    readonly address?: string;
    readonly rule?: string;
  };

/** How names are resolved, and which kinds of addresses stay closed. */
export interface PolicyOptions {
  /** Default: the resolver of this machine. */
  readonly resolve?: Resolve;
  /** Addresses of this machine, refused like private ones. Default: of its interfaces, at each decision. */
  readonly ownAddresses?: () => readonly string[];
  /** Kinds of addresses that no entry of a list opens. Default: none. See {@link CLOSED}. */
  readonly never?: readonly AddressKind[];
}

/**
 * Closed to jobs whatever they list, since their author writes the list: services on the loopback trust this machine,
 * and the metadata service of a cloud gives out its credentials.
 */
export const CLOSED: readonly AddressKind[] = Object.freeze(['loopback', 'unspecified', 'metadata']);

/** Decides on hosts by rules and by what they resolve to, so that no name leads where no address may. */
export class EgressPolicy {
  #resolve: Resolve;
  #ownAddresses: () => readonly string[];
  #never: readonly AddressKind[];

  constructor(private readonly rules: HostRules, options: PolicyOptions = {}) {
    this.#resolve = options.resolve ?? resolveHere;
    this.#ownAddresses = options.ownAddresses ?? interfaceAddresses;
    this.#never = options.never ?? [];
  }

  /** Never throws: whatever is not surely allowed is refused, with the reason. */
  async decide({ host: written, port, scheme }: Target): Promise<Decision> {
    const host = canonicalHost(written);
    if (host === null) {
      return {
        allowed: false,
        host: written.slice(0, 253),
        port,
        code: 'host-invalid',
        reason: `"${written.slice(0, 253)}" is not a host`,
        hint: 'Ask for a domain name or an IP address.',
      };
    }
    const refuse = (code: RefusalCode, reason: string, hint: string, more: { address?: string } = {}) =>
      ({ allowed: false, host, port, code, reason, hint, ...more }) as const;
    const match = this.rules.match(host, port, scheme);
    if (match.kind === 'none') {
      return refuse('host-not-listed', `${host} is not in the list of domains`, adding(host));
    }
    const rule = match.rule.entry;
    if (match.kind === 'port') {
      return {
        ...refuse('port-not-listed', portReason(rule, port, scheme), adding(atPort(host, port))),
        rule,
      };
    }
    let found: readonly string[];
    try {
      found = canonicalAddress(host) === null ? await this.#resolve(host) : [host];
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      return {
        ...refuse(
          'name-not-found',
          `${host} cannot be resolved (${code})`,
          "Check the name and the node's DNS.",
        ),
        rule,
      };
    }
    const addresses = found.map((address) => canonicalAddress(address)).filter((address) => address !== null);
    const own = this.#ownAddresses();
    const reachable = addresses.filter((address) => this.#reachable(address, port, own));
    if (reachable.length > 0) return { allowed: true, host, port, addresses: reachable, rule };
    const [address] = addresses;
    if (address === undefined) {
      return { ...refuse('name-not-found', `${host} has no address`, 'Check the name.'), rule };
    }
    const kind = addressKind(address);
    const isClosed = this.#never.includes(kind);
    const what = own.includes(address) && !isClosed ? 'an address of the node itself' : `a ${kind} address`;
    const reason = address === host ? `${host} is ${what}` : `${host} resolves to ${address}, ${what}`;
    const hint = isClosed ? 'No entry of Network.Domains opens it.' : adding(address);
    return { ...refuse('address-not-public', reason, hint, { address }), rule };
  }

  #reachable(address: string, port: number, own: readonly string[]): boolean {
    const kind = addressKind(address);
    if (this.#never.includes(kind)) return false;
    return this.rules.namesAddress(address, port) || (kind === 'public' && !own.includes(address));
  }
}

function adding(entry: string): string {
  return `To allow it, add "${entry}" to Network.Domains of the task.`;
}

function atPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function portReason(entry: string, port: number, scheme: Scheme): string {
  const opened = /:\d+(\/|$)/.test(entry) ? 'its own port' : scheme === 'tunnel' ? 'port 443' : 'HTTP ports';
  return `port ${port} is not open: the entry "${entry}" covers ${opened} only`;
}

async function resolveHere(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    .map(({ address }) => canonicalAddress(address.replace(/%.*$/, '')))
    .filter((address) => address !== null);
}
