/**
 * Phases that the node reaches in memory (`preparing`, `running`), reports that no other message carries (`queued`), and
 * what there is to tell while a run is being prepared. They are made durable together and only when they last a moment,
 * waiting for room a longer one: an execution that is over sooner costs nothing here, since its result says it all. One
 * timer for the whole node; nothing runs while nothing changes.
 */
import type { Event } from '../model/mod.ts';
import type { ComputeStore, StatusChange } from '../store/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { Held } from './held.ts';
import { ENTERED_FROM } from './phase.ts';
import { executionStatus } from './reports.ts';

export type Reported = 'queued' | 'preparing' | 'running' | 'publishing';

interface Marked {
  readonly held: Held;
  readonly phase: Reported;
  /** By the monotonic clock. */
  readonly dueAt: number;
}

/** A queue moves: that something waits in it is told after so many times the usual delay. */
const QUEUED_DELAYS = 10;

export class StatusReports {
  readonly #marked = new Map<string, Marked>();
  #timer: Disposable | null = null;
  #closed = false;

  /** @param told whether the peer understands status reports */
  constructor(
    readonly store: ComputeStore,
    readonly world: World,
    readonly delayMs: number,
    readonly told: () => boolean,
  ) {}

  mark(held: Held, phase: Reported): void {
    if (this.#closed) return;
    const marked = this.#marked.get(held.id);
    if (marked?.phase === phase) return;
    const delayMs = phase === 'queued' ? this.delayMs * QUEUED_DELAYS : this.delayMs;
    this.#marked.set(held.id, { held, phase, dueAt: this.world.elapsed() + delayMs });
    this.#arm();
  }

  /** For the history of the job: with the next status, or with the final report where none is told. */
  say(held: Held, event: Event, phase: 'preparing' | 'running' = 'preparing'): void {
    held.say(event);
    const pending = this.#marked.get(held.id)?.phase ?? 'queued';
    this.mark(held, pending === 'queued' ? phase : pending);
  }

  /** Its end is reported otherwise. */
  drop(id: string): void {
    this.#marked.delete(id);
  }

  /** All of them, or those that are due. */
  async flush(dueAt = Infinity): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    const marked = [...this.#marked.values()].filter((each) => each.dueAt <= dueAt);
    for (const { held } of marked) this.#marked.delete(held.id);
    this.#arm();
    if (marked.length === 0) return;
    const told = this.told();
    const events = new Map(told ? marked.map(({ held }) => [held, held.take()]) : []);
    const changes = marked.map(({ held, phase }) => this.#change(held, phase, told, events.get(held) ?? []));
    const changed = await this.store.status(changes);
    // A phase that was over already; its events go with a later report.
    for (const [held, taken] of events) if (!changed.has(held.id)) held.giveBack(taken);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#marked.clear();
  }

  #arm(): void {
    if (this.#closed || this.#marked.size === 0) return;
    this.#timer ??= this.world.after(this.delayMs, () => void this.flush(this.world.elapsed()));
  }

  #change(held: Held, phase: Reported, told: boolean, events: readonly Event[]): StatusChange {
    const durable = phase === 'queued' || phase === 'publishing';
    return {
      id: held.id,
      // The phases that the runner stores itself are only reported. There may be something to tell of the others again.
      from: durable
        ? [phase]
        : phase === 'preparing' || events.length > 0
        ? [...ENTERED_FROM[phase], phase]
        : ENTERED_FROM[phase],
      phase,
      kind: events.length > 0 ? 'notice' : 'status',
      message: told
        ? (revision) => executionStatus(held.execution, phase, revision, events.length > 0 ? events : null)
        : null,
    };
  }
}
