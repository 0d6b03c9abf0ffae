/**
 * The plan under construction: the input, the executions as they will be once the changes so far are applied, and the
 * changes. Rules read and write it in turn, so a later rule sees what an earlier one decided.
 */
import { isLive, type JobStateType, type StringMap } from '../model/mod.ts';
import type {
  ExecutionChange,
  ExecutionView,
  JobChange,
  NewExecution,
  NodeRefusal,
  Plan,
  PlannedEvent,
  ScheduleInput,
  Wake,
} from './types.ts';

export class Draft {
  /** Executions by id, with the changes so far. */
  readonly executions: Map<string, ExecutionView>;
  readonly #changes = new Map<string, ExecutionChange>();
  readonly create: NewExecution[] = [];
  job: JobChange | null = null;
  queuedAt: bigint | undefined;
  deadline: bigint | undefined;
  wake: Wake | null = null;
  again = false;
  waiting = false;
  refusals: readonly NodeRefusal[] = [];

  constructor(readonly input: ScheduleInput) {
    this.executions = new Map(input.executions.map((execution) => [execution.id, execution]));
  }

  get live(): ExecutionView[] {
    return [...this.executions.values()].filter(({ phase }) => isLive(phase));
  }

  /** A later change of the same execution replaces the earlier one and still starts where the row is. */
  change(change: ExecutionChange): void {
    const seen = this.executions.get(change.id)!;
    this.#changes.set(change.id, { ...change, from: this.#changes.get(change.id)?.from ?? change.from });
    this.executions.set(change.id, {
      ...seen,
      phase: change.phase,
      class: change.class ?? seen.class,
      code: change.code ?? seen.code,
      message: change.message ?? seen.message,
      lostAfter: change.lostAfter ?? seen.lostAfter,
      endedAt: isLive(change.phase) || change.phase === 'stopping' ? 0n : this.input.now,
    });
  }

  /** Ends or moves the job; the events are those beside the change of state itself. */
  moveJob(state: JobStateType, message: string, events: readonly PlannedEvent[], details?: StringMap): void {
    this.job = { state, message, events, ...(details ? { details } : {}) };
  }

  /** The earliest wish wins. */
  wakeAt(wake: Wake): void {
    if (this.wake === null || wake.at < this.wake.at) this.wake = wake;
  }

  plan(): Plan {
    return Object.freeze({
      create: this.create,
      change: [...this.#changes.values()],
      job: this.job,
      ...(this.queuedAt === undefined ? {} : { queuedAt: this.queuedAt }),
      ...(this.deadline === undefined ? {} : { deadline: this.deadline }),
      wake: this.wake,
      again: this.again,
      waiting: this.waiting,
      refusals: this.refusals,
    });
  }
}
