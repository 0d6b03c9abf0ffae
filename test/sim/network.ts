/**
 * A network between the simulated nodes that behaves as TCP under NATS does at its worst. Between two peers messages keep
 * their order and are late; some come a second time, later; acknowledgements and control messages get lost one by one;
 * a lost data message takes all after it along until the connection is cut. Peers are cut off for a while.
 */
import { type Deliver, MemoryNetwork } from '../../mod/transport/memory_bus.ts';
import type { SimClock } from './clock.ts';
import type { Random } from './random.ts';

export interface Faults {
  /** Loss of a single acknowledgement or control message. */
  readonly loss: number;
  /** Loss of a data message, which breaks its connection. */
  readonly breakage: number;
  readonly repeat: number;
  /** ms */
  readonly delay: number;
}

export const NO_FAULTS: Faults = { loss: 0, breakage: 0, repeat: 0, delay: 1 };

export class SimNetwork {
  faults: Faults = NO_FAULTS;
  readonly network: MemoryNetwork;
  /** Peers that are cut off: nothing reaches or leaves them, and nobody is told. */
  readonly #cutOff = new Set<string>();
  /** Links that swallow everything until their connection is cut. */
  readonly #broken = new Set<string>();
  /** Earliest time of the next delivery per link, which keeps the order. */
  readonly #clearAt = new Map<string, number>();

  constructor(readonly clock: SimClock, readonly random: Random) {
    this.network = new MemoryNetwork({
      deliver: (from, to, message, go) => this.#deliver(from, to, message, go),
    });
  }

  /** Silence for `ms`, then the connections of the peer end, as after a TCP time-out. */
  cutOff(name: string, ms: number): void {
    this.#cutOff.add(name);
    this.clock.at(ms, () => {
      this.#cutOff.delete(name);
      this.network.cut(name);
    });
  }

  healAll(): void {
    this.faults = NO_FAULTS;
    for (const name of this.#cutOff) this.network.cut(name);
    this.#cutOff.clear();
    for (const link of this.#broken) this.network.cut(link.split('→')[1]);
    this.#broken.clear();
  }

  #deliver: Deliver = (from, to, message, go) => {
    const link = `${from}→${to}`;
    const { loss, breakage, repeat, delay } = this.faults;
    if (this.#broken.has(link) || this.#cutOff.has(from) || this.#cutOff.has(to)) return;
    if (/\.msgs$/.test(message.subject) && this.random.chance(breakage)) {
      this.#broken.add(link);
      this.clock.at(this.random.between(0, 5_000), () => {
        this.#broken.delete(link);
        this.network.cut(from.startsWith('n-') ? from : to);
      });
      return;
    }
    if (this.random.chance(loss)) return;
    const at = Math.max(this.#clearAt.get(link) ?? 0, this.clock.now + this.random.between(0, delay));
    this.#clearAt.set(link, at);
    this.clock.at(at - this.clock.now, go);
    if (this.random.chance(repeat)) {
      this.clock.at(at - this.clock.now + this.random.between(0, 20 * delay), go);
    }
  };
}
