/**
 * Log streams on the wire (wire-protocol.md section 10): plain JSON, no envelope. One request with a private reply
 * subject, many messages back, a heartbeat of the producer per consumer.
 *
 * Ours, between our own peers only: the request carries `Credit`, the number of message bytes that the producer may send;
 * the consumer raises it by publishing totals on the stream's credit subject, and takes it back by `close`. Then frames
 * also carry `Time` and `Offset`, and a close names the error's code.
 */
import { isId, parseJson, stringifyJson } from '../../model/mod.ts';
import type { LogFrame, LogRequest } from '../wire/messages.ts';

export const Close = { Normal: 1000, GoingAway: 1001, BadRequest: 4000, Internal: 5000 } as const;

export const LOG_HEARTBEAT_MS = 10_000;
export const LOG_HEARTBEAT_TIMEOUT_MS = 5000;
/** What a producer may have sent beyond what its reader has consumed. */
export const LOG_CREDIT = 4n * 1024n * 1024n;
/** Text of the credit message that ends a stream. */
export const CREDIT_CLOSE = 'close';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface StreamRequest {
  /** The inbox prefix with its trailing dot. */
  readonly consumerId: string;
  readonly streamId: string;
  readonly heartBeatRequestSub: string;
  readonly log: LogRequest;
  /** 0 from a peer that knows no flow control. */
  readonly credit: bigint;
}

export const creditSubject = (request: Pick<StreamRequest, 'heartBeatRequestSub' | 'streamId'>): string =>
  `${request.heartBeatRequestSub}.${request.streamId}`;

export interface StreamClose {
  readonly Code: number;
  readonly Text: string;
  /** Ours. */
  readonly ErrorCode?: string;
}

export function json(value: unknown): Uint8Array {
  return encoder.encode(stringifyJson(value));
}

/** @throws SyntaxError or TypeError when the bytes are no JSON object */
export function readObject(data: Uint8Array): Record<string, unknown> {
  const value = parseJson(decoder.decode(data));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('not an object');
  }
  return value as Record<string, unknown>;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const bigOf = (value: unknown): bigint =>
  typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : 0n;

export function encodeStreamRequest(request: StreamRequest): Uint8Array {
  const { ExecutionID, NodeID, Tail, Follow, Offset, TailLines } = request.log;
  const body = { ExecutionID, NodeID, Tail, Follow, Offset, TailLines, Credit: request.credit };
  return json({
    consumerId: request.consumerId,
    streamId: request.streamId,
    heartBeatRequestSub: request.heartBeatRequestSub,
    body: json(body).toBase64(),
  });
}

/** @throws SyntaxError or TypeError that says what is wrong */
export function decodeStreamRequest(data: Uint8Array): StreamRequest {
  const outer = readObject(data);
  const body = readObject(Uint8Array.fromBase64(textOf(outer.body)));
  const log: LogRequest = Object.freeze({
    ExecutionID: textOf(body.ExecutionID),
    NodeID: textOf(body.NodeID),
    Tail: body.Tail === true,
    Follow: body.Follow === true,
    ...(body.Offset === undefined ? {} : { Offset: bigOf(body.Offset) }),
    ...(body.TailLines === undefined ? {} : { TailLines: Number(bigOf(body.TailLines)) }),
  });
  if (!isId(log.ExecutionID)) throw new TypeError('the request names no execution');
  const streamId = textOf(outer.streamId);
  if (!isId(streamId)) throw new TypeError('the request names no stream');
  const heartBeatRequestSub = textOf(outer.heartBeatRequestSub);
  if (heartBeatRequestSub !== '' && !isId(heartBeatRequestSub)) throw new TypeError('no heartbeat subject');
  return {
    consumerId: textOf(outer.consumerId),
    streamId,
    heartBeatRequestSub,
    log,
    credit: bigOf(body.Credit),
  };
}

/** @param extended the reader is one of ours */
export function encodeFrame(frame: LogFrame, extended: boolean): Uint8Array {
  const { Type, Line, Time, Offset } = frame;
  const value = extended ? { Type, Line, Time, Offset } : { Type, Line };
  // Base64 needs no escapes: the long text is not looked through, nor copied, once more.
  return new TextEncoder().encode(`{"type":1,"data":"${json({ value }).toBase64()}"}`);
}

export function encodeClose(close: StreamClose): Uint8Array {
  return json({ type: 2, closeError: close });
}

export type StreamMessage =
  | { readonly kind: 'frame'; readonly frame: LogFrame }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'close'; readonly close: StreamClose };

/** @throws SyntaxError or TypeError when the bytes are no stream message */
export function decodeStreamMessage(data: Uint8Array): StreamMessage {
  const message = readObject(data);
  if (message.type === 2) {
    const close = (message.closeError ?? {}) as Record<string, unknown>;
    return {
      kind: 'close',
      close: {
        Code: typeof close.Code === 'number' ? close.Code : Close.Normal,
        Text: textOf(close.Text),
        ...(textOf(close.ErrorCode) === '' ? {} : { ErrorCode: textOf(close.ErrorCode) }),
      },
    };
  }
  if (message.type !== 1) throw new TypeError(`unknown stream message type ${message.type}`);
  const { value, error } = readObject(Uint8Array.fromBase64(textOf(message.data)));
  if (textOf(error) !== '') return { kind: 'error', text: textOf(error) };
  const frame = (value ?? {}) as Record<string, unknown>;
  return {
    kind: 'frame',
    frame: Object.freeze({
      Type: frame.Type === 2 ? 2 : 1,
      Line: textOf(frame.Line),
      ...(textOf(frame.Time) === '' ? {} : { Time: textOf(frame.Time) }),
      ...(frame.Offset === undefined ? {} : { Offset: bigOf(frame.Offset) }),
    }),
  };
}

/** Stream ids by request subject, in a heartbeat or its answer. */
export type StreamIds = Readonly<Record<string, readonly string[]>>;

/** Entries that are no list of texts are left out. @throws SyntaxError or TypeError when the bytes are no JSON object */
export function decodeStreamIds(data: Uint8Array, key: 'ActiveStreamIds' | 'NonActiveStreamIds'): StreamIds {
  const result: Record<string, readonly string[]> = {};
  for (const [subject, ids] of Object.entries(readObject(data)[key] ?? {})) {
    if (Array.isArray(ids)) result[subject] = ids.filter((id) => typeof id === 'string');
  }
  return result;
}
