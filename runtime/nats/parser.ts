/**
 * Reads what a client sends. Works on bytes: one pass over a protocol line finds its end and its words; only subjects and
 * sids become strings (latin1, so that any bytes survive), payloads stay views of the received chunk. The result does not
 * depend on how the stream was cut into chunks (test/runtime/nats/parser.test.ts).
 *
 * A line ends with LF, a CR before it counts as blank, words are separated by blanks or tabs, operations ignore case.
 */
import { Buffer } from 'node:buffer';
import { ServerError, type ServerErrorText } from './protocol.ts';

/** Receives what was read, in order. After `fail`, or once `stopped` turns true, nothing more is delivered. */
export interface ParserHandler {
  readonly stopped: boolean;
  connect(json: string): void;
  ping(): void;
  pong(): void;
  /** `data` holds headers and body, the first `headerLength` bytes being headers; it is a view, valid for ever. */
  publish(subject: string, reply: string, headerLength: number, data: Buffer): void;
  subscribe(subject: string, queue: string, sid: string): void;
  /** `max` 0 is at once. */
  unsubscribe(sid: string, max: number): void;
  /** The client said -ERR, or broke the protocol. */
  fail(error: ServerErrorText | null): void;
}

const LF = 10;
const CR = 13;
const TAB = 9;
const SPACE = 32;
/** No operation is longer; a line may exceed the limit of its arguments by so much. */
const LONGEST_OPERATION = 8;
const MAX_WORDS = 5;
const EMPTY = Buffer.alloc(0);

export class Parser {
  /** Beginning of a line whose end has not come yet. */
  #line: Buffer = EMPTY;
  /** Payload being collected over several chunks, CR LF included, and how much of it is there. */
  #payload: Buffer | null = null;
  #filled = 0;
  /** What the payload belongs to. */
  #subject = '';
  #reply = '';
  #headerLength = 0;
  /** Start and end of each word of the current line. */
  readonly #words = new Int32Array(2 * MAX_WORDS);
  #count = 0;

  constructor(
    private readonly handler: ParserHandler,
    private readonly maxControlLine: number,
    private readonly maxPayload: number,
  ) {}

  /** Consumes all of `chunk`; the chunk must not be changed afterwards. */
  feed(chunk: Buffer): void {
    let at = 0;
    if (this.#payload !== null) {
      at = this.#fill(this.#payload, chunk);
    } else if (this.#line.length > 0) {
      chunk = Buffer.concat([this.#line, chunk]);
      this.#line = EMPTY;
    }
    while (at < chunk.length && !this.handler.stopped) at = this.#readLine(chunk, at);
  }

  /** Adds to the payload under way. Returns where the next line begins. */
  #fill(payload: Buffer, chunk: Buffer): number {
    const taken = Math.min(payload.length - this.#filled, chunk.length);
    payload.set(taken === chunk.length ? chunk : chunk.subarray(0, taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === payload.length) {
      this.#payload = null;
      this.#finishPayload(payload, 0, payload.length - 2);
    }
    return taken;
  }

  /** Reads one line and, if there, the payload behind it. Returns the position behind what was consumed. */
  #readLine(chunk: Buffer, start: number): number {
    const words = this.#words;
    const length = chunk.length;
    let count = 0;
    let inWord = false;
    let at = start;
    for (; at < length; at++) {
      const byte = chunk[at]!;
      if (byte > SPACE) {
        if (!inWord) {
          if (count < MAX_WORDS) words[2 * count] = at;
          inWord = true;
        }
      } else if (byte === SPACE || byte === TAB || byte === CR || byte === LF) {
        if (inWord) {
          if (count < MAX_WORDS) words[2 * count + 1] = at;
          count++;
          inWord = false;
        }
        if (byte === LF) break;
      } else if (!inWord) {
        if (count < MAX_WORDS) words[2 * count] = at;
        inWord = true;
      }
    }
    if (at === length) {
      if (length - start <= this.maxControlLine + LONGEST_OPERATION + 2) {
        this.#line = chunk.subarray(start);
        return length;
      }
      // The line is too long whatever follows.
      if (inWord && count < MAX_WORDS) words[2 * count + 1] = at;
      this.#count = inWord ? count + 1 : count;
      this.#fail(operationOf(chunk, start) === 0 ? ServerError.unknownOperation : ServerError.controlLine);
      return length;
    }
    this.#count = count;
    return this.#execute(chunk, start, at);
  }

  #execute(chunk: Buffer, start: number, end: number): number {
    const next = end + 1;
    const operation = operationOf(chunk, start);
    if (operation === 0 || this.#count === 0) return this.#stop(ServerError.unknownOperation, next);
    const words = this.#words;
    if (end - words[1]! > this.maxControlLine + 2) return this.#stop(ServerError.controlLine, next);
    switch (operation) {
      case Operation.pub:
      case Operation.hpub:
        return this.#readPublish(chunk, next, operation === Operation.hpub);
      case Operation.sub: {
        if (this.#count !== 3 && this.#count !== 4) return this.#stop(ServerError.parser, next);
        const queue = this.#count === 4 ? this.#word(chunk, 2) : '';
        this.handler.subscribe(this.#word(chunk, 1), queue, this.#word(chunk, this.#count - 1));
        return next;
      }
      case Operation.unsub: {
        if (this.#count !== 2 && this.#count !== 3) return this.#stop(ServerError.parser, next);
        this.handler.unsubscribe(
          this.#word(chunk, 1),
          this.#count === 3 ? Math.max(this.#size(chunk, 2), 0) : 0,
        );
        return next;
      }
      case Operation.ping:
        this.handler.ping();
        return next;
      case Operation.pong:
        this.handler.pong();
        return next;
      case Operation.connect:
        this.handler.connect(chunk.toString('utf8', words[1]!, end));
        return next;
      case Operation.error:
        return this.#stop(null, next);
      default: // +OK and INFO mean nothing to a server.
        return next;
    }
  }

  #readPublish(chunk: Buffer, next: number, hasHeaders: boolean): number {
    const sizes = hasHeaders ? 2 : 1;
    const count = this.#count;
    if (count !== 2 + sizes && count !== 3 + sizes) return this.#stop(ServerError.parser, next);
    const total = this.#size(chunk, count - 1);
    const headerLength = hasHeaders ? this.#size(chunk, count - 2) : 0;
    if (total < 0 || headerLength < 0 || headerLength > total) return this.#stop(ServerError.parser, next);
    if (total > this.maxPayload) return this.#stop(ServerError.maxPayload, next);
    this.#subject = this.#word(chunk, 1);
    this.#reply = count === 3 + sizes ? this.#word(chunk, 2) : '';
    this.#headerLength = headerLength;
    const end = next + total;
    if (end + 2 <= chunk.length) {
      this.#finishPayload(chunk, next, end);
      return end + 2;
    }
    const payload = Buffer.allocUnsafe(total + 2);
    payload.set(chunk.subarray(next), 0);
    this.#payload = payload;
    this.#filled = chunk.length - next;
    return chunk.length;
  }

  #finishPayload(buffer: Buffer, start: number, end: number): void {
    if (buffer[end] !== CR || buffer[end + 1] !== LF) return this.#fail(ServerError.unknownOperation);
    this.handler.publish(this.#subject, this.#reply, this.#headerLength, buffer.subarray(start, end));
  }

  #word(chunk: Buffer, index: number): string {
    return chunk.toString('latin1', this.#words[2 * index], this.#words[2 * index + 1]);
  }

  /** The number in a word of one to nine digits, else -1. */
  #size(chunk: Buffer, index: number): number {
    const start = this.#words[2 * index]!;
    const end = this.#words[2 * index + 1]!;
    if (end - start > 9) return -1;
    let value = 0;
    for (let at = start; at < end; at++) {
      const digit = chunk[at]! - 48;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }

  #stop(error: ServerErrorText | null, next: number): number {
    this.#fail(error);
    return next;
  }

  #fail(error: ServerErrorText | null): void {
    this.handler.fail(error);
  }
}

const Operation = {
  pub: 1,
  hpub: 2,
  sub: 3,
  unsub: 4,
  ping: 5,
  pong: 6,
  connect: 7,
  ok: 8,
  info: 9,
  error: 10,
} as const;

/** Name, code, and whether arguments must follow (else the line is an unknown operation, as in nats-server). */
const OPERATIONS: readonly [name: string, code: number, args: boolean][] = [
  ['pub', Operation.pub, true],
  ['hpub', Operation.hpub, true],
  ['sub', Operation.sub, true],
  ['unsub', Operation.unsub, true],
  ['ping', Operation.ping, false],
  ['pong', Operation.pong, false],
  ['connect', Operation.connect, true],
  ['+ok', Operation.ok, false],
  ['info', Operation.info, true],
  ['-err', Operation.error, true],
];

const BY_FIRST_BYTE: (typeof OPERATIONS[number])[][] = Array.from({ length: 128 }, () => []);
for (const entry of OPERATIONS) BY_FIRST_BYTE[entry[0].charCodeAt(0)]!.push(entry);

/** Code of the operation that the line at `start` begins with, 0 if none. */
function operationOf(chunk: Buffer, start: number): number {
  const candidates = BY_FIRST_BYTE[lower(chunk[start]!)];
  if (candidates === undefined) return 0;
  next: for (const [name, code, args] of candidates) {
    if (start + name.length >= chunk.length) continue;
    for (let i = 1; i < name.length; i++) if (lower(chunk[start + i]!) !== name.charCodeAt(i)) continue next;
    const after = chunk[start + name.length]!;
    if (after === SPACE || after === TAB || (!args && (after === CR || after === LF))) return code;
  }
  return 0;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}
