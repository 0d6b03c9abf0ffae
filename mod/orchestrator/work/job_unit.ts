/**
 * One job inside one transaction: its rows as they are now, and the few ways to change them. Each change keeps rows,
 * outbox and history together; history is written once, at the end.
 */
import {
  type ComputeState,
  type Event,
  isTerminalPhase,
  mayFollow,
  type State,
  toRfc3339,
} from '../../model/mod.ts';
import type { Notice, PlannedEvent } from '../../schedule/mod.ts';
import type {
  ExecutionChange as RowChange,
  ExecutionRow,
  JobChange,
  JobRow,
  NewExecution,
  NewHistory,
  SlotRow,
  StoreTx,
} from '../../store/mod.ts';

/** What a change of an execution can say beside its row. */
export interface Effects {
  readonly notice?: Notice;
  readonly events?: readonly (PlannedEvent | Event)[];
}

export class JobUnit {
  readonly #history: NewHistory[] = [];
  readonly #slots = new Map<string, SlotRow | undefined>();

  /**
   * @param fresh the version was made by this transaction: it has no rows yet but its own
   * @param follow told of each execution that is new, or has changed its phase
   */
  constructor(
    readonly tx: StoreTx,
    public job: JobRow,
    public fresh: boolean,
    readonly follow: (before: ExecutionRow | null, after: ExecutionRow) => void,
  ) {}

  get id(): string {
    return this.job.job.ID;
  }

  get version(): number {
    return this.job.job.Version;
  }

  /** The job has a new version, which has no slots yet. */
  replaced(job: JobRow): void {
    this.job = job;
    this.fresh = true;
    this.#slots.clear();
  }

  /** A slot of the current version; undefined until its first execution. */
  async slot(name: string): Promise<SlotRow | undefined> {
    if (!this.#slots.has(name) && !this.fresh) {
      this.#slots.set(name, await this.tx.slots.get(this.id, this.version, name));
    }
    return this.#slots.get(name);
  }

  /** All that there are. */
  async slots(): Promise<readonly SlotRow[]> {
    return await this.tx.slots.list(this.id, this.version);
  }

  async changeJob(change: JobChange): Promise<void> {
    this.job = await this.tx.jobs.update(this.job, change);
  }

  async change(row: ExecutionRow, change: RowChange, effects: Effects = {}): Promise<ExecutionRow> {
    if (change.phase !== undefined && !mayFollow(row.phase, change.phase)) {
      throw new RangeError(
        `Cannot change execution "${row.id}": ${change.phase} does not follow ${row.phase}`,
      );
    }
    const ends = change.phase !== undefined && isTerminalPhase(change.phase);
    const next = await this.tx.executions.update(row, ends ? { ...change, ended: this.tx.now } : change);
    if (next.phase !== row.phase) this.follow(row, next);
    if (effects.notice) await this.tx.outbox.append(row.nodeId, row.id, effects.notice);
    for (const event of effects.events ?? []) this.note(event, next);
    return next;
  }

  /** Asks a node for the next attempt of a slot. */
  async add(
    execution: Omit<NewExecution, 'namespace' | 'jobId' | 'jobVersion' | 'attempt' | 'previous'>,
    event: PlannedEvent,
  ): Promise<ExecutionRow> {
    const slot = await this.slot(execution.slot);
    const previous = slot ? await this.tx.executions.get(slot.currentExec) : undefined;
    const row = await this.tx.executions.insert({
      ...execution,
      namespace: this.job.job.Namespace,
      jobId: this.id,
      jobVersion: this.version,
      attempt: (slot?.attempt ?? 0) + 1,
      previous: previous?.id ?? '',
    });
    if (previous) await this.change(previous, { next: row.id });
    this.follow(null, row);
    const filled = { attempt: row.attempt, currentExec: row.id };
    this.#slots.set(
      row.slot,
      slot ? await this.tx.slots.update(slot, filled) : await this.tx.slots.insert({
        jobId: row.jobId,
        version: row.jobVersion,
        slot: row.slot,
        ...filled,
      }),
    );
    await this.tx.outbox.append(row.nodeId, row.id, 'ask');
    this.note(event, row);
    return row;
  }

  /** The result of an execution is the one that counts for its slot, unless the slot has one. @returns whether it is */
  async count(row: ExecutionRow): Promise<boolean> {
    const slot = await this.tx.slots.get(row.jobId, row.jobVersion, row.slot);
    if (!slot || slot.countedExec !== '') return false;
    const counted = await this.tx.slots.update(slot, { countedExec: row.id });
    if (row.jobVersion === this.version) this.#slots.set(row.slot, counted);
    return true;
  }

  /** An entry of the history: of the job, or of one of its executions. */
  note(event: PlannedEvent | Event, execution?: ExecutionRow): void {
    const time = this.tx.now;
    this.#history.push({
      type: execution ? 'ExecutionLevel' : 'JobLevel',
      jobVersion: execution?.jobVersion ?? this.job.job.Version,
      ...(execution ? { executionId: execution.id } : {}),
      event: 'Timestamp' in event ? event : { ...event, Timestamp: toRfc3339(time) },
      time,
    });
  }

  async flush(): Promise<void> {
    if (this.#history.length > 0) await this.tx.history.append(this.id, this.#history.splice(0));
  }
}

/** A compute state with its words; the phase is added where it is shown. */
export function computeState(
  state: ComputeState,
  message: string,
  details?: Readonly<Record<string, string>>,
): State<ComputeState> {
  return {
    StateType: state,
    ...(message ? { Message: message } : {}),
    ...(details && Object.keys(details).length > 0 ? { Details: details } : {}),
  };
}
