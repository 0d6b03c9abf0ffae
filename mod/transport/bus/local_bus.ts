/**
 * The bus of the orchestrator that lives in the process of the embedded NATS server: no socket, no frames. It follows the
 * server's own connection as an interface, so this room knows no server.
 */
import { BacalhauError } from '../../model/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { Bus, BusMessage, PublishOptions, RequestOptions, Subscription } from './bus.ts';

/** What `runtime/nats` calls a LocalConnection. */
export interface LocalPeer {
  publish(subject: string, data: Uint8Array, options?: { reply?: string; headers?: Uint8Array }): void;
  subscribe(
    subject: string,
    handler: (
      message: { subject: string; reply: string; headers: Uint8Array; data: Uint8Array },
    ) => void,
    options?: { queue?: string },
  ): { unsubscribe(): void };
  close(): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PROLOGUE = 'NATS/1.0';

/** The bus of who runs the message server in its own process. */
export class LocalBus implements Bus {
  readonly closed: Promise<void>;
  #open = true;
  #resolveClosed!: () => void;

  /** @param maxPayload of the server, bytes */
  constructor(readonly peer: LocalPeer, readonly world: World, readonly maxPayload: number) {
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): void {
    if (!this.#open) throw failure('ConnectionClosed', subject, 'the connection is closed');
    const { reply, headers } = options;
    const block = headers ? encodeHeaders(headers) : undefined;
    if (data.length + (block?.length ?? 0) > this.maxPayload) {
      throw failure(
        'PayloadTooLarge',
        subject,
        `${data.length} bytes exceed the limit of ${this.maxPayload}`,
      );
    }
    this.peer.publish(subject, data, { ...(reply ? { reply } : {}), ...(block ? { headers: block } : {}) });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    return this.peer.subscribe(
      subject,
      (message) => handler(toBusMessage(message)),
      options.queue ? { queue: options.queue } : {},
    );
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    const { signal, timeoutMs, headers } = options;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const reply = this.newInbox();
      const settle = (action: () => void) => {
        subscription.unsubscribe();
        timer[Symbol.dispose]();
        signal?.removeEventListener('abort', onAbort);
        action();
      };
      const onAbort = () => settle(() => reject(signal!.reason));
      const subscription = this.subscribe(
        reply,
        (message) =>
          settle(() =>
            message.status === 503
              ? reject(failure('NoResponders', subject, 'nobody listens there', 503))
              : resolve(message)
          ),
      );
      const timer = this.world.after(
        timeoutMs,
        () => settle(() => reject(failure('TimeOut', subject, 'no answer in time', 504))),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.publish(subject, data, { reply, ...(headers ? { headers } : {}) });
    });
  }

  /** A subscription of a local peer is in force when `subscribe` returns. */
  flush(): Promise<void> {
    return Promise.resolve();
  }

  newInbox(): string {
    return `_INBOX.${this.world.uuid().replaceAll('-', '').slice(0, 22)}`;
  }

  close(): Promise<void> {
    this.#open = false;
    this.peer.close();
    this.#resolveClosed();
    return this.closed;
  }
}

function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}\r\n`);
  return encoder.encode(`${PROLOGUE}\r\n${lines.join('')}\r\n`);
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});

function toBusMessage(
  message: { subject: string; reply: string; headers: Uint8Array; data: Uint8Array },
): BusMessage {
  const { subject, reply, data } = message;
  if (message.headers.length === 0) return { subject, reply, data, headers: NO_HEADERS };
  const [first, ...lines] = decoder.decode(message.headers).split('\r\n');
  const status = Number(first!.slice(PROLOGUE.length).trim().split(' ')[0]) || undefined;
  const headers = Object.fromEntries(
    lines.filter(Boolean).map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  return { subject, reply, data, headers, ...(status === undefined ? {} : { status }) };
}

function failure(code: string, subject: string, why: string, status?: number): BacalhauError {
  return new BacalhauError(code, `Cannot send to "${subject}": ${why}`, {
    retryable: code !== 'PayloadTooLarge',
    ...(status === undefined ? {} : { status }),
  });
}
