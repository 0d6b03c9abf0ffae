/**
 * A module's HTTP requests, sent by the node: each hop of a redirect is decided and recorded anew, since an allowed host may
 * point anywhere.
 */
import {
  type DecisionSink,
  DEFAULT_LIMITS,
  openDecisionLog,
  TokenBucket,
  withRemarks,
} from '../../../runtime/egress/mod.ts';
import { HTTP_PART, type HttpEndFrame, type HttpFrame, HttpResult } from '../../../runtime/wasi/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { NetworkConfig } from '../../model/mod.ts';
import type { RunRequest } from '../engine.ts';
import { Connection, NotAllowed, type Ways } from './http_connection.ts';
import { headerText, type OutgoingRequest, readUrl, redirected } from './http_message.ts';
import { type HostPolicy, hostPolicy } from './http_policy.ts';
import { HTTP_TIMEOUT_MS, type HttpSettings } from './http_settings.ts';
import { Sockets } from './http_sockets.ts';

export interface HttpClientOptions {
  readonly world: World;
  readonly settings: HttpSettings;
  readonly network: NetworkConfig | undefined;
  readonly jobId: string;
  /** File for the decisions. */
  readonly decisionLog: string;
  /** Tells the people who follow the job what was refused. */
  readonly remark: RunRequest['remark'];
}

/** Where the bodies are: in the module's memory. */
export interface Bodies {
  /** A part of the request's. */
  pull(offset: number, length: number): Promise<Uint8Array>;
  /** The next part of the answer's; there is no `pull` after it. Resolves when it is on its way. */
  push(part: Uint8Array): Promise<void>;
}

export type HttpEnd = Omit<HttpEndFrame, 'type'>;

const MAX_REDIRECTS = 10;

/** 1 Gbit/s: what passes here takes the node's own time. */
const OPEN_BYTES_PER_SECOND = 125_000_000;

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #policy: HostPolicy;
  readonly #log: DecisionSink;
  readonly #bucket: TokenBucket;
  readonly #sockets: Sockets;
  readonly #timeoutMs: number;

  constructor(options: HttpClientOptions) {
    const { settings, network, decisionLog, remark } = options;
    this.#options = options;
    this.#policy = hostPolicy(network, settings);
    const log = recording(openDecisionLog(decisionLog));
    this.#log = remark
      ? withRemarks(log, (message, hint) => remark(message, hint === undefined ? {} : { Hint: hint }))
      : log;
    // Only lists of domains come with a share of the node's line, as for containers.
    this.#bucket = new TokenBucket(
      network?.Type === 'HTTP'
        ? settings.bytesPerSecond ?? DEFAULT_LIMITS.bytesPerSecond
        : OPEN_BYTES_PER_SECOND,
    );
    this.#timeoutMs = settings.timeoutMs ?? HTTP_TIMEOUT_MS;
    this.#sockets = new Sockets({ connectMs: this.#timeoutMs, ca: settings.ca });
  }

  /**
   * @param stopped aborted when nobody wants the answer any more
   * @throws the error of the file system when a decision cannot be recorded
   */
  async request(frame: HttpFrame, bodies: Bodies, stopped: AbortSignal): Promise<HttpEnd> {
    const url = readUrl(frame.url);
    if (url === null) return failed(HttpResult.invalidUrl);
    const timeout = new AbortController();
    const timer = this.#options.world.after(this.#timeoutMs, () => timeout.abort(tooLate(this.#timeoutMs)));
    const signal = AbortSignal.any([stopped, timeout.signal]);
    const upload = new Upload(bodies);
    const { method, headers, bodyBytes } = frame;
    let request: OutgoingRequest = { url, method, headers, bodyBytes };
    try {
      for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
        const { connection, incoming } = await this.#open(request, upload, signal);
        try {
          const status = incoming.statusCode ?? 0;
          const next = redirected(request, status, incoming.headers.location);
          if (next === 'invalid') return failed(HttpResult.networkError);
          if (next === null) {
            const length = lengthOf(request, incoming.headers['content-length']);
            const body = await receive(connection.parts(incoming), length, frame, bodies);
            return { ...body, status, headers: headerText(incoming) };
          }
          request = next;
        } catch (error) {
          connection.fail(error);
          throw error;
        } finally {
          connection.close();
        }
      }
      return failed(HttpResult.networkError);
    } catch (error) {
      if (error instanceof NotRecorded) throw error.cause;
      if (timeout.signal.aborted) return failed(HttpResult.timeout);
      return failed(resultOf(error));
    } finally {
      timer[Symbol.dispose]();
      await upload.stop();
    }
  }

  /** Idempotent. */
  close(): void {
    this.#sockets.close();
    this.#log.close();
  }

  async #open(request: OutgoingRequest, upload: Upload, signal: AbortSignal) {
    for (;;) {
      const connection = new Connection(request, this.#ways(signal), signal);
      try {
        const incoming = await connection.open(upload.parts(request.bodyBytes));
        await upload.stop();
        return { connection, incoming };
      } catch (error) {
        await upload.stop();
        // The next has a new connection.
        if (!connection.isStale) throw error;
      }
    }
  }

  #ways(signal: AbortSignal): Ways {
    const { network, jobId, world } = this.#options;
    return {
      policy: this.#policy,
      log: this.#log,
      bucket: this.#bucket,
      sockets: this.#sockets,
      // As containers with this network do.
      plainHeaders: network?.Type === 'HTTP' ? { 'X-Bacalhau-Job-ID': jobId } : {},
      sleep: (ms) => world.sleep(ms, signal),
    };
  }
}

/** The file system refused a line of the decision log; no failure of the network. */
class NotRecorded extends Error {}

function recording(log: DecisionSink): DecisionSink {
  return {
    write(entry) {
      try {
        log.write(entry);
      } catch (cause) {
        throw new NotRecorded('a decision could not be recorded', { cause });
      }
    },
    close: () => log.close(),
  };
}

/** The request's body, part by part; stops between two parts. */
class Upload {
  #stopped = false;
  #pull: Promise<unknown> = Promise.resolve();

  constructor(private readonly bodies: Bodies) {}

  async *parts(bytes: number): AsyncGenerator<Uint8Array> {
    this.#stopped = false;
    for (let offset = 0; offset < bytes && !this.#stopped; offset += HTTP_PART) {
      const pull = this.bodies.pull(offset, Math.min(HTTP_PART, bytes - offset));
      this.#pull = pull.catch(() => undefined);
      yield await pull;
    }
  }

  /** Resolves when no part is asked for any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#pull;
  }
}

/** Hands the answer over as far as it is wanted, and looks on until it is known whether it is too large. */
async function receive(
  parts: AsyncIterable<Uint8Array>,
  length: number | null,
  { wanted, limit }: HttpFrame,
  bodies: Bodies,
): Promise<Pick<HttpEnd, 'result' | 'more'>> {
  let total = 0;
  for await (const part of parts) {
    const kept = part.subarray(0, Math.max(0, wanted - total));
    for (let at = 0; at < kept.length; at += HTTP_PART) await bodies.push(kept.subarray(at, at + HTTP_PART));
    total += part.length;
    if (total > wanted && (length !== null || total > limit)) break;
  }
  const all = length ?? total;
  const more = all > wanted;
  return { result: more && all > limit ? HttpResult.tooLarge : HttpResult.ok, more };
}

/** Of the body that comes; null when it is not said. */
function lengthOf({ method }: OutgoingRequest, header: string | undefined): number | null {
  if (method === 'HEAD') return 0;
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : null;
}

function resultOf(error: unknown): HttpResult {
  if (!(error instanceof NotAllowed)) {
    return (error as NodeJS.ErrnoException).code === 'ETIMEDOUT'
      ? HttpResult.timeout
      : HttpResult.networkError;
  }
  switch (error.decision.code) {
    case 'host-invalid':
      return HttpResult.invalidUrl;
    case 'name-not-found':
      return HttpResult.networkError;
    default:
      return HttpResult.notAllowed;
  }
}

function failed(result: HttpResult): HttpEnd {
  return { result, status: 0, headers: '', more: false };
}

function tooLate(ms: number): Error {
  return Object.assign(new Error(`no whole answer within ${ms / 1000} s`), { code: 'ETIMEDOUT' });
}
