/**
 * A NATS-like network inside one process: wildcards, queue groups, request and reply, no-responders notices. Tests use
 * it as it is; the simulator hands in a `deliver` policy that loses, repeats, delays and reorders, and cuts connections.
 *
 * Without a policy each message is delivered in a microtask of its own, in the order of publishing.
 */
import { BacalhauError } from '../../mod/model/mod.ts';
import type { World } from '../../runtime/world.ts';
import type {
  Bus,
  BusMessage,
  Connect,
  PublishOptions,
  RequestOptions,
  Subscription,
} from '../../mod/transport/bus/bus.ts';

/** @param go delivers once; call it never, later, or more than once. A closed connection ignores it */
export type Deliver = (from: string, to: string, message: BusMessage, go: () => void) => void;

interface Sub {
  readonly owner: MemoryBus;
  readonly tokens: readonly string[];
  readonly handler: (message: BusMessage) => void;
  readonly queue: string | undefined;
  active: boolean;
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let index = 0; index < pattern.length; index++) {
    if (pattern[index] === '>') return subject.length > index;
    if (pattern[index] !== '*' && pattern[index] !== subject[index]) return false;
  }
  return pattern.length === subject.length;
}

const isPattern = (subject: string): boolean => subject.includes('*') || subject.includes('>');

export interface MemoryNetworkOptions {
  readonly maxPayload?: number;
  readonly deliver?: Deliver;
}

export class MemoryNetwork {
  readonly maxPayload: number;
  /** While true, connecting fails as to a server that is not there. */
  down = false;
  readonly #deliver: Deliver;
  readonly #connections = new Set<MemoryBus>();
  readonly #literal = new Map<string, Sub[]>();
  #patterns: Sub[] = [];
  #counter = 0;

  constructor(options: MemoryNetworkOptions = {}) {
    this.maxPayload = options.maxPayload ?? 1_048_576;
    this.#deliver = options.deliver ?? ((_from, _to, _message, go) => queueMicrotask(go));
  }

  /** Connections made by the result take their timers from `world`. */
  connector(world: World): Connect {
    return ({ name, signal }) => {
      signal?.throwIfAborted();
      if (this.down) {
        throw new BacalhauError('ServiceUnavailable', 'Cannot connect to "memory": connection refused', {
          retryable: true,
        });
      }
      const bus = new MemoryBus(this, world, name);
      this.#connections.add(bus);
      return Promise.resolve(bus);
    };
  }

  /** Ends the connections of `name` (of all without it) as a server does that goes away. */
  cut(name?: string): void {
    for (const bus of [...this.#connections]) if (name === undefined || bus.name === name) void bus.close();
  }

  /** The process behind `name` is gone: its connections end, but nothing in it learns of it. */
  crash(name: string): void {
    for (const bus of [...this.#connections]) if (bus.name === name) this.forget(bus);
  }

  /** @internal */
  forget(bus: MemoryBus): void {
    bus.open = false;
    this.#connections.delete(bus);
    for (const sub of [...bus.subs]) this.remove(sub);
  }

  /** @internal */
  add(sub: Sub, subject: string): void {
    if (isPattern(subject)) this.#patterns.push(sub);
    else this.#literal.set(subject, [...(this.#literal.get(subject) ?? []), sub]);
  }

  /** @internal */
  remove(sub: Sub): void {
    sub.active = false;
    sub.owner.subs.delete(sub);
    const subject = sub.tokens.join('.');
    const left = (isPattern(subject) ? this.#patterns : this.#literal.get(subject) ?? [])
      .filter((other) => other !== sub);
    if (isPattern(subject)) this.#patterns = left;
    else if (left.length > 0) this.#literal.set(subject, left);
    else this.#literal.delete(subject);
  }

  /** @internal */
  route(from: MemoryBus, message: BusMessage): void {
    const tokens = message.subject.split('.');
    const found = [
      ...(this.#literal.get(message.subject) ?? []),
      ...this.#patterns.filter((sub) => matches(sub.tokens, tokens)),
    ];
    const queues = new Map<string, Sub[]>();
    for (const sub of found) {
      if (sub.queue === undefined) this.#send(from.name, sub, message);
      else queues.set(sub.queue, [...(queues.get(sub.queue) ?? []), sub]);
    }
    for (const members of queues.values()) {
      this.#send(from.name, members[this.#counter++ % members.length]!, message);
    }
    if (found.length === 0 && message.reply !== '') {
      this.route(from, {
        subject: message.reply,
        reply: '',
        data: new Uint8Array(),
        headers: {},
        status: 503,
      });
    }
  }

  #send(from: string, sub: Sub, message: BusMessage): void {
    this.#deliver(from, sub.owner.name, message, () => {
      if (sub.active) sub.handler(message);
    });
  }

  /** @internal Unique and the same in each run of a seed. */
  inbox(): string {
    return `_INBOX.${(++this.#counter).toString(36).padStart(22, '0')}`;
  }
}

class MemoryBus implements Bus {
  open = true;
  readonly subs = new Set<Sub>();
  readonly closed: Promise<void>;
  readonly #requests = new Set<() => void>();
  #resolveClosed!: () => void;

  constructor(
    private readonly network: MemoryNetwork,
    private readonly world: World,
    readonly name: string,
  ) {
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
  }

  get maxPayload(): number {
    return this.network.maxPayload;
  }

  #check(subject: string): void {
    if (!this.open) throw closedError(subject);
  }

  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): void {
    this.#check(subject);
    if (data.length > this.maxPayload) {
      throw new BacalhauError(
        'PayloadTooLarge',
        `Cannot send to "${subject}": ${data.length} bytes exceed the limit of ${this.maxPayload}`,
      );
    }
    this.network.route(this, { subject, reply: options.reply ?? '', data, headers: options.headers ?? {} });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    this.#check(subject);
    const sub: Sub = { owner: this, tokens: subject.split('.'), handler, queue: options.queue, active: true };
    this.subs.add(sub);
    this.network.add(sub, subject);
    return { unsubscribe: () => this.network.remove(sub) };
  }

  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<BusMessage> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      const reply = `${this.newInbox()}.1`;
      const settle = (action: () => void): void => {
        this.#requests.delete(onClosed);
        subscription.unsubscribe();
        timer[Symbol.dispose]();
        options.signal?.removeEventListener('abort', onAbort);
        action();
      };
      const onAbort = (): void => settle(() => reject(options.signal!.reason));
      const onClosed = (): void => settle(() => reject(closedError(subject)));
      const subscription = this.subscribe(
        reply,
        (message) => settle(() => message.status === 503 ? reject(noResponders(subject)) : resolve(message)),
      );
      const timer = this.world.after(options.timeoutMs, () => settle(() => reject(timedOut(subject))));
      options.signal?.addEventListener('abort', onAbort, { once: true });
      this.#requests.add(onClosed);
      this.publish(subject, data, { reply, ...(options.headers ? { headers: options.headers } : {}) });
    });
  }

  flush(): Promise<void> {
    return this.open ? Promise.resolve() : Promise.reject(closedError('flush'));
  }

  newInbox(): string {
    return this.network.inbox();
  }

  close(): Promise<void> {
    this.network.forget(this);
    for (const end of [...this.#requests]) end();
    this.#resolveClosed();
    return this.closed;
  }
}

function closedError(subject: string): BacalhauError {
  return new BacalhauError('ConnectionClosed', `Cannot send to "${subject}": the connection is closed`, {
    retryable: true,
  });
}
function noResponders(subject: string): BacalhauError {
  return new BacalhauError('NoResponders', `Cannot request "${subject}": nobody listens there`, {
    status: 503,
    retryable: true,
  });
}
function timedOut(subject: string): BacalhauError {
  return new BacalhauError('TimeOut', `Cannot request "${subject}": no answer in time`, {
    status: 504,
    retryable: true,
  });
}
