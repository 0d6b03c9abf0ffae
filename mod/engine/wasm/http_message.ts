/** Headers and redirects of a module's requests: pure. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { endToEndHeaders, isHopByHop, mayKeepConnections } from '../../../runtime/egress/mod.ts';

export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly bodyBytes: number;
}

/** What only we may say, or what means nothing in a request that we frame. */
const OURS = new Set(['host', 'content-length', 'expect']);

/** Methods for which a missing body is said to be empty. */
const WITH_BODY: readonly string[] = ['POST', 'PUT', 'PATCH'];

/** Never sent on to another host than the one for which the module wrote them. */
const SECRETS: readonly string[] = ['authorization', 'cookie', 'cookie2', 'www-authenticate'];

/** An absolute `http` or `https` URL; null for all else. */
export function readUrl(text: string): URL | null {
  // Parsers that take these out or cut there read another host than the one that was written.
  // deno-lint-ignore no-control-regex
  if (/[\0-\x1f\x7f]/.test(text) || text.trim() !== text || !URL.canParse(text)) return null;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) ? url : null;
}

/** @param host the checked one, with its port where it is not the scheme's */
export function headersOf(
  { headers, method, bodyBytes, url }: OutgoingRequest,
  host: string,
  added: Readonly<Record<string, string>>,
): OutgoingHttpHeaders {
  const result: Record<string, string | string[]> = {};
  const replaced = Object.keys(added).map((name) => name.toLowerCase());
  const names = new Map<string, string>();
  for (let at = 0; at < headers.length; at += 2) {
    const lower = headers[at]!.toLowerCase();
    if (OURS.has(lower) || isHopByHop(lower) || replaced.includes(lower)) continue;
    const name = names.get(lower) ?? headers[at]!;
    names.set(lower, name);
    const before = result[name];
    const value = headers[at + 1]!;
    result[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  if (!names.has('user-agent')) result['User-Agent'] = 'bacalhau';
  if (url.username !== '' && !names.has('authorization')) result['Authorization'] = credentials(url);
  if (bodyBytes > 0 || WITH_BODY.includes(method)) result['Content-Length'] = String(bodyBytes);
  return { ...result, ...added, Host: host, Connection: mayKeepConnections ? 'keep-alive' : 'close' };
}

/** Lines of an answer for the module, with names as in the original (`Content-Type`), which programs search for. */
export function headerText(incoming: IncomingMessage): string {
  const lines = endToEndHeaders(incoming);
  const text: string[] = [];
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at]!.toLowerCase().replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
    text.push(`${name}: ${lines[at + 1]}`);
  }
  return text.join('\n');
}

/** The request that an answer sends us to; `invalid` when that is none for HTTP; null when the answer is the last. */
export function redirected(
  request: OutgoingRequest,
  status: number,
  location: string | undefined,
): OutgoingRequest | 'invalid' | null {
  if (![301, 302, 303, 307, 308].includes(status) || !location) return null;
  const url = URL.canParse(location, request.url.href)
    ? readUrl(new URL(location, request.url.href).href)
    : null;
  if (url === null) return 'invalid';
  const keepsBody = status === 307 || status === 308;
  const keepsSecrets = isWithin(url, request.url);
  const headers: string[] = [];
  for (let at = 0; at < request.headers.length; at += 2) {
    const name = request.headers[at]!.toLowerCase();
    if (!keepsBody && name.startsWith('content-')) continue;
    if (!keepsSecrets && SECRETS.includes(name)) continue;
    headers.push(request.headers[at]!, request.headers[at + 1]!);
  }
  const isReading = request.method === 'GET' || request.method === 'HEAD';
  return {
    url,
    headers,
    method: keepsBody || isReading ? request.method : 'GET',
    bodyBytes: keepsBody ? request.bodyBytes : 0,
  };
}

/** The same host or one below it, and not from a secret line to an open one. */
function isWithin(next: URL, before: URL): boolean {
  if (before.protocol === 'https:' && next.protocol !== 'https:') return false;
  return next.host === before.host || next.hostname.endsWith(`.${before.hostname}`);
}

function credentials({ username, password }: URL): string {
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}
