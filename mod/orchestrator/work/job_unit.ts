/**
 * One job inside one transaction: its rows as they are now, and the few ways to change them. Each change keeps rows,
 * outbox and history together; history is written once, at the end.
 */
import {
  type ComputeState,
  type Event,
  holdsResources,
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

  private constructor(
    readonly tx: StoreTx,
    public job: JobRow,
    readonly slots: Map<string, SlotRow>,
    readonly executions: Map<string, ExecutionRow>,
    /** Told when resources of a node were promised or given back. */
    readonly usageChanged: (nodeId: string, freed: boolean) => void,
  ) {}

  static async load(
    tx: StoreTx,
    jobId: string,
    usageChanged: JobUnit['usageChanged'],
  ): Promise<JobUnit | undefined> {
    const job = await tx.jobs.get(jobId);
    if (!job) return undefined;
    const slots = await tx.slots.list(jobId, job.job.Version);
    const executions = await tx.executions.byJob(jobId);
    return new JobUnit(
      tx,
      job,
      new Map(slots.map((row) => [row.slot, row])),
      new Map(executions.map((row) => [row.id, row])),
      usageChanged,
    );
  }

  /** A job that this transaction has just added. */
  static fresh(tx: StoreTx, job: JobRow, usageChanged: JobUnit['usageChanged']): JobUnit {
    return new JobUnit(tx, job, new Map(), new Map(), usageChanged);
  }

  get id(): string {
    return this.job.job.ID;
  }

  /** The job has a new version, which has no slots yet. */
  replaced(job: JobRow): void {
    this.job = job;
    this.slots.clear();
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
    const held = holdsResources(row.phase);
    const next = await this.tx.executions.update(row, ends ? { ...change, ended: this.tx.now } : change);
    this.executions.set(row.id, next);
    if (held && ends) this.usageChanged(row.nodeId, true);
    if (effects.notice) await this.tx.outbox.append(row.nodeId, row.id, effects.notice);
    for (const event of effects.events ?? []) this.note(event, next);
    return next;
  }

  async add(execution: NewExecution, event: PlannedEvent): Promise<ExecutionRow> {
    const row = await this.tx.executions.insert(execution);
    this.executions.set(row.id, row);
    this.usageChanged(row.nodeId, false);
    const slot = this.slots.get(row.slot);
    const filled = { attempt: row.attempt, currentExec: row.id };
    this.slots.set(
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
    const current = row.jobVersion === this.job.job.Version;
    const slot = current
      ? this.slots.get(row.slot)
      : await this.tx.slots.get(row.jobId, row.jobVersion, row.slot);
    if (!slot || slot.countedExec !== '') return false;
    const counted = await this.tx.slots.update(slot, { countedExec: row.id });
    if (current) this.slots.set(row.slot, counted);
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
