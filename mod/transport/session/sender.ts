/**
 * The ordered sender of one data plane (wire-protocol.md 5.4), the same on both sides: rows of an outbox go out in
 * order, at most `WINDOW` without acknowledgement. What is reported to the outbox is the highest sequence number up to
 * which everything has been acknowledged; a lost acknowledgement, a notice that nobody listens or a refusal sends again
 * from there. There is one timer, not one per message.
 *
 * Between our own peers each message names the one sent before it, so that a receiver notices a lost one and does not
 * process its successors first (`receiver.ts`).
 */
import { BacalhauError, toBacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { Signal } from '../../../runtime/async.ts';
import type { Bus, BusMessage } from '../bus/bus.ts';
import { encodeMessage } from '../wire/codec.ts';
import type { MessageType, Payloads } from '../wire/codec.ts';
import type { Outbox } from './link.ts';
import { decodeAck } from '../wire/replies.ts';

/** Ours: sequence number of the message sent just before this one; 0 when all before it is acknowledged. */
export const PREVIOUS = 'Bacalhau-PreviousSeqNum';

const WINDOW = 32;
/** Ends without any progress in between: then the data plane is given up. */
const MAX_TIMEOUTS = 4;
const MAX_REFUSALS = 5;
const MAX_NO_RESPONDERS = 4;
const MAX_PAUSE_MS = 5000;

interface InFlight {
  readonly seq: bigint;
  readonly sentAt: number;
  /** At once where the message is not for this peer. */
  acked: boolean;
}

export interface SenderOptions<M> {
  readonly world: World;
  readonly bus: Bus;
  readonly subject: string;
  /** `Bacalhau-Source`. */
  readonly source: string;
  readonly outbox: Outbox<M>;
  readonly ackMs: number;
  /** Metadata that every message carries. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The peer named our extension: it reads {@link PREVIOUS}. */
  readonly chained: boolean;
  /** Whether this peer understands the message; others are skipped and count as acknowledged. */
  understands(message: M): boolean;
  /** Called once when the plane cannot go on. */
  failed(error: BacalhauError): void;
}

export class Sender<M extends { readonly type: MessageType; readonly payload: Payloads[MessageType] }> {
  readonly #options: SenderOptions<M>;
  readonly #inbox: string;
  readonly #unsubscribe: () => void;
  readonly #wake: Signal;
  readonly #running: Promise<void>;
  #stopped = false;
  readonly #stopping = new AbortController();
  /** Ends the wait for new rows. */
  #waiting: AbortController | undefined;
  #inFlight: InFlight[] = [];
  /** Grows with each sending again; replies of older rounds count only as acknowledgements. */
  #round = 0;
  /** Last row taken from the outbox. */
  #cursor = 0n;
  /** All up to here are acknowledged, or skipped. */
  #confirmed = 0n;
  #reported = 0n;
  #reporting: Promise<void> | undefined;
  /** Last message sent since the chain began. */
  #previous = 0n;
  #progressAt = 0;
  #pauseMs = 0;
  #timer: Disposable | undefined;
  #timeouts = 0;
  #refusals = 0;
  #noResponders = 0;
  /** What the receiver refused too often to be sent once more. */
  #undeliverable: { readonly seq: bigint; readonly error: BacalhauError } | undefined;
  #idle: (() => void)[] = [];
  #exhausted = false;
  /** Calls of the outbox in a row that led to no message. */
  #emptyReads = 0;

  constructor(options: SenderOptions<M>) {
    this.#options = options;
    this.#wake = new Signal(options.world);
    this.#inbox = options.bus.newInbox();
    const subscription = options.bus.subscribe(`${this.#inbox}.*`, (message) => this.#onReply(message));
    this.#unsubscribe = () => subscription.unsubscribe();
    this.#running = this.#run();
  }

  /** Resolves when everything in the outbox has been acknowledged and reported, or the sender has stopped. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#checkIdle();
    });
  }

  /** Sends nothing more; acknowledgements already received are still reported. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#running;
    await this.#reporting;
  }

  #halt(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unsubscribe();
    this.#timer?.[Symbol.dispose]();
    this.#stopping.abort();
    this.#waiting?.abort();
    this.#wake.notify();
    this.#checkIdle();
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#halt();
    this.#options.failed(toBacalhauError(error));
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped) await this.#step();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #step(): Promise<void> {
    if (this.#pauseMs > 0) {
      const pause = this.#pauseMs;
      this.#pauseMs = 0;
      await this.#options.world.sleep(pause, this.#stopping.signal);
      return;
    }
    const room = WINDOW - this.#inFlight.length;
    if (room <= 0) return await this.#wake.wait();
    const round = this.#round;
    const rows = await this.#options.outbox.pending(this.#cursor, room);
    if (this.#stopped || round !== this.#round) return;
    if (rows.length === 0) return await this.#wait();
    this.#emptyReads = 0;
    for (const row of rows) {
      await this.#send(row.seq, row.message);
      if (this.#stopped || round !== this.#round) return;
    }
  }

  /** Until there may be rows after the cursor, or sending again was decided. */
  async #wait(): Promise<void> {
    const waiting = this.#waiting = new AbortController();
    this.#exhausted = true;
    this.#checkIdle();
    try {
      await this.#options.outbox.changed(this.#cursor, waiting.signal);
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
    } finally {
      this.#exhausted = false;
      this.#waiting = undefined;
    }
    // An outbox that keeps calling without having anything must not spin the process.
    if (++this.#emptyReads > 2) this.#pauseMs = Math.max(this.#pauseMs, 5);
  }

  async #send(seq: bigint, message: M): Promise<void> {
    const { world, bus, subject, source, chained, metadata } = this.#options;
    this.#cursor = seq;
    if (!this.#options.understands(message)) return this.#take(seq, true);
    if (this.#undeliverable?.seq === seq) return await this.#giveUp(seq, this.#undeliverable.error);
    const { data, headers } = encodeMessage(message.type, message.payload, source, world.now(), {
      ...metadata,
      'Bacalhau-MessageID': `seq-${seq}`,
      'Bacalhau-SeqNum': seq.toString(),
      ...(chained ? { [PREVIOUS]: this.#previous.toString() } : {}),
    });
    try {
      bus.publish(subject, data, { reply: `${this.#inbox}.${this.#round}-${seq}`, headers });
    } catch (error) {
      const cause = toBacalhauError(error);
      if (cause.code !== 'PayloadTooLarge') throw error;
      return await this.#giveUp(seq, cause);
    }
    this.#previous = seq;
    this.#take(seq, false);
  }

  #take(seq: bigint, skipped: boolean): void {
    const now = this.#options.world.elapsed();
    if (this.#inFlight.length === 0) this.#progressAt = now;
    this.#inFlight.push({ seq, sentAt: now, acked: skipped });
    if (skipped) this.#advance();
    else this.#arm();
  }

  async #giveUp(seq: bigint, error: BacalhauError): Promise<void> {
    const { outbox } = this.#options;
    if (outbox.undeliverable === undefined) throw error;
    await outbox.undeliverable(seq, error);
    this.#take(seq, true);
  }

  #onReply(message: BusMessage): void {
    if (this.#stopped) return;
    const token = message.subject.slice(this.#inbox.length + 1);
    const dash = token.indexOf('-');
    const current = token.slice(0, dash) === String(this.#round);
    const digits = token.slice(dash + 1);
    if (dash < 0 || !/^[0-9]{1,20}$/.test(digits)) return;
    if (message.status !== undefined) {
      if (current) this.#nobodyListens();
      return;
    }
    const { error, delayMs } = decodeAck(message.data);
    if (error === '') this.#acknowledged(BigInt(digits));
    else if (current) this.#refused(BigInt(digits), error, delayMs);
  }

  #acknowledged(seq: bigint): void {
    const entry = this.#inFlight.find((each) => each.seq === seq);
    if (entry === undefined || entry.acked) return;
    entry.acked = true;
    this.#timeouts = 0;
    this.#refusals = 0;
    this.#noResponders = 0;
    this.#progressAt = this.#options.world.elapsed();
    this.#advance();
  }

  #advance(): void {
    let count = 0;
    for (const entry of this.#inFlight) {
      if (!entry.acked) break;
      this.#confirmed = entry.seq;
      count++;
    }
    if (count === 0) return;
    this.#inFlight.splice(0, count);
    this.#reporting ??= this.#report();
    this.#wake.notify();
  }

  /** One report at a time; what arrives meanwhile goes into the next. */
  async #report(): Promise<void> {
    try {
      await Promise.resolve(); // collects all acknowledgements of one read of the socket
      while (this.#reported !== this.#confirmed) {
        const seq = this.#confirmed;
        await this.#options.outbox.acknowledged(seq);
        this.#reported = seq;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#reporting = undefined;
      this.#checkIdle();
    }
  }

  #checkIdle(): void {
    const done = this.#exhausted && this.#inFlight.length === 0 && this.#reporting === undefined &&
      this.#reported === this.#confirmed;
    if (!done && !this.#stopped) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #resend(pauseMs: number): void {
    this.#round++;
    this.#inFlight = [];
    this.#cursor = this.#confirmed;
    // All before is acknowledged, thus processed: the chain may begin anew, also for a receiver that has just begun.
    this.#previous = 0n;
    this.#pauseMs = Math.min(pauseMs, MAX_PAUSE_MS);
    this.#waiting?.abort();
    this.#wake.notify();
  }

  #nobodyListens(): void {
    if (++this.#noResponders >= MAX_NO_RESPONDERS) {
      const { subject } = this.#options;
      return this.#fail(
        new BacalhauError('NoResponders', `Cannot send to "${subject}": nobody listens there`, {
          retryable: true,
        }),
      );
    }
    // In a cluster of servers a fresh subscription takes a moment to be known everywhere.
    this.#resend(50 * 2 ** this.#noResponders);
  }

  #refused(seq: bigint, error: string, delayMs: number): void {
    // Repeated at once the first time, then more and more slowly.
    const pauseMs = Math.max(delayMs, this.#refusals === 0 ? 0 : 5 * 2 ** Math.min(this.#refusals, 10));
    if (++this.#refusals >= MAX_REFUSALS && this.#inFlight[0]?.seq === seq) {
      this.#refusals = 0;
      const text = `Cannot deliver message ${seq}: the receiver says "${error}"`;
      this.#undeliverable = { seq, error: new BacalhauError('BadRequest', text) };
    }
    this.#resend(pauseMs);
  }

  #arm(): void {
    this.#timer ??= this.#options.world.after(this.#options.ackMs, () => {
      this.#timer = undefined;
      this.#scan();
    });
  }

  #scan(): void {
    const oldest = this.#inFlight[0];
    if (this.#stopped || oldest === undefined) return;
    const { world, ackMs, subject } = this.#options;
    // A receiver that works through a long queue is not silent: the time counts from its last acknowledgement.
    const left = Math.max(oldest.sentAt, this.#progressAt) + ackMs - world.elapsed();
    if (left > 0) {
      this.#timer = world.after(left, () => {
        this.#timer = undefined;
        this.#scan();
      });
      return;
    }
    if (++this.#timeouts >= MAX_TIMEOUTS) {
      return this.#fail(
        new BacalhauError(
          'TimeOut',
          `Cannot send to "${subject}": ${MAX_TIMEOUTS} times no acknowledgement`,
          {
            retryable: true,
          },
        ),
      );
    }
    this.#resend(0);
  }
}
