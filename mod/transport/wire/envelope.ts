/**
 * The bytes of everything on the four `ncl/v1` channels (wire-protocol.md section 4):
 *
 *     0    schema: 1 = JSON, 2 = protobuf (accepted, never sent)
 *     1-4  CRC-32 (IEEE) of bytes 5 to the end, big-endian
 *     5-   {"metadata":{string: string},"payload":<any JSON>}
 *
 * What is written is byte-identical to the original's: metadata keys sorted, `<`, `>`, `&`, U+2028 and U+2029 escaped.
 * What is read may be any JSON. The texts of failures are the original's, since they travel in error replies.
 */
import { crc32 } from 'node:zlib';
import { BacalhauError, parseJson, stringifyJson } from '../../model/mod.ts';
import { readProtobuf } from './protobuf.ts';

/** Names and texts beside a payload. */
export type Metadata = Readonly<Record<string, string>>;

/** A message as it came, its payload not yet looked at. */
export interface Envelope {
  readonly metadata: Metadata;
  /** Parsed JSON; `undefined` when the envelope has no payload at all. */
  readonly payload: unknown;
}

const HEADER_BYTES = 5;
const SCHEMA_JSON = 1;
const SCHEMA_PROTOBUF = 2;

const encoder = new TextEncoder();
// Like the original, a broken UTF-8 sequence inside a text becomes U+FFFD instead of failing the message.
const decoder = new TextDecoder();

/** The code is empty, as the original answers undecodable requests (corrections.md "Wire"). */
function broken(text: string, cause?: unknown): BacalhauError {
  return new BacalhauError('', text, cause === undefined ? {} : { cause });
}

const ESCAPED = /[<>&\u2028\u2029]/g;
const HAS_ESCAPED = /[<>&\u2028\u2029]/;

/** JSON as Go writes it. */
export function stringifyLikeGo(value: unknown): string {
  const text = stringifyJson(value);
  if (!HAS_ESCAPED.test(text)) return text;
  return text.replace(ESCAPED, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** @param payload plain JSON; `bigint` is written as digits */
export function encodeEnvelope(metadata: Metadata, payload: unknown): Uint8Array {
  const sorted: Record<string, string> = {};
  for (const key of Object.keys(metadata).sort()) sorted[key] = metadata[key]!;
  const body = encoder.encode(stringifyLikeGo({ metadata: sorted, payload }));
  const data = new Uint8Array(HEADER_BYTES + body.length);
  data[0] = SCHEMA_JSON;
  new DataView(data.buffer).setUint32(1, crc32(body) >>> 0, false);
  data.set(body, HEADER_BYTES);
  return data;
}

/** @throws BacalhauError with an empty code and the original's text */
export function decodeEnvelope(data: Uint8Array): Envelope {
  if (data.length < HEADER_BYTES) throw broken('bad message: too short');
  const schema = data[0]!;
  if (schema !== SCHEMA_JSON && schema !== SCHEMA_PROTOBUF) {
    throw broken(`unsupported encoding: 0x${schema.toString(16).padStart(2, '0')}`);
  }
  const body = data.subarray(HEADER_BYTES);
  const expected = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(1, false);
  if (crc32(body) >>> 0 !== expected) throw broken('bad message: CRC check failed');
  return schema === SCHEMA_JSON ? readJson(body) : readSchema2(body);
}

function readJson(body: Uint8Array): Envelope {
  let value: unknown;
  try {
    value = parseJson(decoder.decode(body));
  } catch (error) {
    throw broken(`failed to deserialize with encoding json-v1: ${(error as Error).message}`, error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw broken('failed to deserialize with encoding json-v1: not an object');
  }
  return { metadata: readMetadata(member(value, 'metadata')), payload: member(value, 'payload') };
}

/** A key in any letter case, the exact spelling first. */
function member(value: object, name: string): unknown {
  if (Object.hasOwn(value, name)) return (value as Record<string, unknown>)[name];
  return Object.entries(value).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** An envelope without metadata kills the original; here it is one more undecodable message. */
function readMetadata(value: unknown): Metadata {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw broken('failed to deserialize with encoding json-v1: metadata is missing or not an object');
  }
  const metadata: Record<string, string> = {};
  for (const [key, text] of Object.entries(value)) {
    if (text !== null && typeof text !== 'string') {
      throw broken(`failed to deserialize with encoding json-v1: metadata "${key}" is not a string`);
    }
    metadata[key] = text ?? '';
  }
  return Object.freeze(metadata);
}

function readSchema2(body: Uint8Array): Envelope {
  const fail = (error: unknown): BacalhauError =>
    broken(`failed to deserialize with encoding protobuf-v1: ${(error as Error).message}`, error);
  let message;
  try {
    message = readProtobuf(body);
  } catch (error) {
    throw fail(error);
  }
  if (message.metadata === undefined) throw fail(new Error('metadata is missing'));
  try {
    const payload = message.payload === undefined ? undefined : parseJson(message.payload);
    return { metadata: Object.freeze(message.metadata), payload };
  } catch (error) {
    throw broken(`failed to deserialize with encoding json: ${(error as Error).message}`, error);
  }
}
