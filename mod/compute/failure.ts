/**
 * How work ends that does not complete. A failure is data: code, sentence, hint and a class that decides whether it is
 * tried elsewhere (invariants.md S19): `user` and `timeout` are final, `infrastructure` is retried by policy. All of it
 * travels in the details of one event.
 */
import { BacalhauError, errorEvent, EventTopic, toBacalhauError, toRfc3339 } from '../model/mod.ts';
import type { Event, FailureClass } from '../model/mod.ts';

/** Why a run is to end now; the reason of its abort signal. */
export type StopReason = 'cancelled' | 'timeout' | 'shutdown' | 'limit';

/** Thrown inside a run that has been told to end; the reason is read from the run, not from here. */
export class Stopped extends Error {
  /** @param failure of a limit that was exceeded */
  constructor(readonly reason: StopReason, readonly failure?: RunFailure) {
    super(`the run was told to end: ${reason}`);
  }
}

export interface FailureOptions {
  readonly topic: EventTopic;
  readonly class: FailureClass;
  readonly component?: string;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** What a shell would give for a program that never ran: 126, 127. */
  readonly exitCode?: number | undefined;
  readonly cause?: unknown;
}

/** The cause of a failed execution with the step in which it arose. */
export class RunFailure extends Error {
  readonly topic: EventTopic;
  readonly class: FailureClass;
  readonly error: BacalhauError;
  readonly exitCode: number | undefined;

  constructor(options: FailureOptions) {
    super(options.message, { cause: options.cause });
    this.topic = options.topic;
    this.class = options.class;
    this.exitCode = options.exitCode;
    this.error = new BacalhauError(options.code, options.message, {
      component: options.component ?? 'Compute',
      hint: options.hint ?? '',
      retryable: options.class === 'infrastructure',
      details: { class: options.class },
      cause: options.cause,
    });
  }

  /** FailsExecution tells a peer of the original that no retry on this node helps. */
  event(now: bigint): Event {
    const event = errorEvent(this.topic, this.error, toRfc3339(now));
    return Object.freeze({ ...event, Details: Object.freeze({ ...event.Details, FailsExecution: 'true' }) });
  }

  /** Of something that went wrong beside the end of the execution. */
  remark(now: bigint): Event {
    return errorEvent(this.topic, this.error, toRfc3339(now));
  }
}

/** Errors of the file system that name their own cure. */
const SYSTEM: Readonly<Record<string, Pick<FailureOptions, 'class' | 'code' | 'hint'>>> = {
  ENOSPC: {
    class: 'infrastructure',
    code: 'DiskFull',
    hint: 'Free space on the disk of the node that holds its data directory',
  },
  ENAMETOOLONG: {
    class: 'user',
    code: 'NameTooLong',
    hint: 'Shorten the names of the result paths of the task',
  },
};

const CLASSES: readonly string[] = ['user', 'timeout', 'infrastructure'];

/**
 * Any error of a step as its failure; its own `details.class` decides, else it is the infrastructure's. An engine gives
 * `details.exitCode` for a program that it could not start.
 */
export function asFailure(thrown: unknown, topic: EventTopic): RunFailure {
  if (thrown instanceof RunFailure) return thrown;
  const system = SYSTEM[(thrown as NodeJS.ErrnoException | undefined)?.code ?? ''];
  if (system) return new RunFailure({ ...system, topic, message: (thrown as Error).message, cause: thrown });
  const error = toBacalhauError(thrown);
  const own = error.details.class ?? '';
  return new RunFailure({
    topic,
    class: CLASSES.includes(own) ? own as FailureClass : 'infrastructure',
    component: error.component,
    code: error.code,
    message: error.message,
    hint: error.hint,
    exitCode: error.details.exitCode === undefined ? undefined : Number(error.details.exitCode),
    cause: thrown,
  });
}

/** `1m30s` of 90: durations as the original writes them. */
export function formatSeconds(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${seconds % 60}s`;
  return hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest;
}

export function timedOut(seconds: number): RunFailure {
  return new RunFailure({
    topic: EventTopic.RunningExecution,
    class: 'timeout',
    component: 'Executor',
    code: 'ExecutionTimeout',
    message: `Execution timed out after ${formatSeconds(seconds)}`,
    hint: 'Raise Timeouts.ExecutionTimeout or TotalTimeout (--timeout) of the task, or give it less to do',
  });
}

/** @param what an engine, input source or publisher */
export function notInstalled(what: string, type: string, topic: EventTopic): RunFailure {
  return new RunFailure({
    topic,
    class: 'infrastructure',
    code: 'NotInstalled',
    message: `Cannot run the task: this node no longer has the ${what} "${type}"`,
  });
}

/** @throws RunFailure of this step for whatever the step throws */
export async function atStep<T>(topic: EventTopic, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    throw asFailure(thrown, topic);
  }
}

/** Of an execution that the node ends because it goes itself. */
export function nodeGoes(id: string, cause: unknown): RunFailure {
  return new RunFailure({
    topic: EventTopic.RunningExecution,
    class: 'infrastructure',
    code: 'NodeShutdown',
    message: `Cannot go on with execution "${id}": its node was told to stop its work`,
    hint: 'The work is placed on another node where the policy of the job allows it',
    cause,
  });
}
