/**
 * Carries each message from its publisher to everybody who listens: all plain subscriptions, one member of each queue
 * group. Written bytes leave once per tick, so that a burst costs one write per client.
 */
import { Buffer } from 'node:buffer';
import { noRespondersHeader } from './protocol.ts';
import { Sublist, type Subscribed } from './sublist.ts';

/** One end of the server: a network client or a connection inside this process. */
export interface Peer {
  /** Whether it gets what it publishes itself. */
  readonly echo: boolean;
  /** Whether it can be told that nobody listens. */
  readonly noResponders: boolean;
  readonly closed: boolean;
  /** `data` is a view that nobody changes; it may be kept. */
  deliver(
    subscription: Subscription,
    subject: string,
    reply: string,
    headerLength: number,
    data: Buffer,
  ): void;
  /** Sends on what `deliver` collected. */
  flush(): void;
}

export class Subscription implements Subscribed {
  /** Messages after which it ends by itself; 0 for none. */
  max = 0;
  delivered = 0;
  closed = false;

  constructor(
    readonly owner: Peer,
    readonly sid: string,
    readonly subject: string,
    readonly queue: string,
    /** Told when the subscription ended by its own maximum. */
    readonly onEnd: (subscription: Subscription) => void,
  ) {}
}

export interface Traffic {
  inMsgs: number;
  outMsgs: number;
  inBytes: number;
  outBytes: number;
}

export class Router {
  readonly traffic: Traffic = { inMsgs: 0, outMsgs: 0, inBytes: 0, outBytes: 0 };
  readonly #list = new Sublist<Subscription>();
  #dirty: Peer[] = [];

  get subscriptions(): number {
    return this.#list.size;
  }

  add(subscription: Subscription): void {
    this.#list.add(subscription);
  }

  remove(subscription: Subscription): void {
    if (subscription.closed) return;
    subscription.closed = true;
    this.#list.remove(subscription);
  }

  /** Lets the subscription end after `max` messages in all, counted from its start; 0 or a number already reached: now. */
  limit(subscription: Subscription, max: number): boolean {
    subscription.max = max;
    if (max > 0 && subscription.delivered < max) return false;
    this.remove(subscription);
    return true;
  }

  publish(from: Peer, subject: string, reply: string, headerLength: number, data: Buffer): void {
    this.traffic.inMsgs++;
    this.traffic.inBytes += data.length;
    const { plain, queues } = this.#list.match(subject);
    let reached = 0;
    for (let i = 0; i < plain.length; i++) {
      if (this.#deliver(from, plain[i]!, subject, reply, headerLength, data)) reached++;
    }
    for (let i = 0; i < queues.length; i++) {
      if (this.#deliverToOne(from, queues[i]!, subject, reply, headerLength, data)) reached++;
    }
    if (reached === 0 && reply !== '' && from.noResponders) this.#answerNobody(from, subject, reply);
  }

  /** To be called by a peer that has something to flush, once until its flush. */
  markDirty(peer: Peer): void {
    if (this.#dirty.length === 0) queueMicrotask(this.#flush);
    this.#dirty.push(peer);
  }

  readonly #flush = () => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const peer of dirty) peer.flush();
  };

  #deliver(
    from: Peer,
    to: Subscription,
    subject: string,
    reply: string,
    headerLength: number,
    data: Buffer,
  ): boolean {
    if (to.closed || to.owner.closed || (to.owner === from && !from.echo)) return false;
    to.delivered++;
    this.traffic.outMsgs++;
    this.traffic.outBytes += data.length;
    to.owner.deliver(to, subject, reply, headerLength, data);
    if (to.max > 0 && to.delivered >= to.max) {
      this.remove(to);
      to.onEnd(to);
    }
    return true;
  }

  #deliverToOne(
    from: Peer,
    members: readonly Subscription[],
    subject: string,
    reply: string,
    headerLength: number,
    data: Buffer,
  ): boolean {
    const first = Math.floor(Math.random() * members.length);
    for (let i = 0; i < members.length; i++) {
      const member = members[(first + i) % members.length]!;
      if (this.#deliver(from, member, subject, reply, headerLength, data)) return true;
    }
    return false;
  }

  /** The publisher's own subscription to the reply subject gets status 503. */
  #answerNobody(from: Peer, subject: string, reply: string): void {
    const { plain, queues } = this.#list.match(reply);
    const listener = plain.find((s) => s.owner === from) ?? queues.flat().find((s) => s.owner === from);
    if (!listener) return;
    const header = Buffer.from(noRespondersHeader(subject), 'latin1');
    // Not counted against an unsubscribe limit, nor held back by echo off: it is the server who speaks.
    from.deliver(listener, reply, '', header.length, header);
  }
}
