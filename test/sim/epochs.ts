/**
 * S9: what is committed for a node's session carries the session's current epoch. Seen from outside: a message that came
 * in during one session, and whose effect was not stored when the next one began, is never acknowledged by the old one.
 */
import type { Bus, Connect } from '../../mod/transport/mod.ts';
import type { Committed } from './committed.ts';
import { isData } from './network.ts';
import { Violation } from './violation.ts';

interface Taken {
  readonly node: string;
  readonly epoch: number;
}

export class Epochs {
  readonly #current = new Map<string, number>();
  /** By reply subject: delivered to a session and not acknowledged. */
  readonly #open = new Map<string, Taken>();
  readonly #late = new Map<string, Taken>();

  /** @param isDone whether the effect of the message with this reply subject is stored */
  constructor(readonly orchestrator: Committed, readonly isDone: (reply: string) => boolean) {}

  /** Connections of the orchestrator; each subscription to a node's messages is one session's. */
  watch(connect: Connect): Connect {
    return async (options) => {
      const bus = await connect(options);
      const subscribe: Bus['subscribe'] = (subject, handler, more) => {
        if (!isData(subject)) return bus.subscribe(subject, handler, more);
        const node = subject.split('.')[3]!;
        const session = { node, epoch: this.#committed().get(node) ?? 0 };
        return bus.subscribe(subject, (message) => {
          this.#late.delete(message.reply);
          this.#open.set(message.reply, session);
          handler(message);
        }, more);
      };
      return new Proxy(bus, {
        get: (target, name) => {
          const value = name === 'subscribe' ? subscribe : Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
  }

  #committed(): ReadonlyMap<string, number> {
    const rows = this.orchestrator.rows<{ node_id: string; epoch: number }>(
      'select node_id, epoch from node_sessions',
    );
    return new Map(rows.map(({ node_id, epoch }) => [node_id, epoch]));
  }

  /** After each commit. @returns nodes with a new session */
  look(): readonly string[] {
    const anew: string[] = [];
    for (const [node, epoch] of this.#committed()) {
      if (this.#current.get(node) === epoch) continue;
      this.#current.set(node, epoch);
      anew.push(node);
      for (const [reply, taken] of this.#open) {
        if (taken.node !== node || taken.epoch >= epoch) continue;
        this.#open.delete(reply);
        if (!this.isDone(reply)) this.#late.set(reply, taken);
      }
    }
    return anew;
  }

  acknowledged(reply: string): void {
    const late = this.#late.get(reply);
    if (late) {
      const text = `session ${late.epoch} of ${late.node} is over and yet acknowledges ${reply}`;
      throw new Violation('S9', text);
    }
    this.#open.delete(reply);
  }
}
