/** One HTTP exchange as a client, direct or through the proxy that the environment names (proxy.ts). */
import { Buffer } from 'node:buffer';
import http, {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { NoAnswer } from './no_answer.ts';
import { hostOf, isSecure, type Proxy, proxyFor, routeTo } from './proxy.ts';

export interface WebRequest {
  /** GET by default. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the exchange, the body of the answer included. */
  readonly signal?: AbortSignal | undefined;
}

export interface WebAnswer {
  /** After redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it comes, no encoding undone. @throws Error when it ends too soon, which not every runtime tells */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the exchange; needed where the body is not read to its end. */
  discard(): void;
}

/** As browsers and the original follow them. */
const MAX_REDIRECTS = 10;

/**
 * Follows redirects; credentials do not go to another host.
 * @returns the answer whatever its status
 * @throws NoAnswer, the signal's reason
 */
export async function webRequest(address: string, request: WebRequest = {}): Promise<WebAnswer> {
  let url = new URL(address);
  let { method = 'GET', headers = {}, body } = request;
  for (let hops = 0;; hops++) {
    const answer = await exchange(url, method, headers, body, request.signal);
    const { statusCode: status = 0, headers: received } = answer;
    const isRedirect = [301, 302, 303, 307, 308].includes(status) && received.location !== undefined;
    const next = isRedirect ? URL.parse(received.location!, url) : null;
    if (!next || !/^https?:$/.test(next.protocol) || hops === MAX_REDIRECTS) {
      const body = bodyOf(answer, method === 'HEAD');
      return { url, status, headers: received, body, discard: () => void answer.destroy() };
    }
    answer.destroy();
    if (status < 307 && method !== 'HEAD') [method, body] = ['GET', undefined];
    if (next.host !== url.host) {
      headers = Object.fromEntries(
        Object.entries(headers).filter(([name]) => !/^authorization$/i.test(name)),
      );
    }
    url = next;
  }
}

/** The whole body. @throws Error when it ends too soon */
export async function textOf({ body }: WebAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of body) text += decoder.decode(part, { stream: true });
  return text + decoder.decode();
}

/**
 * A connection to `url` for what is no exchange (WebSockets), where a proxy is on the way: for `createConnection`.
 * @returns null where one dials as usual. @throws NoAnswer, the signal's reason
 */
export async function tunnelTo(url: URL, signal?: AbortSignal): Promise<Duplex | null> {
  const proxy = checkedProxy(url);
  return proxy && await openTunnel(url, proxy, signal);
}

/** What a connection to `url` that failed is told as. */
export function noAnswer(url: URL, error: unknown): NoAnswer {
  return error instanceof NoAnswer ? error : new NoAnswer(routeTo(url, checkedProxy(url)), error);
}

function checkedProxy(url: URL): Proxy | null {
  try {
    return proxyFor(url);
  } catch (error) {
    throw new NoAnswer(routeTo(url, null), error, (error as Error).message);
  }
}

async function exchange(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const proxy = checkedProxy(url);
  const path = `${url.pathname}${url.search}`;
  // Said in any case: what DELETE sends is not framed by itself.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const own = { method, headers: { ...headers, ...length, host: url.host } };
  const tunnel = proxy && isSecure(url) ? await openTunnel(url, proxy, signal) : null;
  const outgoing = proxy && !tunnel
    ? requestTo(proxy.url, {
      ...own,
      path: url.origin + path,
      headers: { ...own.headers, ...credentialsFor(proxy) },
    })
    : requestTo(url, { ...own, path, ...(tunnel ? { createConnection: () => tunnel } : {}) });
  outgoing.end(body);
  const answer = await settled<IncomingMessage>(outgoing, 'response', url, signal);
  if (signal) {
    const stop = () => answer.destroy(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    answer.once('close', () => signal.removeEventListener('abort', stop));
  }
  return answer;
}

async function openTunnel(url: URL, proxy: Proxy, signal?: AbortSignal): Promise<Duplex> {
  const path = `${url.hostname}:${url.port || (isSecure(url) ? 443 : 80)}`;
  const headers = { host: path, ...credentialsFor(proxy) };
  const outgoing = requestTo(proxy.url, { method: 'CONNECT', path, headers });
  outgoing.end();
  let socket: Duplex | undefined;
  outgoing.once('connect', (_answer, given: Duplex) => socket = given);
  const { statusCode, statusMessage } = await settled<IncomingMessage>(outgoing, 'connect', url, signal);
  if (statusCode !== 200) {
    outgoing.destroy();
    throw new NoAnswer(routeTo(url, proxy), undefined, `the proxy answered ${statusCode} ${statusMessage}`);
  }
  if (!isSecure(url)) return socket!;
  // Addresses are not said (RFC 6066 3).
  const servername = isIP(hostOf(url)) ? '' : hostOf(url);
  return tls.connect({ socket: socket!, host: hostOf(url), servername, ALPNProtocols: ['http/1.1'] });
}

/** On a connection of its own: a kept one may have come to its end unseen. */
function requestTo(url: URL, options: RequestOptions): ClientRequest {
  return (isSecure(url) ? https : http).request({
    hostname: hostOf(url),
    port: url.port || (isSecure(url) ? 443 : 80),
    ...(options.createConnection ? {} : { agent: false }),
    ...options,
  });
}

function credentialsFor({ url: { username, password } }: Proxy): Record<string, string> {
  if (username === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${btoa(text)}` };
}

/** The first argument of the event that answers. @throws NoAnswer, the signal's reason */
function settled<T>(outgoing: ClientRequest, event: string, url: URL, signal?: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // Not every runtime tells an end before the answer by an error.
  const stop = () => {
    outgoing.destroy();
    reject(signal!.reason);
  };
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  outgoing.once(event, resolve)
    .once('close', () => reject(noAnswer(url, new Error('the connection was closed'))))
    // Stays for errors after the answer, which its own stream reports, too.
    .on('error', (error) => reject(noAnswer(url, error)));
  return promise.finally(() => signal?.removeEventListener('abort', stop));
}

async function* bodyOf(answer: IncomingMessage, isHead: boolean): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    received += part.length;
    yield part;
  }
  const length = Number(answer.headers['content-length'] ?? 0);
  if (answer.complete && (isHead || received === length || !length)) return;
  throw new Error(
    `the answer ended after ${received} of ${length || 'more'} bytes: the connection was closed`,
  );
}
