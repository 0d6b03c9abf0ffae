/**
 * Notices nodes that have been silent for too long. Silence counts only while this process could hear: it begins anew
 * whenever the connection to the message server does, and is not looked at without one (invariants.md section 0, row 17).
 * A wall clock that jumps means that the machine slept or that its clock was set: what passed then was no silence either.
 */
import type { World } from '../../../runtime/world.ts';
import type { OrchestratorSettings } from '../options.ts';
import type { LiveSession, Sessions } from './sessions.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** More than clocks drift apart between two heartbeats. */
const JUMP = 1000n * NANOS_PER_MILLI;

export class SilenceWatch implements Disposable {
  #timer: Disposable | undefined;
  #timerAt = 0n;
  /** Nanoseconds by the wall clock; null while nobody can be heard. */
  #hearingSince: bigint | null = null;
  /** What the wall clock was ahead of the monotonic one, nanoseconds. */
  #ahead = 0n;

  constructor(
    readonly world: World,
    readonly settings: OrchestratorSettings,
    readonly sessions: Sessions,
    readonly onSilent: (silent: readonly LiveSession[]) => void,
  ) {}

  get hearingSince(): bigint | null {
    const ahead = this.#aheadNow();
    if (this.#hearingSince !== null && ahead - this.#ahead > JUMP) this.#hearingSince = this.world.now();
    this.#ahead = ahead;
    return this.#hearingSince;
  }

  #aheadNow(): bigint {
    return this.world.now() - BigInt(Math.round(this.world.elapsed())) * NANOS_PER_MILLI;
  }

  /** There is a connection through which nodes can be heard, from now on. */
  resume(): void {
    this.#hearingSince = this.world.now();
    this.#ahead = this.#aheadNow();
    for (const session of this.sessions.all()) this.expect(session);
  }

  /** The connection is lost. */
  pause(): void {
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
    const since = this.hearingSince;
    if (since === null || session.silent) return;
    const deadline = this.#deadline(session, since);
    if (this.#timer && this.#timerAt <= deadline) return;
    this.#disarm();
    this.#timerAt = deadline;
    const left = Math.max(1, Number((deadline - this.world.now()) / NANOS_PER_MILLI) + 1);
    this.#timer = this.world.after(left, () => this.#fire());
  }

  #fire(): void {
    const [now, since] = [this.world.now(), this.hearingSince];
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
    this.pause();
  }
}
