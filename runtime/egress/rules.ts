/**
 * Which hosts a list of domains covers (job-spec.md 1.13, executors.md 5.1 and 8).
 *
 * | Entry | Covers |
 * |---|---|
 * | `example.com` | that name |
 * | `.example.com` | that name and all below it |
 * | `*.example.com`, `api.*.org`, `*` | names that the glob matches; `*` stands for any text, dots too |
 * | `192.0.2.7`, `2001:db8::1`, `[2001:db8::1]` | that address |
 * | `host:8443`, `http://host/path` | the host; a written port restricts the entry to it |
 *
 * The two engines of the original read wildcards differently; here one list means the same to both.
 */
import { matchesWildcard } from '../glob.ts';
import { canonicalAddress } from './addresses.ts';

/** Each request of a program is held against every entry. */
export const MAX_ENTRIES = 1000;
/** An entry may be a whole URL; names have 253 characters. */
export const MAX_ENTRY_LENGTH = 1024;
const MAX_NAME = 253;

export interface Rule {
  /** As it was written, for messages. */
  readonly entry: string;
  readonly kind: 'name' | 'suffix' | 'glob' | 'address';
  /** Lower-case ASCII without the leading dot; a canonical address. */
  readonly value: string;
  readonly port?: number;
}

/** An entry that cannot be used, and why. */
export interface RuleProblem {
  readonly entry: string;
  readonly why: string;
}

/** Ports that an entry without a port opens, as the original's Squid: for tunnels, and for plain HTTP. */
export const TUNNEL_PORTS: readonly number[] = [443];
const HTTP_PORTS: readonly number[] = [80, 280, 443, 488, 591, 777];
const FIRST_UNPRIVILEGED = 1025;

export type Scheme = 'http' | 'tunnel';

export type Match =
  | { readonly kind: 'matched'; readonly rule: Rule }
  /** The host is listed, this port of it is not. */
  | { readonly kind: 'port'; readonly rule: Rule }
  | { readonly kind: 'none' };

/** What a policy asks its rules. */
export interface HostRules {
  /** @param host as {@link canonicalHost} gives it */
  match(host: string, port: number, scheme: Scheme): Match;
  /** Whether this very address may be reached although it is not public. */
  namesAddress(address: string, port: number): boolean;
}

/** The parsed list of hosts of a job or node, matched one by one in linear time. */
export class DomainRules implements HostRules {
  constructor(readonly rules: readonly Rule[]) {}

  /** @param host as {@link canonicalHost} gives it */
  match(host: string, port: number, scheme: Scheme): Match {
    let near: Rule | undefined;
    for (const rule of this.rules) {
      if (!this.#covers(rule, host)) continue;
      if (portAllowed(rule, port, scheme)) return { kind: 'matched', rule };
      near ??= rule;
    }
    return near ? { kind: 'port', rule: near } : { kind: 'none' };
  }

  /** Whether this very address is an entry: the only way to reach one that is not public. */
  namesAddress(address: string, port: number): boolean {
    return this.rules.some((rule) =>
      rule.kind === 'address' && rule.value === address && (rule.port === undefined || rule.port === port)
    );
  }

  #covers(rule: Rule, host: string): boolean {
    switch (rule.kind) {
      case 'name':
      case 'address':
        return host === rule.value;
      case 'suffix':
        return host === rule.value || host.endsWith(`.${rule.value}`);
      case 'glob':
        return matchesWildcard(rule.value, host);
    }
  }
}

function portAllowed(rule: Rule, port: number, scheme: Scheme): boolean {
  if (rule.port !== undefined) return rule.port === port;
  if (scheme === 'tunnel') return TUNNEL_PORTS.includes(port);
  return HTTP_PORTS.includes(port) || port >= FIRST_UNPRIVILEGED;
}

/**
 * The one spelling in which hosts are compared: lower case, punycode, no trailing dot, addresses canonical. Numbers in
 * any notation that resolvers take (`0x7f.1`, `2130706433`) become the address they mean. Null when it is no host.
 * @param host without a port; IPv6 with or without brackets
 */
export function canonicalHost(host: string): string | null {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  if (bracketed === '' || bracketed.length > MAX_ENTRY_LENGTH || /[\s/?#@\\%]/.test(bracketed)) return null;
  let name: string;
  try {
    name = new URL(`http://${bracketed}/`).hostname;
  } catch {
    return null; // the parser's own words add nothing
  }
  if (name.startsWith('[')) return canonicalAddress(name);
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  const well = bare.length <= MAX_NAME &&
    bare.split('.').every((label) => label.length <= 63 && /^[a-z0-9_-]+$/.test(label));
  return well ? bare : null;
}

/** All entries that can be read as rules, the others by name with the reason. Duplicates and blanks are dropped. */
export function parseDomains(
  entries: readonly string[],
): { readonly rules: DomainRules; readonly problems: readonly RuleProblem[] } {
  const rules = new Map<string, Rule>();
  const problems: RuleProblem[] = [];
  for (const [index, entry] of entries.entries()) {
    const rule = index < MAX_ENTRIES ? parseEntry(entry) : `the list has more than ${MAX_ENTRIES} entries`;
    if (typeof rule === 'string') problems.push({ entry, why: rule });
    else rules.set(`${rule.kind} ${rule.value} ${rule.port ?? ''}`, rule);
  }
  return { rules: new DomainRules([...rules.values()]), problems };
}

/** A rule, or why there is none. */
function parseEntry(entry: string): Rule | string {
  if (entry.length > MAX_ENTRY_LENGTH) return `it is longer than ${MAX_ENTRY_LENGTH} characters`;
  const text = entry.trim().toLowerCase();
  // Else the address before the slash alone would be taken, which is not what was meant.
  if (/^[0-9a-f.:]+\/\d{1,3}$/.test(text) && canonicalAddress(text.replace(/\/.*/, '')) !== null) {
    return 'ranges of addresses cannot be listed, single addresses can';
  }
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//, '')
    .replace(/[/?#].*$/s, '')
    .replace(/^.*@/, '');
  if (bare === '') return 'it is empty';
  const address = canonicalAddress(bare);
  if (address !== null) return { entry, kind: 'address', value: address };
  const withPort = /^(.*):(\d+)$/.exec(bare);
  const port = withPort ? Number(withPort[2]) : undefined;
  if (port !== undefined && (port < 1 || port > 65535)) return `${port} is not a port`;
  const host = withPort ? withPort[1]! : bare;
  const ports = port === undefined ? {} : { port };
  if (host.includes('*')) {
    const value = canonicalGlob(host);
    return value === null ? 'it is no pattern of names' : { entry, kind: 'glob', value, ...ports };
  }
  const suffix = host.startsWith('.');
  const value = canonicalHost(suffix ? host.slice(1) : host);
  if (value === null) return 'it is neither a domain nor an IP address';
  const isAddress = canonicalAddress(value) !== null;
  if (suffix && isAddress) return 'an IP address has no sub-domains';
  return { entry, kind: isAddress ? 'address' : suffix ? 'suffix' : 'name', value, ...ports };
}

function canonicalGlob(host: string): string | null {
  const labels = host.replace(/\.$/, '').split('.').map((label) => {
    if (label.includes('*')) return /^[a-z0-9_*-]+$/.test(label) ? label : null;
    // A label of digits alone would be read as an address.
    return /^[0-9]+$/.test(label) ? label : canonicalHost(label);
  });
  const name = labels.every((label) => label !== null) ? labels.join('.') : '';
  return name === '' || name.length > MAX_NAME ? null : name;
}
