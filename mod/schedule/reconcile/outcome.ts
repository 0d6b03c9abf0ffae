/** How a job ends before its slots do: by an execution that failed for good, or by its total time-out. */
import { EventTopic, isExecuting, type StringMap } from '../../model/mod.ts';
import { event } from '../changes.ts';
import type { Draft } from '../draft.ts';
import type { ExecutionView, JobChange } from '../types.ts';

const NANOS = 1_000_000_000n;

export function failed(
  message: string,
  details: StringMap,
  topic: EventTopic = EventTopic.Scheduling,
): JobChange {
  return { state: 'Failed', message, events: [event(topic, message, { IsError: 'true', ...details })] };
}

/** With the cause that the execution had. */
export function failure(execution: ExecutionView, failures: number): JobChange {
  const message = failures > 1
    ? `${execution.message} (attempt ${failures} of ${failures})`
    : execution.message;
  return failed(message, {
    ...(execution.code ? { ErrorCode: execution.code } : {}),
    ...(execution.hint ? { Hint: execution.hint } : {}),
    ExecutionID: execution.id,
    NodeID: execution.nodeId,
  });
}

/** Sets the total deadline at the first look at a version. @returns the end of the job when it has passed */
export function totalTimeout(draft: Draft): JobChange | null {
  const { job, now, policy } = draft.input;
  const seconds = job.spec.Tasks[0]?.Timeouts?.TotalTimeout ?? 0;
  if (seconds === 0) return null;
  if (job.deadline === 0n) draft.deadline = now + BigInt(seconds) * NANOS;
  const deadline = draft.deadline ?? job.deadline;
  // A node that runs it enforces the time-out itself and reports it with what the program wrote.
  const at = draft.live.some(({ phase }) => isExecuting(phase)) ? deadline + policy.timeoutGrace : deadline;
  if (now >= at) {
    return failed(
      `Job timed out after ${seconds}s`,
      { FailsExecution: 'true', Hint: 'Increase the total time-out of the task' },
      EventTopic.JobTimeout,
    );
  }
  draft.wakeAt({ at, trigger: 'job-timeout' });
  return null;
}
