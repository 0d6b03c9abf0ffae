/**
 * Phases that the node reaches in memory (`preparing`, `running`) and reports that no other message carries (`queued`).
 * They are made durable together and only when they last a moment: an execution that is over sooner costs nothing here,
 * since its result says it all. One timer for the whole node; nothing runs while nothing changes.
 */
import type { Execution } from '../model/mod.ts';
import type { ComputeStore, StatusChange } from '../store/compute_store.ts';
import type { World } from '../../runtime/world.ts';
import { ENTERED_FROM } from './phase.ts';
import { executionStatus } from './reports.ts';

export type Reported = 'queued' | 'preparing' | 'running' | 'publishing';

interface Marked {
  readonly execution: Execution;
  readonly phase: Reported;
}

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

  mark(execution: Execution, phase: Reported): void {
    if (this.#closed) return;
    this.#marked.set(execution.ID, { execution, phase });
    this.#timer ??= this.world.after(this.delayMs, () => void this.flush());
  }

  /** Its end is reported otherwise. */
  drop(id: string): void {
    this.#marked.delete(id);
  }

  async flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    const changes = [...this.#marked.values()].map((marked) => this.#change(marked));
    this.#marked.clear();
    if (changes.length > 0) await this.store.status(changes);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#marked.clear();
  }

  #change({ execution, phase }: Marked): StatusChange {
    const durable = phase === 'queued' || phase === 'publishing';
    return {
      id: execution.ID,
      // The phases that the runner stores itself are only reported.
      from: durable ? [phase] : ENTERED_FROM[phase],
      phase,
      message: this.told() ? (revision) => executionStatus(execution, phase, revision) : null,
    };
  }
}
