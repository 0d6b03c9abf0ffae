/** Request bodies (rest-api.md 2.3): JSON objects whose top-level keys match in any case; unknown keys are ignored. */
import type { Context } from 'hono';
import { addMemoryPressure } from '../../../runtime/memory_pressure.ts';
import { parseJson } from '../../model/mod.ts';
import { requestError } from './errors.ts';

/** The members asked for; one that is absent or null is left out. */
export class Body {
  readonly #members: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    if (value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      throw requestError('Cannot read the request body: it is not a JSON object');
    }
    this.#members = new Map(Object.entries(value ?? {}).map(([key, member]) => [key.toLowerCase(), member]));
  }

  get(name: string): unknown {
    return this.#members.get(name.toLowerCase()) ?? undefined;
  }

  has(name: string): boolean {
    return this.#members.has(name.toLowerCase());
  }

  text(name: string): string {
    const value = this.get(name) ?? '';
    if (typeof value !== 'string') throw wrongType(name, 'a string');
    return value;
  }

  bool(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== 'boolean') throw wrongType(name, 'true or false');
    return value;
  }
}

function wrongType(name: string, wanted: string) {
  return requestError(`Cannot read the request body: "${name}" must be ${wanted}`);
}

/** Bytes with a limit that also holds where no Content-Length was sent. */
async function readText(request: Request, limit: number): Promise<string> {
  if (request.headers.has('content-length')) return await request.text();
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  if (!request.body) return text;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limit) throw tooLarge(limit);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

export function tooLarge(limit: number) {
  return requestError(
    `Cannot read the request body: it is larger than ${limit} bytes`,
    413,
    'Pass large inputs by reference (a URL, S3 or a local path) instead of embedding them in the job.',
  );
}

/** No body at all is an empty object. @throws BacalhauError 400 on another media type or when it is no JSON object */
export async function readBody(c: Context, limit: number): Promise<Body> {
  if (c.req.raw.headers.get('content-length') === '0') return new Body(undefined);
  const type = (c.req.raw.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  const text = await readText(c.req.raw, limit);
  addMemoryPressure(8 * text.length); // the body, its text, the object, and what becomes of that on its way to the store
  if (text.trim() === '') return new Body(undefined);
  if (type !== '' && type !== 'application/json') {
    throw requestError(
      `Cannot read the request body: 415 Unsupported Media Type "${type}"`,
      400,
      'Send JSON.',
    );
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw requestError(`Cannot read the request body: ${cause instanceof Error ? cause.message : cause}`);
  }
  return new Body(value);
}
