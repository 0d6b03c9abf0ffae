/**
 * S15: nothing becomes unknown, let alone lost, before its node was silent for the disconnect time-out, and the window
 * after that, counted only while there was an orchestrator to hear it. Clocks may step as they like.
 */
import { DISCONNECT_MS, WINDOW_MS } from './settings.ts';
import { Violation } from './violation.ts';

/** Longer than what lies between the orchestrator's decision and its commit. */
const TOLERANCE_MS = 50;

export class Silence {
  #hearingSince: number | null = null;
  #heardBefore = 0;
  readonly #lastSign = new Map<string, number>();
  readonly #newSigns = new Map<string, number>();
  readonly #unknownAt = new Map<string, number>();

  constructor(readonly now: () => number) {}

  /** The orchestrator's process starts or ends. */
  orchestrator(up: boolean): void {
    this.#heardBefore = this.#heard();
    this.#hearingSince = up ? this.now() : null;
  }

  /** Time so far in which an orchestrator could hear. */
  #heard(): number {
    return this.#heardBefore + (this.#hearingSince === null ? 0 : this.now() - this.#hearingSince);
  }

  /** The orchestrator answers a handshake or a heartbeat. What is committed together with that may have come before it. */
  sign(node: string): void {
    this.#newSigns.set(node, this.#heard());
  }

  /** After each step. */
  settle(): void {
    for (const [node, heard] of this.#newSigns) this.#lastSign.set(node, heard);
    this.#newSigns.clear();
  }

  /** An execution went from one phase to another. */
  changed(id: string, node: string, from: string, to: string): void {
    const heard = this.#heard();
    if (to === 'unknown') {
      this.#unknownAt.set(id, heard);
      this.#demand(id, node, to, heard - (this.#lastSign.get(node) ?? 0), DISCONNECT_MS);
    }
    if (to === 'lost') {
      const since = from === 'unknown' ? this.#unknownAt.get(id)! : heard;
      this.#demand(id, node, to, heard - since, WINDOW_MS);
    }
  }

  #demand(id: string, node: string, what: string, passed: number, least: number): void {
    if (passed >= least - TOLERANCE_MS) return;
    const text = `${id} became ${what} after ${
      passed.toFixed(0)
    } of ${least} ms in which ${node} could be heard`;
    throw new Violation('S15', text);
  }
}
