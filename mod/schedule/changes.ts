/**
 * The changes of an execution that a plan can hold, each with its integers, notice and event in one place
 * (invariants.md section 2; event texts as orchestrator.md 14).
 */
import {
  computeStateOf,
  DesiredState,
  type EventTopic,
  EventTopic as Topic,
  type Phase,
  type StringMap,
} from '../model/mod.ts';
import type { ExecutionChange, ExecutionView, PlannedEvent } from './types.ts';

export function event(topic: EventTopic, message: string, details?: StringMap): PlannedEvent {
  return { Topic: topic, Message: message, ...(details ? { Details: details } : {}) };
}

function into(phase: Phase, { id, phase: from }: ExecutionView) {
  const compute = computeStateOf(phase);
  return { id, from, phase, ...(compute === null ? {} : { compute }) };
}

/** The bid is taken: the node may run it. Its time counts from the start of the program, which the node reports. */
export function approve(execution: ExecutionView): ExecutionChange {
  return {
    ...into('approved', execution),
    desired: DesiredState.Running,
    message: 'Running',
    notice: 'accept',
    event: event(Topic.Execution, 'Running'),
  };
}

/** A bid that is not needed. */
export function reject(execution: ExecutionView, why: string): ExecutionChange {
  return {
    ...into('rejected', execution),
    desired: DesiredState.Stopped,
    message: why,
    notice: 'reject',
    event: event(Topic.Scheduling, why),
  };
}

/** The node is told to stop; it is stopped only when that is confirmed. */
export function stop(execution: ExecutionView, why: string): ExecutionChange {
  return {
    ...into('stopping', execution),
    desired: DesiredState.Stopped,
    message: why,
    notice: 'cancel',
    event: event(Topic.Scheduling, why),
  };
}

/** An ask that was not answered is no failure, but it is over. A node that is merely silent is not avoided for it. */
export function expireBid(
  execution: ExecutionView,
  code: 'BidTimeout' | 'NodeSilent',
  why: string,
): ExecutionChange {
  return {
    ...into('refused', execution),
    desired: DesiredState.Stopped,
    message: why,
    code,
    notice: 'cancel',
    event: event(Topic.Scheduling, why),
  };
}

export function timeOut(execution: ExecutionView, seconds: number): ExecutionChange {
  const message = `Execution timed out after ${seconds}s`;
  return {
    ...into('failed', execution),
    desired: DesiredState.Stopped,
    message,
    code: 'ExecutionTimeout',
    class: 'timeout',
    notice: 'cancel',
    event: event(Topic.ExecTimeout, message, {
      IsError: 'true',
      FailsExecution: 'true',
      Hint: 'Increase the task timeout or allocate more resources',
    }),
  };
}

/** The node cannot be heard: its work may go on or not. Integers stay as they are. */
export function unknown(execution: ExecutionView, now: bigint, lostAfter: bigint): ExecutionChange {
  const message = 'Node is out of reach; waiting for it to come back';
  return {
    ...into('unknown', execution),
    message,
    unknownSince: now,
    lostAfter,
    event: event(Topic.Scheduling, message),
  };
}

/** The node is back and its session stands: its reports refine this. */
export function adopt(execution: ExecutionView): ExecutionChange {
  return {
    ...into('approved', execution),
    message: 'Running',
    unknownSince: 0n,
    lostAfter: 0n,
    event: event(Topic.Execution, 'Node is back, execution goes on'),
  };
}

/** Given up: a replacement may be placed. */
export function lose(execution: ExecutionView, why: string): ExecutionChange {
  return {
    ...into('lost', execution),
    desired: DesiredState.Stopped,
    message: why,
    code: 'NodeLost',
    class: 'infrastructure',
    notice: 'cancel',
    event: event(Topic.Scheduling, why, { IsError: 'true', Retryable: 'true' }),
  };
}
