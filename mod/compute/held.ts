/** An execution in the node's memory, from its arrival to its end. What must survive is in its row. */
import { isFinite } from '../model/mod.ts';
import type { Event, Execution, Resources, Task } from '../model/mod.ts';
import type { HeldExecution } from '../store/compute_rows.ts';
import type { Runner } from './runner.ts';

const NO_TASK: Task = Object.freeze({ Name: '', Engine: null, Publisher: null });

export class Held {
  readonly id: string;
  readonly execution: Execution;
  readonly task: Task;
  /** ExecutionTimeout, or the TotalTimeout that stands in for it; 0 = none, as always for services and daemons. */
  readonly timeoutSeconds: number;
  resources: Resources = Object.freeze({});
  runNo = 1;
  queuedAt = 0n;
  /** Of the present run; 0 = not begun or none. */
  deadline = 0n;
  /** No report has carried these yet. */
  events: readonly Event[] = [];
  /** Approved while the bid was still being decided. */
  approved: boolean;
  /** A cancel has come; set before it is durable, so that nothing begins beside it. */
  cancelled = false;
  runner: Runner | null = null;
  /** Readers of the log wait for a run, or for the end. */
  readonly begun = Promise.withResolvers<void>();

  constructor(execution: Execution) {
    this.id = execution.ID;
    this.execution = execution;
    this.task = execution.Job?.Tasks[0] ?? NO_TASK;
    this.approved = execution.DesiredState.StateType === 1;
    const { ExecutionTimeout, TotalTimeout } = this.task.Timeouts ?? {};
    const limited = execution.Job ? isFinite(execution.Job.Type) : false;
    this.timeoutSeconds = limited ? ExecutionTimeout || TotalTimeout || 0 : 0;
  }

  static fromRow(row: HeldExecution): Held {
    const held = new Held(row.execution);
    held.resources = row.allocated;
    held.runNo = row.runNo;
    held.queuedAt = row.queuedAt;
    held.deadline = row.deadline;
    held.events = row.events;
    held.approved = row.desired === 1;
    return held;
  }
}
