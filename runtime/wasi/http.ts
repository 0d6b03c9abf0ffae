/**
 * The host functions of `wasi:http/requests` (executors.md 8): one request, during which the module waits. The node sends
 * it; here its parts are read from the module's memory and the answer is written there.
 *
 * Differs from the original: pointers outside the memory are told before anything is sent (6 for those of the request, 7
 * for those of the answer), and an answer that is cut gives 5 with its first part when all of it is beyond the limit. One
 * that the module has room for is never cut, unless it is beyond the limit of the node.
 */
import { Buffer } from 'node:buffer';
import type { Channel } from './channel.ts';
import {
  type HttpEndFrame,
  type HttpFrame,
  type HttpOffer,
  HttpResult,
  type HttpWantFrame,
} from './http_frames.ts';
import type { GuestMemory } from './memory.ts';

export const HTTP_MODULE = 'wasi:http/requests';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'];

/** The part of the module's memory that an answer may fill, and what is granted in any case. */
const MEMORY_SHARE = 0.8;
const LEAST_LIMIT = 64 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** All functions of the module, by name. */
export function httpImports(
  memory: GuestMemory,
  channel: Channel,
  offer: HttpOffer,
): Record<string, (...args: number[]) => number> {
  return { http_request: (...args) => new Call(memory, channel, args).run(offer) };
}

class Call {
  readonly #memory: GuestMemory;
  readonly #channel: Channel;
  readonly #args: readonly number[];

  constructor(memory: GuestMemory, channel: Channel, args: readonly number[]) {
    this.#memory = memory;
    this.#channel = channel;
    // A module may import it with fewer parameters, or other types.
    this.#args = Array.from({ length: 12 }, (_, index) => Number(args[index] ?? 0) >>> 0);
  }

  run({ maxBytes }: HttpOffer): HttpResult {
    const [method, url, urlBytes, headers, headersBytes, body, bodyBytes] = this.#args as Seven;
    const [outHeaders, outHeadersBytes, outBody, outBodyBytes, status] = this.#args.slice(7) as Five;
    if ([outHeaders, outHeadersBytes, outBody, outBodyBytes].includes(0)) return HttpResult.badInput;
    const hasHeaders = headers !== 0 && headersBytes !== 0;
    const hasBody = body !== 0 && bodyBytes !== 0;
    if (!this.#holds(url, urlBytes)) return HttpResult.badInput;
    if (hasHeaders && !this.#holds(headers, headersBytes)) return HttpResult.badInput;
    if (hasBody && !this.#holds(body, bodyBytes)) return HttpResult.badInput;
    if (![outHeadersBytes, outBodyBytes].every((at) => this.#holds(at, 4))) return HttpResult.memoryError;
    if (![outHeaders, outBody].every((at) => this.#holds(at, 0))) return HttpResult.memoryError;
    if (status !== 0 && !this.#holds(status, 4)) return HttpResult.memoryError;
    const text = textOf(this.#memory.bytes(url, urlBytes));
    if (text === null) return HttpResult.invalidUrl;
    const lines = hasHeaders ? headerLines(this.#memory.bytes(headers, headersBytes)) : [];
    if (lines === null) return HttpResult.badInput;
    const { view } = this.#memory;
    const [headersRoom, bodyRoom] = [outHeadersBytes, outBodyBytes].map((at) => view.getUint32(at, true)) as [
      number,
      number,
    ];
    // A capacity may reach beyond the memory, as long as the answer does not.
    const room = view.byteLength - outBody;
    const wanted = Math.min(bodyRoom, room, maxBytes);
    const limit = Math.max(LEAST_LIMIT, Math.min(maxBytes, Math.floor(view.byteLength * MEMORY_SHARE)));
    const { end, written } = this.#exchange({
      type: 'http',
      method: METHODS[method] ?? 'GET',
      url: text,
      headers: lines,
      bodyBytes: hasBody ? bodyBytes : 0,
      wanted,
      limit,
    }, { body, outBody });
    if (end.result !== HttpResult.ok && end.result !== HttpResult.tooLarge) return end.result;
    if (end.more && room < Math.min(bodyRoom, maxBytes)) return HttpResult.memoryError;
    const answerHeaders = Buffer.from(end.headers, 'latin1').subarray(0, headersRoom);
    if (!this.#holds(outHeaders, answerHeaders.length)) return HttpResult.memoryError;
    this.#memory.bytes(outHeaders, answerHeaders.length).set(answerHeaders);
    this.#memory.setU32(outHeadersBytes, answerHeaders.length);
    this.#memory.setU32(outBodyBytes, written);
    if (status !== 0) this.#memory.setU32(status, end.status);
    return end.result;
  }

  /** Sends the request and serves the module's memory until there is an end. */
  #exchange(
    request: HttpFrame,
    { body, outBody }: { readonly body: number; readonly outBody: number },
  ): { readonly end: HttpEndFrame; readonly written: number } {
    this.#channel.send(request);
    for (let written = 0;;) {
      const frame = this.#channel.receive();
      switch (frame.type) {
        case 'http-want':
          this.#give(body, frame);
          break;
        case 'http-data': {
          const data = Buffer.from(frame.data, 'base64');
          this.#memory.bytes(outBody + written, data.length).set(data);
          written += data.length;
          break;
        }
        case 'http-end':
          return { end: frame, written };
        default:
          throw new Error(`Cannot go on with a request: the node sent "${frame.type}"`);
      }
    }
  }

  #give(body: number, { offset, length }: HttpWantFrame): void {
    const { buffer, byteOffset } = this.#memory.bytes(body + offset, length);
    this.#channel.send({
      type: 'http-body',
      data: Buffer.from(buffer, byteOffset, length).toString('base64'),
    });
  }

  #holds(pointer: number, length: number): boolean {
    return pointer + length <= this.#memory.view.byteLength;
  }
}

type Seven = [number, number, number, number, number, number, number];
type Five = [number, number, number, number, number];

function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null; // not UTF-8, which is all that can be said
  }
}

/** Names and values in turn, of lines `name: value`; others are left out. Null when HTTP cannot carry one. */
function headerLines(bytes: Uint8Array): string[] | null {
  const result: string[] = [];
  for (const line of Buffer.from(bytes).toString('latin1').split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const [name, value] = [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return null;
    result.push(name, value);
  }
  return result;
}
