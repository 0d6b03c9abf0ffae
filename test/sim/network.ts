/**
 * A network between the simulated nodes that behaves as TCP under NATS does at its worst, and somewhat worse. Between two
 * peers messages keep their order and are late; some come a second time, later; acknowledgements and control messages get
 * lost one by one; a lost data message takes all after it along until the connection is cut. Peers are cut off for a
 * while; one that crashes takes the last of what it sent along.
 */
import type { BusMessage } from '../../mod/transport/bus/bus.ts';
import { type Deliver, MemoryNetwork } from '../support/memory_bus.ts';
import { type SimClock, SimWorld } from './clock.ts';
import type { Random } from './random.ts';

export interface Faults {
  /** Loss of a single acknowledgement or control message. */
  readonly loss: number;
  /** Loss of a single data message, which the peers of one kind notice by the numbers. */
  readonly gap: number;
  /** Loss of a data message, which breaks its connection. */
  readonly breakage: number;
  readonly repeat: number;
  /** ms */
  readonly delay: number;
}

export const NO_FAULTS: Faults = { loss: 0, gap: 0, breakage: 0, repeat: 0, delay: 1 };

/** What goes in order from one process to a peer is lost after this time, when the process has crashed. */
interface Life {
  lostAfter: number;
}

/** A repeated message comes so much later at most, ms. */
export const LATE_MS = 40_000;

export const ORCHESTRATOR = 'orchestrator';

export const isData = (subject: string): boolean => subject.endsWith('.msgs');

export class SimNetwork {
  faults: Faults = NO_FAULTS;
  /** Messages that came, or will come, a second time. */
  repeats = 0;
  /** Messages that got lost. */
  losses = 0;
  readonly network: MemoryNetwork;
  /** Told of each message as it is sent, before anything happens to it. */
  onSend: (from: string, to: string, message: BusMessage) => void = () => undefined;
  /** Peers that are cut off: nothing reaches or leaves them, and nobody is told. */
  readonly #cutOff = new Map<string, number>();
  /** Links that swallow everything until their connection is cut. */
  readonly #broken = new Set<string>();
  /** Nodes that lost something since they last connected: such a connection does not outlast the faults. */
  readonly #lossy = new Set<string>();
  /** Earliest time of the next delivery per link, which keeps the order. */
  readonly #clearAt = new Map<string, number>();
  readonly #lives = new Map<string, Life>();
  #count = 0;

  constructor(readonly clock: SimClock, readonly random: Random) {
    this.network = new MemoryNetwork({
      deliver: (from, to, message, go) => this.#deliver(from, to, message, go),
    });
  }

  /** Silence for `ms`, then the connections of the peer end, as after a TCP time-out. */
  cutOff(name: string, ms: number): void {
    const token = this.#count++;
    this.#cutOff.set(name, token);
    this.clock.at(ms, () => {
      if (this.#cutOff.get(name) === token) this.#cut(name);
    });
  }

  /** The process is gone, with some of the last that it sent. */
  crash(name: string): void {
    this.#life(name).lostAfter = this.clock.now + this.random.between(0, this.faults.delay);
    this.#lives.delete(name);
    this.network.crash(name);
  }

  /** Sends a message of the past once more. */
  again({ subject, data, reply, headers }: BusMessage): void {
    const world = new SimWorld(this.clock, this.random);
    void this.network.connector(world)({ name: 'echo' }).then(async (bus) => {
      bus.publish(subject, data, { reply, headers });
      await bus.close();
    });
  }

  /** From now on nothing goes wrong any more. */
  healAll(): void {
    this.faults = NO_FAULTS;
    for (const name of new Set([...this.#lossy, ...this.#cutOff.keys()])) this.#cut(name);
    this.#broken.clear();
  }

  #cut(name: string): void {
    this.#cutOff.delete(name);
    this.#lossy.delete(name);
    for (const link of this.#broken) if (link.split('→').includes(name)) this.#broken.delete(link);
    this.network.cut(name);
  }

  #life(name: string): Life {
    const life = this.#lives.get(name) ?? { lostAfter: Infinity };
    this.#lives.set(name, life);
    return life;
  }

  #lose(from: string, to: string): void {
    this.losses++;
    this.#lossy.add(from === ORCHESTRATOR ? to : from);
  }

  #deliver: Deliver = (from, to, message, go) => {
    this.onSend(from, to, message);
    const link = `${from}→${to}`;
    const { loss, gap, breakage, repeat, delay } = this.faults;
    if (this.#broken.has(link) || this.#cutOff.has(from) || this.#cutOff.has(to)) {
      return this.#lose(from, to);
    }
    if (isData(message.subject) && this.random.chance(breakage)) {
      this.#lose(from, to);
      this.#broken.add(link);
      this.clock.at(this.random.between(0, 5_000), () => {
        if (this.#broken.delete(link)) this.#cut(from === ORCHESTRATOR ? to : from);
      });
      return;
    }
    if (this.random.chance(isData(message.subject) ? gap : loss)) return this.#lose(from, to);
    const life = this.#life(from);
    const arrive = () => {
      if (this.clock.now <= life.lostAfter) go();
    };
    const at = Math.max(this.#clearAt.get(link) ?? 0, this.clock.now + this.random.between(0, delay));
    this.#clearAt.set(link, at);
    this.clock.at(at - this.clock.now, arrive);
    if (this.random.chance(repeat)) {
      // Often soon, sometimes only when the session is another one.
      const later = this.random.between(0, this.random.pick([20 * delay, LATE_MS]));
      this.repeats++;
      this.clock.at(at - this.clock.now + later, arrive);
    }
  };
}
