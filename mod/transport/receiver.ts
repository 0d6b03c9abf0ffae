/**
 * The receiver of one data plane (nats-protocol.md 5.5), the same on both sides: messages are handled strictly one after
 * another and acknowledged only when the handler has resolved (invariants.md S8). Refusals (nacks) are for bytes that
 * nobody can read and for gaps between our own peers, since a refusal can wedge a sender of the original; message types
 * that are not for us are acknowledged.
 */
import { toBacalhauError } from '../model/mod.ts';
import type { BacalhauError } from '../model/mod.ts';
import type { Bus, BusMessage, Subscription } from './bus.ts';
import { decodeMessage, sequenceOf, UnknownMessageType } from './codec.ts';
import type { Decoded } from './codec.ts';
import { ACK, encodeNack } from './replies.ts';
import { PREVIOUS } from './sender.ts';

/** Far above any sender's window; what comes beyond is dropped and, unacknowledged, sent again. */
const MAX_QUEUED = 4096;

export interface ReceiverOptions {
  readonly bus: Bus;
  readonly subject: string;
  /** Whether the type belongs to this direction. */
  expects(type: string): boolean;
  /** Resolves when the effect is durable. */
  receive(message: Decoded, seq: bigint): Promise<void>;
  /** `receive` failed: nothing is acknowledged any more and the subscription is gone. */
  failed(error: BacalhauError): void;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #subscription: Subscription;
  #queue: BusMessage[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Last message processed since the last handshake. */
  #last = 0n;
  #unreadable = 0;

  constructor(options: ReceiverOptions) {
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
      const batch = this.#queue;
      this.#queue = [];
      for (const message of batch) {
        await this.#handle(message);
        if (this.#stopped) break;
      }
    }
    this.#running = undefined;
  }

  async #handle(message: BusMessage): Promise<void> {
    let decoded: Decoded;
    try {
      decoded = decodeMessage(message.data);
      this.#unreadable = 0;
    } catch (error) {
      if (error instanceof UnknownMessageType) return this.#reply(message, ACK);
      const delayMs = Math.min(100 * 2 ** this.#unreadable++, 5000);
      return this.#reply(message, encodeNack((error as Error).message, delayMs));
    }
    if (!this.#options.expects(decoded.type)) return this.#reply(message, ACK);
    const previous = decoded.metadata[PREVIOUS];
    if (previous !== undefined && sequenceOf(decoded.metadata, PREVIOUS) > this.#last) {
      return this.#reply(message, encodeNack(`message ${previous} is missing`, 0));
    }
    const seq = sequenceOf(decoded.metadata);
    try {
      await this.#options.receive(decoded, seq);
    } catch (error) {
      if (this.#stopped) return;
      this.#halt();
      return this.#options.failed(toBacalhauError(error));
    }
    if (seq > this.#last) this.#last = seq;
    this.#reply(message, ACK);
  }

  #reply(message: BusMessage, data: Uint8Array): void {
    if (message.reply === '') return;
    try {
      this.#options.bus.publish(message.reply, data);
    } catch (error) {
      // The sender repeats what was not acknowledged; the end of the connection is noticed elsewhere.
      if (toBacalhauError(error).code !== 'ConnectionClosed') throw error;
    }
  }
}
