/**
 * Notices nodes that have been silent for too long. Silence counts only while this process could hear: it begins anew
 * whenever the connection to the message server does, and is not looked at without one (invariants.md section 0, row 17).
 */
import type { World } from '../../../runtime/world.ts';
import type { OrchestratorSettings } from '../options.ts';
import type { LiveSession, Sessions } from './sessions.ts';

const NANOS_PER_MILLI = 1_000_000n;

export class SilenceWatch implements Disposable {
  #timer: Disposable | undefined;
  #timerAt = 0n;
  /** Nanoseconds by the wall clock; null while nobody can be heard. */
  #hearingSince: bigint | null = null;

  constructor(
    readonly world: World,
    readonly settings: OrchestratorSettings,
    readonly sessions: Sessions,
    readonly onSilent: (silent: readonly LiveSession[]) => void,
  ) {}

  get hearingSince(): bigint | null {
    return this.#hearingSince;
  }

  /** There is a connection through which nodes can be heard, from now on. */
  hear(): void {
    this.#hearingSince = this.world.now();
    for (const session of this.sessions.all()) this.expect(session);
  }

  /** The connection is lost. */
  deaf(): void {
    this.#hearingSince = null;
    this.#disarm();
  }

  #deadline(session: LiveSession, since: bigint): bigint {
    const { disconnectTimeoutMs, reconnectAllowanceMs, foreignReconnectAllowanceMs } = this.settings;
    const allowance = session.extended ? reconnectAllowanceMs : foreignReconnectAllowanceMs;
    const heard = session.lastHeard > since ? session.lastHeard : since;
    return heard + BigInt(disconnectTimeoutMs + allowance) * NANOS_PER_MILLI;
  }

  /** One timer, to the first deadline of all; heartbeats that come meanwhile only make it fire in vain. */
  expect(session: LiveSession): void {
    if (this.#hearingSince === null || session.silent) return;
    const deadline = this.#deadline(session, this.#hearingSince);
    if (this.#timer && this.#timerAt <= deadline) return;
    this.#disarm();
    this.#timerAt = deadline;
    const left = Math.max(1, Number((deadline - this.world.now()) / NANOS_PER_MILLI) + 1);
    this.#timer = this.world.after(left, () => this.#fire());
  }

  #fire(): void {
    const [now, since] = [this.world.now(), this.#hearingSince];
    this.#timer = undefined;
    if (since === null) return;
    const silent = [...this.sessions.all()].filter((one) => !one.silent && now >= this.#deadline(one, since));
    for (const session of silent) session.silent = true;
    for (const session of this.sessions.all()) this.expect(session);
    if (silent.length > 0) this.onSilent(silent);
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.deaf();
  }
}
