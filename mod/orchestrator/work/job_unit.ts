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
  StoreTx,
} from '../../store/mod.ts';

/** What a change of an execution can say beside its row. */
export interface Effects {
  readonly notice?: Notice;
  readonly events?: readonly (PlannedEvent | Event)[];
}

export class JobUnit {
  readonly #history: NewHistory[] = [];

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
    const [previous] = this.fresh
      ? []
      : await this.tx.executions.bySlot(this.id, this.version, execution.slot, 1);
    const row = await this.tx.executions.insert({
      ...execution,
      namespace: this.job.job.Namespace,
      jobId: this.id,
      jobVersion: this.version,
      attempt: (previous?.attempt ?? 0) + 1,
      previous: previous?.id ?? '',
    });
    if (previous) await this.change(previous, { next: row.id });
    this.follow(null, row);
    await this.tx.outbox.append(row.nodeId, row.id, 'ask');
    this.note(event, row);
    return row;
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
