/**
 * A connection without a socket, for the orchestrator that lives in the server's own process: no frames, no copies, no
 * system calls. Messages arrive in a later microtask, never inside a publish.
 */
import { Buffer } from 'node:buffer';
import { type Peer, type Router, Subscription } from './router.ts';
import { isLiteralSubject, isPlainWord, isValidSubject } from './subject.ts';

/** How the client in this process appears to the others. */
export interface LocalOptions {
  /** Default true. */
  readonly echo?: boolean;
}

/** Headers as they are on the wire (`NATS/1.0` … blank line), empty when there are none. Views: do not change them. */
export interface LocalMessage {
  readonly subject: string;
  readonly reply: string;
  readonly headers: Uint8Array;
  readonly data: Uint8Array;
}

/** A subscription of this process. */
export interface LocalSubscription {
  /** No further calls of the handler; idempotent. */
  unsubscribe(): void;
}

const NO_DATA = Buffer.alloc(0);

/** A client inside the server's own process: no socket, no encoding. */
export class LocalConnection implements Peer {
  readonly echo: boolean;
  readonly noResponders = true;
  #closed = false;
  #lastSid = 0;
  #arrived: { subscription: Subscription; message: LocalMessage }[] = [];
  readonly #handlers = new Map<Subscription, (message: LocalMessage) => void>();

  constructor(
    private readonly router: Router,
    private readonly maxPayload: number,
    options: LocalOptions,
    private readonly onClose: () => void,
  ) {
    this.echo = options.echo ?? true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * In order, to everybody who listens now. `data` and `headers` must not be changed afterwards.
   * @throws RangeError when the message is longer than the server's maximum, TypeError when the subject is not literal
   */
  publish(subject: string, data: Uint8Array, options: { reply?: string; headers?: Uint8Array } = {}): void {
    if (this.#closed) return;
    const { reply = '', headers } = options;
    if (!isLiteralSubject(subject) || !isPlainWord(subject) || (reply !== '' && !isPlainWord(reply))) {
      throw new TypeError(`Cannot publish to "${subject}" with reply "${reply}": not a literal subject`);
    }
    const headerLength = headers?.length ?? 0;
    if (headerLength + data.length > this.maxPayload) {
      const length = headerLength + data.length;
      throw new RangeError(`Cannot publish to "${subject}": ${length} bytes exceed ${this.maxPayload}`);
    }
    const bytes = headers ? Buffer.concat([headers, data]) : view(data);
    this.router.publish(this, subject, reply, headerLength, bytes);
  }

  /** @throws TypeError when the subject is not valid */
  subscribe(
    subject: string,
    handler: (message: LocalMessage) => void,
    options: { queue?: string } = {},
  ): LocalSubscription {
    if (!isValidSubject(subject) || !isPlainWord(subject)) {
      throw new TypeError(`Cannot subscribe to "${subject}": not a valid subject`);
    }
    const subscription = new Subscription(
      this,
      String(++this.#lastSid),
      subject,
      options.queue ?? '',
      () => {},
    );
    this.#handlers.set(subscription, handler);
    this.router.add(subscription);
    return {
      unsubscribe: () => {
        this.#handlers.delete(subscription);
        this.router.remove(subscription);
      },
    };
  }

  /** Ends all subscriptions; idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const subscription of this.#handlers.keys()) this.router.remove(subscription);
    this.#handlers.clear();
    this.onClose();
  }

  deliver(
    subscription: Subscription,
    subject: string,
    reply: string,
    headerLength: number,
    data: Buffer,
  ): void {
    if (this.#arrived.length === 0) this.router.markDirty(this);
    const headers = headerLength === 0 ? NO_DATA : data.subarray(0, headerLength);
    const body = headerLength === 0 ? data : data.subarray(headerLength);
    this.#arrived.push({ subscription, message: { subject, reply, headers, data: body } });
  }

  flush(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const { subscription, message } of arrived) this.#handlers.get(subscription)?.(message);
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
