/**
 * The usual proxy rule: HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, but for what NO_PROXY names and never for this machine.
 * Clients of the web go by `web_request.ts`, which asks here: `fetch` of Bun and of Deno reads the same variables by rules
 * of its own, which send even localhost to the proxy, and no option of theirs turns that off.
 */
import { BlockList, isIP } from 'node:net';
import process from 'node:process';

export type ProxyVariables = Readonly<Record<string, string | undefined>>;

export interface Proxy {
  readonly url: URL;
  /** Which variable names it. */
  readonly variable: string;
}

/** @throws Error when the variable that counts names no HTTP proxy */
export function proxyFor(target: URL, env: ProxyVariables = process.env): Proxy | null {
  const kind = isSecure(target) ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const variable = [kind, 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()]).find((name) =>
    env[name]
  );
  if (variable === undefined) return null;
  const host = hostOf(target);
  if (host === 'localhost' || within(host, '127.0.0.0', 8) || within(host, '::1', 128)) return null;
  const port = Number(target.port || (isSecure(target) ? 443 : 80));
  const exceptions = (env.NO_PROXY || env.no_proxy || '').toLowerCase().split(/[,\s]+/);
  if (exceptions.some((entry) => entry !== '' && names(entry, host, port))) return null;
  const text = env[variable]!;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url && /^https?:$/.test(url.protocol) && url.hostname) return { url, variable };
  throw new Error(`${variable} names no proxy of the form "http://host:port"`);
}

/** What is dialled for `target`, for people; without credentials. */
export function routeTo(target: URL, proxy: Proxy | null): string {
  const via = proxy ? ` through the proxy "${proxy.url.origin}" (${proxy.variable})` : '';
  return `"${target.origin}"${via}`;
}

export function isSecure({ protocol }: URL): boolean {
  return protocol === 'https:' || protocol === 'wss:';
}

/** Without the brackets of an IPv6 address and the dot of a full name. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$|\.$/g, '');
}

/** `*`, a name with those below it, `.name` or `*.name` for only those, an address or a range; each may have a port. */
function names(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const [, name, only] = isIP(entry) ? [, entry] : /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
  if (!name || (only && Number(only) !== port)) return false;
  const [address, bits] = name.split('/');
  if (isIP(address!)) return within(host, address!, Number(bits ?? (isIP(address!) === 4 ? 32 : 128)));
  const suffix = name.replace(/^\*?\./, '.');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === name || host.endsWith(`.${name}`);
}

function within(host: string, network: string, bits: number): boolean {
  if (!isIP(host) || !(bits >= 0 && bits <= (isIP(network) === 4 ? 32 : 128))) return false;
  const range = new BlockList();
  range.addSubnet(network, bits, `ipv${isIP(network) as 4 | 6}`);
  return range.check(host, `ipv${isIP(host) as 4 | 6}`);
}
