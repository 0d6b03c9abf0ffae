/**
 * Notices nodes that have been silent for too long. Silence counts only while this process could hear: the time of the
 * last heartbeat is at least that of its start (invariants.md section 0, row 17).
 */
import type { World } from '../../../runtime/world.ts';
import type { OrchestratorSettings } from '../options.ts';
import type { LiveSession, Sessions } from './sessions.ts';

const NANOS_PER_MILLI = 1_000_000n;

export class SilenceWatch implements Disposable {
  #timer: Disposable | undefined;
  #closed = false;

  constructor(
    readonly world: World,
    readonly settings: OrchestratorSettings,
    readonly sessions: Sessions,
    readonly onSilent: (silent: readonly LiveSession[]) => void,
  ) {}

  #deadline(session: LiveSession): bigint {
    const { disconnectTimeoutMs, reconnectAllowanceMs, foreignReconnectAllowanceMs } = this.settings;
    const allowance = session.extended ? reconnectAllowanceMs : foreignReconnectAllowanceMs;
    return session.lastHeard + BigInt(disconnectTimeoutMs + allowance) * NANOS_PER_MILLI;
  }

  /** One timer, to the first deadline there is now; heartbeats that came meanwhile only make it fire in vain. */
  arm(): void {
    if (this.#closed || this.#timer) return;
    let first: bigint | null = null;
    for (const session of this.sessions.all()) {
      if (session.silent) continue;
      const deadline = this.#deadline(session);
      if (first === null || deadline < first) first = deadline;
    }
    if (first === null) return;
    const left = Math.max(1, Number((first - this.world.now()) / NANOS_PER_MILLI) + 1);
    this.#timer = this.world.after(left, () => {
      this.#timer = undefined;
      this.#fire();
    });
  }

  #fire(): void {
    const now = this.world.now();
    const silent = [...this.sessions.all()].filter((each) => !each.silent && now >= this.#deadline(each));
    for (const session of silent) session.silent = true;
    if (silent.length > 0) this.onSilent(silent);
    this.arm();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }
}
