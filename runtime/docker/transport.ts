/**
 * HTTP to an engine: one pool of kept connections for short calls, a connection of its own for each long one, so that a
 * stream that is not read never holds a pooled connection. The API version is negotiated at the first call.
 */
import http from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { realWorld } from '../world.ts';
import type { ByteSource } from './client.ts';
import { agentOf, dialOptions } from './dial.ts';
import { type DockerEndpoint, endpointText } from './endpoint.ts';
import { DockerError, errorOfAbort, errorOfAnswer, errorOfConnection } from './errors.ts';
import { chooseVersion } from './version.ts';

export interface Call {
  /** GET by default. */
  readonly method?: string;
  /** Below the version: `/containers/json`. */
  readonly path: string;
  /** Left out where undefined; objects as JSON, lists as repeated parameters. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it comes, as a tar archive. */
  readonly upload?: ByteSource;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** No time limit but the signal's, and a connection of its own. */
  readonly long?: boolean;
  /** Milliseconds on top of the limit of a short call. */
  readonly extraMs?: number;
  /** Without a version in front. */
  readonly plain?: boolean;
  /** What the call is about, for errors. */
  readonly subject?: string | undefined;
}

export type QueryValue =
  | string
  | number
  | boolean
  | undefined
  | readonly string[]
  | Readonly<Record<string, unknown>>;

/** A response, or a switched connection with what came along. */
type Opened = { readonly response: http.IncomingMessage } | {
  readonly socket: Duplex;
  readonly head: Uint8Array;
};

/** An error text is not longer; what comes after is not read. */
const MAX_ERROR_BYTES = 64 * 1024;

export class Transport {
  readonly where: string;
  readonly #endpoint: DockerEndpoint;
  readonly #timeoutMs: number;
  readonly #wanted: string | undefined;
  readonly #pool: http.Agent;
  /** Opens a connection for each call. */
  readonly #single: http.Agent;
  #version: Promise<string> | undefined;

  /** @param options.version to use instead of negotiating (DOCKER_API_VERSION) */
  constructor(endpoint: DockerEndpoint, options: { timeoutMs: number; version?: string | undefined }) {
    this.#endpoint = endpoint;
    this.where = endpointText(endpoint);
    this.#timeoutMs = options.timeoutMs;
    this.#wanted = options.version || undefined;
    this.#pool = agentOf(endpoint, { keepAlive: true, maxFreeSockets: 4 });
    this.#single = agentOf(endpoint, { keepAlive: false });
  }

  /** @throws DockerError `NotImplemented` when the engine is too old */
  apiVersion(): Promise<string> {
    return this.#version ??= this.#negotiate().catch((error: unknown) => {
      this.#version = undefined;
      throw error;
    });
  }

  async ping(): Promise<void> {
    await this.#ping();
  }

  /** Calls and reads the answer, which is JSON. */
  async json<T>(call: Call): Promise<T> {
    const text = await this.#finish(call);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new DockerError('DataLoss', `the engine's answer is not JSON: ${text.slice(0, 100)}`, {
        subject: call.subject,
        cause,
      });
    }
  }

  /** Calls and drops the answer. */
  async done(call: Call): Promise<void> {
    await this.#finish(call);
  }

  /** Calls without a time limit; the body is the caller's to read or destroy. */
  async stream(call: Call): Promise<http.IncomingMessage> {
    const opened = await this.#open({ ...call, long: true }, await this.apiVersion(), false);
    if ('response' in opened) return opened.response;
    opened.socket.destroy();
    throw new DockerError('DataLoss', 'the engine switched a connection that it was not asked to switch');
  }

  /** Turns the connection of a call into a raw one. */
  async hijack(call: Call): Promise<{ socket: Duplex; head: Uint8Array }> {
    const opened = await this.#open({ ...call, long: true }, await this.apiVersion(), true);
    if ('socket' in opened) return opened;
    opened.response.destroy();
    throw new DockerError('NotImplemented', 'the engine did not switch the connection', {
      subject: call.subject,
    });
  }

  /** The error to show for one that a connection of `call` gave. */
  explain(
    error: unknown,
    call: { signal?: AbortSignal | undefined; subject?: string | undefined },
  ): DockerError {
    return call.signal?.aborted
      ? errorOfAbort(call.signal, call.subject)
      : errorOfConnection(error, this.where, call.subject);
  }

  close(): void {
    this.#pool.destroy();
  }

  async #negotiate(): Promise<string> {
    return chooseVersion(await this.#ping(), this.#wanted, this.where);
  }

  /** @returns the highest version that the engine speaks */
  #ping(): Promise<string | undefined> {
    return this.#limited({ path: '/_ping', plain: true }, async (call) => {
      const { response } = await this.#open(call, '', false) as { response: http.IncomingMessage };
      await readText(response, MAX_ERROR_BYTES);
      return [response.headers['api-version']].flat()[0];
    });
  }

  async #finish(call: Call): Promise<string> {
    const version = call.plain ? '' : await this.apiVersion();
    return await this.#limited(call, async (limited) => {
      const opened = await this.#open(limited, version, false) as { response: http.IncomingMessage };
      return await readText(opened.response).catch((error: unknown) => {
        throw this.explain(error, limited);
      });
    });
  }

  /** Gives a short call its time limit, answer included. */
  async #limited<T>(call: Call, act: (call: Call) => Promise<T>): Promise<T> {
    if (call.long) return await act(call);
    const limit = this.#timeoutMs + (call.extraMs ?? 0);
    const controller = new AbortController();
    using _timer = realWorld.after(limit, () =>
      controller.abort(
        new DockerError(
          'Deadline',
          `the Docker engine "${this.where}" did not answer within ${limit / 1000} s`,
          {
            subject: call.subject,
          },
        ),
      ));
    const signal = call.signal ? AbortSignal.any([call.signal, controller.signal]) : controller.signal;
    return await act({ ...call, signal });
  }

  /** One request, again only where a kept connection turned out to be closed before anything was done. */
  async #open(call: Call, version: string, upgrade: boolean): Promise<Opened> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#attempt(call, version, upgrade);
      } catch (error) {
        const again = error instanceof StaleConnection && attempt <= 4 && !call.signal?.aborted;
        if (!again) throw error instanceof StaleConnection ? this.explain(error.cause, call) : error;
      }
    }
  }

  async #attempt(call: Call, version: string, upgrade: boolean): Promise<Opened> {
    if (call.signal?.aborted) throw errorOfAbort(call.signal, call.subject);
    const { body, type } = bodyOf(call);
    const request = this.#request(call, version, upgrade, body, type);
    // Deno's request emits no error when it is destroyed before its answer.
    let refuse: (error: DockerError) => void = () => undefined;
    const stop = () => {
      const error = errorOfAbort(call.signal!, call.subject);
      request.destroy(error);
      refuse(error);
    };
    call.signal?.addEventListener('abort', stop, { once: true });
    const unhook = () => call.signal?.removeEventListener('abort', stop);
    const answer = new Promise<Opened>((resolve, reject) => {
      refuse = reject;
      request.on('response', (response) => {
        response.once('close', unhook);
        resolve({ response });
      });
      request.on('upgrade', (_response, socket, head) => {
        // From here the request is done with; the signal ends the raw connection.
        unhook();
        const end = () => socket.destroy();
        call.signal?.addEventListener('abort', end, { once: true });
        socket.once('close', () => call.signal?.removeEventListener('abort', end));
        resolve({ socket, head });
      });
      request.on('error', (error: Error) => {
        unhook();
        if (call.signal?.aborted) return reject(errorOfAbort(call.signal, call.subject));
        const stale = request.reusedSocket && (call.method ?? 'GET') === 'GET';
        if (stale) return reject(new StaleConnection('a kept connection was closed', { cause: error }));
        // An engine that went away may come back as another version.
        this.#version = undefined;
        reject(errorOfConnection(error, this.where, call.subject));
      });
    });
    if (body instanceof Readable) {
      // The engine may answer (404) before it has taken all; then its answer counts, not the broken upload.
      const sent = pipeline(body, request);
      sent.catch(() => undefined);
    } else request.end(body);
    const opened = await answer;
    if ('response' in opened && opened.response.statusCode! >= 400) {
      throw errorOfAnswer(await messageOf(opened.response), opened.response.statusCode, call.subject);
    }
    return opened;
  }

  #request(
    call: Call,
    version: string,
    upgrade: boolean,
    body: string | Readable | undefined,
    type: string | undefined,
  ): http.ClientRequest {
    const endpoint = this.#endpoint;
    const secure = endpoint.kind === 'tcp' && endpoint.tls !== undefined;
    const length = typeof body === 'string'
      ? { 'content-length': String(new TextEncoder().encode(body).length) }
      : {};
    return (secure ? https : http).request({
      ...dialOptions(endpoint),
      method: call.method ?? 'GET',
      path: `${version && `/v${version}`}${call.path}${queryText(call.query)}`,
      headers: {
        ...(type !== undefined && { 'content-type': type }),
        ...length,
        ...(upgrade && { connection: 'Upgrade', upgrade: 'tcp' }),
        ...call.headers,
      },
      agent: call.long || upgrade ? this.#single : this.#pool,
    });
  }
}

/** The pool gave a connection that the engine had closed meanwhile. */
class StaleConnection extends Error {}

function bodyOf(call: Call): { body: string | Readable | undefined; type: string | undefined } {
  if (call.upload !== undefined) {
    const { upload } = call;
    const body = upload instanceof Uint8Array
      ? Readable.from([upload])
      : Readable.from(upload, { objectMode: false });
    return { body, type: 'application/x-tar' };
  }
  if (call.body === undefined) return { body: undefined, type: undefined };
  return { body: JSON.stringify(call.body), type: 'application/json' };
}

function queryText(query: Call['query'] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false || value === '') continue;
    if (Array.isArray(value)) value.forEach((entry: string) => parameters.append(name, entry));
    else if (typeof value === 'object') {
      if (Object.keys(value).length > 0) parameters.set(name, JSON.stringify(value));
    } else parameters.set(name, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}

async function readText(response: http.IncomingMessage, limit = Infinity): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > limit) break;
  }
  return text;
}

async function messageOf(response: http.IncomingMessage): Promise<string> {
  const text = (await readText(response, MAX_ERROR_BYTES)).trim();
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Proxies and very old engines answer in plain text.
  }
  return text || `the engine answered ${response.statusCode} ${response.statusMessage ?? ''}`.trim();
}
