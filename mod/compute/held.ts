/** An execution in the node's memory, from its arrival to its end. What must survive is in its row. */
import { isFinite } from '../model/mod.ts';
import type { Event, Execution, PortMapping, Resources, StringMap, Task } from '../model/mod.ts';
import type { HeldExecution } from '../store/mod.ts';
import type { Runner } from './runner.ts';

const NO_TASK: Task = Object.freeze({ Name: '', Engine: null, Publisher: null });

/** Progress that a final report carries at most. */
const KEPT_SAID = 8;

export class Held {
  readonly id: string;
  readonly execution: Execution;
  readonly task: Task;
  /** ExecutionTimeout, or the TotalTimeout that stands in for it; 0 = none, as always for services and daemons. */
  readonly timeoutSeconds: number;
  resources: Resources = Object.freeze({});
  /** Facts found at bid time. */
  pinned: StringMap = Object.freeze({});
  /** Of the present run; none before it begins. */
  ports: readonly PortMapping[] = [];
  runNo = 1;
  queuedAt = 0n;
  /** Of the program of the present run, counted from its start; 0 = not started or none. */
  deadline = 0n;
  /** Durable, and no report has carried them yet. */
  events: readonly Event[] = [];
  /** The last things said of the run that no report has carried yet; forgotten in a crash. */
  #said: readonly Event[] = [];
  /** Approved while the bid was still being decided. */
  approved: boolean;
  /** A cancel has come; set before it is durable, so that nothing begins beside it. */
  cancelled = false;
  /** A restart found it, and its engine has not said yet what there is of it. */
  awaitsEngine = false;
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

  /** What the final report has to tell besides the end. */
  get unreported(): readonly Event[] {
    return this.#said.length > 0 ? [...this.events, ...this.#said] : this.events;
  }

  say(event: Event): void {
    this.#said = [...this.#said, event].slice(-KEPT_SAID);
  }

  /** What was said goes into a report now. */
  take(): readonly Event[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  /** The report did not come about. */
  giveBack(said: readonly Event[]): void {
    this.#said = [...said, ...this.#said].slice(-KEPT_SAID);
  }

  static fromRow(row: HeldExecution): Held {
    const held = new Held(row.execution);
    held.resources = row.allocated;
    held.pinned = row.pinned;
    held.ports = row.ports;
    held.runNo = row.runNo;
    held.queuedAt = row.queuedAt;
    held.deadline = row.deadline;
    held.events = row.events;
    held.approved = row.desired === 1;
    return held;
  }
}
