/** Errors as answers, and the plain JSON that acknowledges data messages (wire-protocol.md 5.3 and 5.5). */
import { BacalhauError, parseJson, stringifyJson, toBacalhauError } from '../../model/mod.ts';
import type { BacError } from './codec.ts';
import { encodeMessage } from './codec.ts';
import type { Encoded } from './codec.ts';
import type { Metadata } from './envelope.ts';

/** UTF-16 units of one text in an answer; what a peer sent may come back in it. */
const MAX_TEXT = 2048;
const MAX_DETAILS = 32;

export function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}

/** @param extra metadata to echo */
export function encodeError(thrown: unknown, source: string, time: bigint, extra: Metadata = {}): Encoded {
  const error = toBacalhauError(thrown);
  // Foreign errors travel as the original's plain ones do: no code, no explicit status.
  const code = error.code === 'InternalError' ? '' : error.code;
  const payload: BacError = {
    Cause: cut(error.message),
    Hint: cut(error.hint),
    Retryable: error.retryable,
    FailsExecution: false,
    Component: error.component,
    HTTPStatusCode: error.status === 500 ? 0 : error.status,
    Details: Object.keys(error.details).length === 0 ? null : cutDetails(error.details),
    Code: code,
  };
  return encodeMessage('BacError', payload, source, time, {
    ...extra,
    'Bacalhau-StatusCode': String(error.status),
    'Bacalhau-ErrorCode': code,
  });
}

function cutDetails(details: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(details).slice(0, MAX_DETAILS).map((
      [key, text],
    ) => [key.slice(0, 64), text.slice(0, 128)]),
  );
}

export function decodeError(payload: BacError): BacalhauError {
  return new BacalhauError(payload.Code, payload.Cause, {
    hint: payload.Hint,
    retryable: payload.Retryable,
    details: { ...payload.Details },
    ...(payload.Component === '' ? {} : { component: payload.Component }),
    ...(payload.HTTPStatusCode === 0 ? {} : { status: payload.HTTPStatusCode }),
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const ACK: Uint8Array = encoder.encode('{}');

/** @param delayMs what a sender of ours waits before it sends again; the original ignores it */
export function encodeNack(error: string, delayMs: number): Uint8Array {
  return encoder.encode(
    stringifyJson({ error: cut(error), delay: BigInt(Math.round(delayMs)) * 1_000_000n }),
  );
}

/** Error text and wished delay of a reply to a data message; an empty text is an acknowledgement. */
export function decodeAck(data: Uint8Array): { readonly error: string; readonly delayMs: number } {
  if (data.length === 2 && data[0] === 0x7b && data[1] === 0x7d) return { error: '', delayMs: 0 };
  try {
    const value = parseJson(decoder.decode(data));
    if (typeof value === 'object' && value !== null) {
      const { error, delay } = value as { error?: unknown; delay?: unknown };
      return { error: typeof error === 'string' ? error : '', delayMs: Number(delay ?? 0) / 1e6 || 0 };
    }
    return { error: 'the acknowledgement is no JSON object', delayMs: 0 };
  } catch (error) {
    return { error: `the acknowledgement is no JSON: ${(error as Error).message}`, delayMs: 0 };
  }
}
