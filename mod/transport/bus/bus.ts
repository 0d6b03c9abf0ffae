/**
 * The messaging seam: bytes on subjects, below the envelope. The real one is a NATS connection (`nats_bus.ts`), the
 * simulated one loses, repeats and delays (`test/sim`). Subjects, wildcards and queue groups are those of core NATS.
 */

/** A message as it came. */
export interface BusMessage {
  readonly subject: string;
  readonly reply: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Status of the server instead of a message: 503 = what was published with this reply subject reached nobody. */
  readonly status?: number | undefined;
}

/** Messages of one subject pattern. */
export interface Subscription {
  /** No further calls of the handler; idempotent. */
  unsubscribe(): void;
}

/** What goes with a message. */
export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How long to wait for an answer. */
export interface RequestOptions {
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A connection to the message server, real or simulated. */
export interface Bus {
  /** Largest message (headers and body) that the server takes, in bytes. */
  readonly maxPayload: number;
  /** Fire and forget, in order. @throws BacalhauError `ConnectionClosed` or `PayloadTooLarge` */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): void;
  /** The handler is called in order of arrival and is not awaited. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription;
  /** @throws BacalhauError `NoResponders`, `TimeOut`, `ConnectionClosed` */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage>;
  /** Resolves when the server has processed all that was sent before (PING/PONG). */
  flush(): Promise<void>;
  /** A unique prefix for replies: `_INBOX.<22>`; subscribe `<inbox>.*`. */
  newInbox(): string;
  /** Resolves when this connection is gone for good (closed by us or lost); the bus is then of no use. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes connections. A session takes a new one at each connect and never lets the client library reconnect underneath:
 * nothing is buffered while cut off (invariants.md O7).
 * @throws BacalhauError `Unauthorized`, `ServiceUnavailable` (retryable)
 */
export type Connect = (options: { readonly name: string; readonly signal?: AbortSignal }) => Promise<Bus>;
