/**
 * The receiver of one data plane (wire-protocol.md 5.5), the same on both sides: messages are handled strictly one after
 * another and acknowledged only when the handler has resolved (invariants.md S8). Refusals (nacks) are for bytes that
 * nobody can read and for gaps between our own peers, since a refusal can wedge a sender of the original; message types
 * that are not for us are acknowledged.
 */
import { toBacalhauError } from '../../model/mod.ts';
import type { BacalhauError } from '../../model/mod.ts';
import type { Bus, BusMessage, Subscription } from '../bus/bus.ts';
import { decodeMessage, sequenceOf, UnknownMessageType } from '../wire/codec.ts';
import type { Decoded } from '../wire/codec.ts';
import type { Received } from './link.ts';
import { ACK, encodeNack } from '../wire/replies.ts';
import { PREVIOUS } from './sender.ts';

/** Far above any sender's window; what comes beyond is dropped and, unacknowledged, sent again. */
const MAX_QUEUED = 4096;
/** A sender has at most this many under way, so no more ever wait for good. */
const MAX_BATCH = 32;

interface Taken<M> {
  readonly message: BusMessage;
  readonly received: Received<M>;
}

/** @template M the messages of this direction */
export interface ReceiverOptions<M> {
  readonly bus: Bus;
  readonly subject: string;
  /** Whether the type belongs to this direction. */
  expects(type: string): boolean;
  /** Takes what has arrived, in order, as one: resolves when the effect of all of it is durable. */
  receive(batch: readonly Received<M>[]): Promise<void>;
  /** `receive` failed: nothing is acknowledged any more and the subscription is gone. */
  failed(error: BacalhauError): void;
}

export class Receiver<M> {
  readonly #options: ReceiverOptions<M>;
  readonly #subscription: Subscription;
  #queue: BusMessage[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Last message processed since the last handshake. */
  #last = 0n;
  #unreadable = 0;

  constructor(options: ReceiverOptions<M>) {
    this.#options = options;
    this.#subscription = options.bus.subscribe(options.subject, (message) => this.#onMessage(message));
  }

  /** The peer starts a new data plane: the next message is the first of its chain. */
  restart(): void {
    this.#last = 0n;
  }

  /** Handles nothing more; resolves when the message under way is done. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#running;
  }

  #halt(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#subscription.unsubscribe();
  }

  #onMessage(message: BusMessage): void {
    if (this.#stopped || message.status !== undefined || this.#queue.length >= MAX_QUEUED) return;
    this.#queue.push(message);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stopped && this.#queue.length > 0) {
      await this.#handle(this.#queue.splice(0, MAX_BATCH));
    }
    this.#running = undefined;
  }

  /** Readable messages in a row are handed over together; each other kind is answered in its place. */
  async #handle(messages: readonly BusMessage[]): Promise<void> {
    let batch: Taken<M>[] = [];
    let last = this.#last;
    const flush = async () => {
      const ready = batch;
      batch = [];
      if (ready.length > 0) await this.#hand(ready);
    };
    for (const message of messages) {
      const read = this.#read(message, last);
      if (read instanceof Uint8Array) {
        // An acknowledgement covers all before it, so none is sent before those are durable.
        await flush();
        if (this.#stopped) return;
        this.#reply(message, read);
        last = this.#last;
      } else {
        batch.push({ message, received: read });
        if (read.seq > last) last = read.seq;
      }
    }
    await flush();
  }

  /** The message, or the answer to one that is not for the handler. */
  #read(message: BusMessage, last: bigint): Received<M> | Uint8Array {
    let decoded: Decoded;
    try {
      decoded = decodeMessage(message.data);
      this.#unreadable = 0;
    } catch (error) {
      if (error instanceof UnknownMessageType) return ACK;
      const delayMs = Math.min(100 * 2 ** this.#unreadable++, 5000);
      return encodeNack((error as Error).message, delayMs);
    }
    if (!this.#options.expects(decoded.type)) return ACK;
    const previous = decoded.metadata[PREVIOUS];
    if (previous !== undefined && sequenceOf(decoded.metadata, PREVIOUS) > last) {
      return encodeNack(`message ${previous} is missing`, 0);
    }
    const { type, payload, metadata } = decoded;
    return { message: { type, payload } as M, seq: sequenceOf(metadata), metadata };
  }

  async #hand(batch: readonly Taken<M>[]): Promise<void> {
    try {
      await this.#options.receive(batch.map(({ received }) => received));
    } catch (error) {
      if (this.#stopped) return;
      this.#halt();
      return this.#options.failed(toBacalhauError(error));
    }
    for (const { message, received: { seq } } of batch) {
      if (seq > this.#last) this.#last = seq;
      this.#reply(message, ACK);
    }
  }

  #reply(message: BusMessage, data: Uint8Array): void {
    if (message.reply === '') return;
    try {
      this.#options.bus.publish(message.reply, data);
    } catch {
      // The sender repeats what was not acknowledged; the end of the connection is noticed elsewhere.
    }
  }
}
