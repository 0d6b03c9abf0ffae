/**
 * One network client: its protocol state, its subscriptions and what waits to be written to it.
 *
 * opening (TLS, INFO) → serving → closing (last bytes leave, input is ignored) → closed. A client that breaks the protocol
 * is told why and cut off; subscriptions end at the beginning of closing.
 */
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Authenticator } from './auth.ts';
import type { ConnectionFault, ServerSettings } from './options.ts';
import { type Account, Outbox } from './outbox.ts';
import { Parser, type ParserHandler } from './parser.ts';
import { BEFORE_CONNECT, type ConnectOptions, parseConnect, ServerError } from './protocol.ts';
import { type Peer, type Router, Subscription } from './router.ts';
import { negotiate, type TlsPolicy } from './secure.ts';
import { isLiteralSubject, isValidSubject } from './subject.ts';

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly settings: ServerSettings;
  readonly router: Router;
  readonly auth: Authenticator;
  readonly tls: TlsPolicy | null;
  info(connection: Connection): string;
  onFault(fault: ConnectionFault): void;
  onSlowConsumer(): void;
  /** Bytes that wait for all connections. */
  readonly account: Account;
  /** More waits for all than the settings allow. */
  onOverdraft(): void;
  onClosed(connection: Connection): void;
}

/** A client that was told to go gets this long to read its last bytes. */
const CLOSING_MS = 1000;

export class Connection implements Peer, ParserHandler {
  readonly address: string;
  #client: ConnectOptions = BEFORE_CONNECT;
  #stream: Duplex;
  #state: 'opening' | 'serving' | 'closing' | 'closed' = 'opening';
  #authorized: boolean;
  #dirty = false;
  readonly #outbox: Outbox;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #parser: Parser;
  /** All in the server's clock (milliseconds). */
  readonly #opened: number;
  #lastInput: number;
  #lastPing: number;
  #lastProgress: number;
  #closingSince = 0;
  #heard = false;
  #openPings = 0;
  #seenWrites = 0;

  constructor(
    readonly id: number,
    private readonly socket: Socket,
    private readonly host: ConnectionHost,
    now: number,
  ) {
    this.address = socket.remoteAddress ?? '';
    this.#outbox = new Outbox(host.account);
    this.#opened =
      this.#lastInput =
      this.#lastPing =
      this.#lastProgress =
        now;
    this.#stream = socket;
    this.#authorized = !host.auth.required;
    this.#parser = new Parser(this, host.settings.maxControlLine, host.settings.maxPayload);
    socket.setNoDelay(true);
    socket.on('error', this.#onLost);
    socket.on('close', this.#onLost);
  }

  get echo(): boolean {
    return this.#client.echo;
  }
  get noResponders(): boolean {
    return this.#client.noResponders;
  }
  get closed(): boolean {
    return this.#state === 'closing' || this.#state === 'closed';
  }
  get stopped(): boolean {
    return this.closed;
  }
  /** Whether it understands a second INFO. */
  get dynamic(): boolean {
    return this.#client.protocol >= 1;
  }

  /** Greets the client and begins to read. */
  async open(): Promise<void> {
    if (this.host.tls === null) {
      this.sendInfo();
      return this.#serve(this.socket);
    }
    let stream: Duplex | null;
    try {
      stream = await negotiate(this.socket, this.host.tls, (to) => {
        this.#stream = to;
        this.sendInfo();
      });
    } catch (error) {
      this.#report(`TLS handshake failed: ${(error as Error).message}`);
      return this.destroy();
    }
    if (stream === null) return this.fail(ServerError.tlsRequired);
    this.#serve(stream);
  }

  sendInfo(): void {
    this.#send(`INFO ${this.host.info(this)} \r\n`);
    this.flush();
  }

  #serve(stream: Duplex): void {
    if (this.closed) return;
    this.#state = 'serving';
    this.#stream = stream;
    if (stream !== this.socket) stream.on('error', this.#onLost);
    stream.on('data', (chunk: Buffer) => {
      this.#heard = true;
      if (!this.closed) this.#parser.feed(chunk);
    });
    stream.resume();
  }

  // What the parser read.

  connect(json: string): void {
    const client = parseConnect(json, this.#client);
    if (client === null) return this.fail(ServerError.parser);
    this.#client = client;
    if (client.protocol < 0 || client.protocol > 1) return this.fail(ServerError.invalidProtocol);
    if (client.noResponders && !client.headers) return this.fail(ServerError.headersRequired);
    if (!this.host.auth.allows(client)) return this.fail(ServerError.authorization);
    this.#authorized = true;
    this.#ok();
  }

  ping(): void {
    if (this.#mayAct()) this.#send('PONG\r\n');
  }

  pong(): void {
    if (this.#mayAct()) this.#openPings = 0;
  }

  publish(subject: string, reply: string, headerLength: number, data: Buffer): void {
    if (!this.#mayAct()) return;
    if (headerLength > 0 && !this.#client.headers) return this.fail(ServerError.parser);
    if (this.#client.pedantic && !isLiteralSubject(subject)) this.#error(ServerError.invalidPublishSubject);
    this.#ok();
    this.host.router.publish(this, subject, reply, headerLength, data);
  }

  subscribe(subject: string, queue: string, sid: string): void {
    if (!this.#mayAct()) return;
    if (!isValidSubject(subject)) return this.#error(ServerError.invalidSubject);
    // A second subscription of the same id is ignored, as nats-server does.
    if (!this.#subscriptions.has(sid)) {
      // It must not go on as if it listened: a node whose subscription was refused would join deaf.
      const { settings, router } = this.host;
      if (
        this.#subscriptions.size >= settings.maxSubscriptions ||
        router.subscriptions >= settings.maxSubscriptionsTotal
      ) return this.fail(ServerError.maxSubscriptions);
      const subscription = new Subscription(this, sid, subject, queue, this.#onSubscriptionEnd);
      this.#subscriptions.set(sid, subscription);
      this.host.router.add(subscription);
    }
    this.#ok();
  }

  unsubscribe(sid: string, max: number): void {
    if (!this.#mayAct()) return;
    const subscription = this.#subscriptions.get(sid);
    if (subscription && this.host.router.limit(subscription, max)) this.#subscriptions.delete(sid);
    this.#ok();
  }

  /** Tells the client what it did wrong and cuts it off. */
  fail(error: string | null, reason = error ?? 'the client reported an error'): void {
    if (this.closed) return;
    this.#report(reason);
    if (error !== null) this.#error(error);
    this.close();
  }

  // What the router delivers.

  deliver(to: Subscription, subject: string, reply: string, headerLength: number, data: Buffer): void {
    const head = reply === '' ? `${subject} ${to.sid} ` : `${subject} ${to.sid} ${reply} `;
    if (headerLength === 0) {
      this.#outbox.text(`MSG ${head}${data.length}\r\n`);
      this.#outbox.bytes(data);
    } else if (this.#client.headers) {
      this.#outbox.text(`HMSG ${head}${headerLength} ${data.length}\r\n`);
      this.#outbox.bytes(data);
    } else {
      const body = data.subarray(headerLength);
      this.#outbox.text(`MSG ${head}${body.length}\r\n`);
      this.#outbox.bytes(body);
    }
    this.#send('\r\n');
    if (this.#outbox.pending > this.host.settings.maxPending) {
      this.cutOff('slow consumer: too many bytes pending');
    } else if (this.host.account.pending > this.host.settings.maxPendingTotal) {
      this.host.onOverdraft();
    }
  }

  /** Bytes that the client has not taken yet. */
  get pending(): number {
    return this.#outbox.pending;
  }

  flush(): void {
    this.#dirty = false;
    if (this.#state !== 'closed' && this.#stream.writable) this.#outbox.flush(this.#stream);
    else this.#outbox.clear();
  }

  /** Checks every deadline of this connection. Called every now and then. */
  check(now: number): void {
    const { settings } = this.host;
    if (this.#state === 'closing') {
      if (now - this.#closingSince >= CLOSING_MS) this.socket.destroy();
      return;
    }
    if (this.#heard) {
      this.#heard = false;
      this.#lastInput = now;
    }
    if ((this.#state === 'opening' || !this.#authorized) && now - this.#opened >= settings.authTimeoutMs) {
      return this.fail(this.#state === 'opening' ? null : ServerError.authTimeout, 'no CONNECT in time');
    }
    if (this.#outbox.pending === 0 || this.#outbox.completedWrites !== this.#seenWrites) {
      this.#lastProgress = now;
    }
    this.#seenWrites = this.#outbox.completedWrites;
    if (now - this.#lastProgress >= settings.writeTimeoutMs) {
      return this.cutOff('slow consumer: write deadline exceeded');
    }
    if (
      now - Math.max(this.#lastInput, this.#lastPing) < settings.pingIntervalMs || this.#state === 'opening'
    ) return;
    if (this.#openPings >= settings.pingMax) return this.fail(ServerError.stale);
    this.#openPings++;
    this.#lastPing = now;
    this.#send('PING\r\n');
  }

  /** Takes nothing more from the client, lets go what is on its way to it, then ends. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.flush();
    this.#endSubscriptions();
    this.#state = 'closing';
    this.#closingSince = performance.now();
    // A half-open end: closing while unread input lies in the kernel would reset the connection and lose the last bytes.
    this.#stream.end();
    this.#stream.resume();
  }

  destroy(): void {
    this.socket.destroy();
    this.#onLost();
  }

  cutOff(reason: string): void {
    this.host.onSlowConsumer();
    this.#report(reason);
    this.destroy();
  }

  #report(reason: string): void {
    this.host.onFault({ clientId: this.id, name: this.#client.name, address: this.address, reason });
  }

  #mayAct(): boolean {
    if (this.#authorized) return true;
    this.fail(ServerError.authorization);
    return false;
  }

  #ok(): void {
    if (this.#client.verbose) this.#send('+OK\r\n');
  }

  #error(text: string): void {
    this.#send(`-ERR '${text}'\r\n`);
  }

  #send(text: string): void {
    this.#outbox.text(text);
    if (this.#dirty) return;
    this.#dirty = true;
    this.host.router.markDirty(this);
  }

  readonly #onSubscriptionEnd = (subscription: Subscription) => {
    this.#subscriptions.delete(subscription.sid);
  };

  #endSubscriptions(): void {
    for (const subscription of this.#subscriptions.values()) this.host.router.remove(subscription);
    this.#subscriptions.clear();
  }

  readonly #onLost = () => {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#endSubscriptions();
    this.#outbox.close();
    this.host.onClosed(this);
  };
}
