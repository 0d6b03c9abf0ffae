/** A module that sends requests (test/fixtures/wasm/http.c), what it said, and a server that remembers what it was asked. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { DECISION_LOG, type DecisionEntry } from '../../../runtime/egress/mod.ts';
import type { NetworkConfig } from '../../../mod/model/mod.ts';
import type { RequestOptions } from '../../fixtures/wasm/request.ts';
import type { Bench, Finished } from './helpers.ts';

export interface Answer {
  readonly result: number;
  readonly status: number;
  readonly headers: string;
  readonly body: string;
  readonly bodyBytes: number;
  readonly hash: string;
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  /** As they came, name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** One request as the module takes it. */
export function ask(
  url: string,
  { method = 'GET', headers = '', body = '', headerRoom = 8192, bodyRoom = 65536 }: {
    method?: string;
    headers?: string;
    body?: string;
    headerRoom?: number;
    bodyRoom?: number;
  } = {},
): string {
  return [method, url, headers, body, headerRoom, bodyRoom].join('|');
}

export async function send(
  bench: Bench,
  network: NetworkConfig | undefined,
  requests: readonly string[],
  options: Pick<RequestOptions, 'env' | 'remark'> = {},
): Promise<{ readonly answers: Answer[]; readonly end: Finished['end'] }> {
  const { end, stdout } = await bench.run('http', {
    params: { Parameters: requests },
    ...options,
    ...(network ? { network } : {}),
  });
  const answers = stdout.split(/^(?=result )/m).filter((text) => text !== '').map(readAnswer);
  return { end, answers };
}

function readAnswer(text: string): Answer {
  const result = Number(/^result (\d+)$/m.exec(text)![1]);
  const found = /^status (\d+)\nheaders \d+\n(.*?)\n\.\nbody (\d+) (\w+)\n(.*)\n\.\n$/ms.exec(text);
  const [, status = '0', headers = '', bodyBytes = '0', hash = '', body = ''] = found ?? [];
  return { result, status: Number(status), headers, body, bodyBytes: Number(bodyBytes), hash };
}

/** What the module computes of a body. */
export function fnv(bytes: Uint8Array): string {
  let sum = 2166136261;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 16777619) >>> 0;
  return sum.toString(16).padStart(8, '0');
}

/** The body that the module makes of `~N`. */
export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8)));
}

export function decisions(bench: Bench): DecisionEntry[] {
  const text = readFileSync(bench.path(DECISION_LOG), 'utf8');
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as DecisionEntry);
}

export class Web implements AsyncDisposable {
  readonly asked: Asked[] = [];

  private constructor(
    readonly port: number,
    readonly origin: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {}

  static async start(
    answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
    { host = '127.0.0.1', port = 0, tls }: {
      host?: string;
      port?: number;
      tls?: { key: string; cert: string };
    } = {},
  ): Promise<Web> {
    const listener = async (request: IncomingMessage, response: ServerResponse) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of request) parts.push(part as Buffer);
      } catch {
        return; // the client went away
      }
      const { method = '', url = '', rawHeaders } = request;
      const body = Buffer.concat(parts);
      web.asked.push({ method, url, headers: rawHeaders, body });
      answer(request, response, body);
    };
    const server = tls ? createSecureServer(tls, listener) : createServer(listener);
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    const { port: taken } = server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    const web: Web = new Web(taken, `http${tls ? 's' : ''}://${name}:${taken}`, server as never);
    return web;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
