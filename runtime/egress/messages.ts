/** Headers that cross the proxy, and the answers that it gives itself. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

/** Of one connection only (RFC 9110 7.6.1), with the proxy's own and those that browsers made up. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a header concerns one connection only; `name` in lower case. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/** Header lines without those that concern one connection, in order, as name, value, name, value … */
export function endToEndHeaders({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = (headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim());
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!isHopByHop(name) && !named.includes(name)) kept.push(rawHeaders[at]!, rawHeaders[at + 1]!);
  }
  return kept;
}

/**
 * What goes to the host: `Host` is the checked name whatever the client wrote; the added headers replace the client's. A
 * body keeps its framing: a length, or chunks (which a client does not send by itself with every method).
 */
export function requestHeaders(
  request: IncomingMessage,
  host: string,
  added: Readonly<Record<string, string>>,
): OutgoingHttpHeaders {
  const result: Record<string, string | string[]> = {};
  const replaced = new Set(['host', 'expect', ...Object.keys(added).map((name) => name.toLowerCase())]);
  const lines = endToEndHeaders(request);
  for (let at = 0; at < lines.length; at += 2) {
    const name = lines[at]!.toLowerCase();
    if (replaced.has(name)) continue;
    const before = result[name];
    const value = lines[at + 1]!;
    result[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  Object.assign(result, { host, ...added, connection: 'close' });
  if (request.headers['transfer-encoding'] !== undefined) {
    delete result['content-length'];
    result['transfer-encoding'] = 'chunked';
  }
  return result;
}

/**
 * What is wrong with the framing of a request, else null. Not left to the runtime's parser: Bun's takes a length that is
 * there twice, and passes both on.
 */
export function framingFault({ rawHeaders }: IncomingMessage): string | null {
  const values = (wanted: string) =>
    rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === wanted);
  const lengths = values('content-length');
  const codings = values('transfer-encoding');
  if (lengths.length + codings.length > 1) return 'the length of the body is told more than once';
  if (lengths.some((length) => !/^[0-9]{1,15}$/.test(length.trim()))) {
    return 'the length of the body is no number';
  }
  if (codings.some((coding) => coding.trim().toLowerCase() !== 'chunked')) {
    return 'the body comes in a transfer coding other than "chunked"';
  }
  return null;
}

/** Whether a request brings a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** The plain text of an answer of the proxy itself. */
export function answerText(reason: string, hint = ''): string {
  return `bacalhau: ${reason}.\n${hint === '' ? '' : `${hint}\n`}`;
}

/** The same as raw bytes, where no response object exists (CONNECT, a request that cannot be read). */
export function rawAnswer(status: string, text: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${
    Buffer.byteLength(text)
  }\r\nConnection: close\r\n\r\n${text}`;
}
