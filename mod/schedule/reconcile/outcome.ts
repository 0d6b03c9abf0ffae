/** Ends and waiting of a job: what its slots and the lack of nodes mean for its state and times. */
import { EventTopic, isExecuting, type StringMap } from '../../model/mod.ts';
import { event } from '../changes.ts';
import type { Draft } from '../draft.ts';
import type { Lack } from '../place/lack.ts';
import type { ExecutionView } from '../types.ts';
import { stopAll } from './live.ts';

const NANOS = 1_000_000_000n;

/** Fails the job with its cause and stops what is left of it. */
export function fail(
  draft: Draft,
  message: string,
  details: StringMap,
  topic: EventTopic = EventTopic.Scheduling,
) {
  stopAll(draft, 'Execution stopped due to job failure');
  draft.create.length = 0;
  draft.again = false;
  draft.waiting = false;
  draft.wake = null;
  draft.moveJob('Failed', message, [event(topic, message, { IsError: 'true', ...details })]);
}

export function failByExecution(draft: Draft, execution: ExecutionView, failures: number): void {
  const message = failures > 1
    ? `${execution.message} (attempt ${failures} of ${failures})`
    : execution.message;
  fail(draft, message, {
    ...(execution.code ? { ErrorCode: execution.code } : {}),
    ...(execution.hint ? { Hint: execution.hint } : {}),
    ExecutionID: execution.id,
    NodeID: execution.nodeId,
  });
}

export function complete(draft: Draft): void {
  draft.wake = null;
  draft.moveJob('Completed', '', [event(EventTopic.StateUpdate, 'Completed', { NewState: 'Completed' })]);
}

/** Sets the total deadline at the first look at a version. @returns whether it has passed, and the job was failed */
export function totalTimeout(draft: Draft): boolean {
  const { job, now, policy } = draft.input;
  const seconds = job.spec.Tasks[0]?.Timeouts?.TotalTimeout ?? 0;
  if (seconds === 0) return false;
  if (job.deadline === 0n) draft.deadline = now + BigInt(seconds) * NANOS;
  const deadline = draft.deadline ?? job.deadline;
  // A node that runs it enforces the time-out itself and reports it with what the program wrote.
  const at = draft.live.some(({ phase }) => isExecuting(phase)) ? deadline + policy.timeoutGrace : deadline;
  if (now < at) {
    draft.wakeAt({ at, trigger: 'job-timeout', comment: 'total time-out' });
    return false;
  }
  fail(
    draft,
    `Job timed out after ${seconds}s`,
    { FailsExecution: 'true', Hint: 'Increase the total time-out of the task' },
    EventTopic.JobTimeout,
  );
  return true;
}

/** Running once a node was told to run something. */
export function run(draft: Draft): void {
  const { state } = draft.input.job;
  if ((state === 'Pending' || state === 'Queued') && draft.live.some(({ phase }) => isExecuting(phase))) {
    draft.moveJob('Running', '', [event(EventTopic.StateUpdate, 'Running', { NewState: 'Running' })]);
  }
}

/** How long the job may wait for nodes. Absent and 0 are different (job-spec.md 1.11, compatibility.md A3). */
function queueTimeout(draft: Draft): bigint {
  const seconds = draft.input.job.spec.Tasks[0]?.Timeouts?.QueueTimeout;
  return seconds === undefined ? draft.input.policy.defaultQueueTimeout : BigInt(seconds) * NANOS;
}

/** Nothing of the job runs and nothing could be placed: wait with the reasons, or fail when it has waited enough. */
export function queue(draft: Draft, lack: Lack, forEver: boolean): void {
  const { job, now, policy } = draft.input;
  const since = job.queuedAt === 0n ? now : job.queuedAt;
  const until = since + queueTimeout(draft);
  if (!forEver && now >= until) return fail(draft, lack.message, lack.details);
  if (job.queuedAt === 0n) draft.queuedAt = now;
  draft.waiting = true;
  const again = now + policy.queueBackoff;
  const at = forEver || again < until ? again : until;
  draft.wakeAt({ at, trigger: 'job-queue', comment: 'not enough nodes' });
  const message = `Job queued. ${lack.message}`;
  if (job.state !== 'Queued') {
    draft.moveJob('Queued', message, [event(EventTopic.Queueing, message)]);
  } else if (job.message !== message) {
    draft.moveJob('Queued', message, []);
  }
}
