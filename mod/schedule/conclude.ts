/** What the standing of a job's slots means for the job: Running, Queued, Completed or Failed. Pure. */
import { EventTopic } from '../model/mod.ts';
import { event } from './changes.ts';
import { JOB_KINDS } from './kinds.ts';
import type { Shortage } from './place/shortage.ts';
import { failed, failure } from './reconcile/outcome.ts';
import { isDefinite, isFailure } from './reconcile/slot_state.ts';
import type { ExecutionView, JobChange, JobView, SchedulePolicy, Wake } from './types.ts';

/** Slots of the current version, once all that could be done now is done. */
export interface Standing {
  /** A node may run one of them. */
  readonly executing: boolean;
  /** What there is while no slot is live and none waits for its time. */
  readonly rest: Rest | null;
}

/** What is to be known of a job none of which is executing. */
export interface Rest {
  /** Slots with a result. */
  readonly counted: number;
  /** Why slots without one have no node; null = all have, or had, what they want. */
  readonly shortage: Shortage | null;
  /** Of an ops job that wants no more: all of its executions. */
  readonly executions: readonly ExecutionView[];
}

/** What becomes of a job. */
export interface Conclusion {
  readonly job: JobChange | null;
  /** Absent = as it is. */
  readonly queuedAt?: bigint;
  readonly wake: Wake | null;
}

const NOTHING: Conclusion = Object.freeze({ job: null, wake: null });

/** The state that a job is in by how its executions stand. */
export function conclude(
  job: JobView,
  { executing, rest }: Standing,
  policy: SchedulePolicy,
  now: bigint,
): Conclusion {
  if (!rest) return executing ? running(job) : NOTHING;
  const { finite, perNode } = JOB_KINDS[job.spec.Type];
  if (finite && !perNode && rest.counted >= job.spec.Count) return COMPLETE;
  if (rest.shortage) return queue(job, rest.shortage, policy, now);
  return finite && perNode ? finish(rest) : NOTHING;
}

const COMPLETE: Conclusion = Object.freeze<Conclusion>({
  job: {
    state: 'Completed',
    message: '',
    events: [event(EventTopic.StateUpdate, 'Completed', { NewState: 'Completed' })],
  },
  wake: null,
});

/** Since a node may run it, it waits no more, also while it asks for another. */
function running({ state, queuedAt }: JobView): Conclusion {
  const starts = state === 'Pending' || state === 'Queued';
  return {
    job: starts
      ? {
        state: 'Running',
        message: '',
        events: [event(EventTopic.StateUpdate, 'Running', { NewState: 'Running' })],
      }
      : null,
    ...(queuedAt === 0n ? {} : { queuedAt: 0n }),
    wake: null,
  };
}

/** Each matching node ran it or refused for good: failed when one failed, or none has a result. */
function finish({ counted, executions }: Rest): Conclusion {
  const bad = executions.find(isFailure);
  if (bad) return { job: failure(bad, 1), wake: null };
  const refused = executions.find(isDefinite);
  if (!refused || counted > 0) return COMPLETE;
  const { code, hint, message } = refused;
  return { job: failed(message, { ErrorCode: code, ...(hint ? { Hint: hint } : {}) }), wake: null };
}

/** Nothing of the job runs and nothing could be placed: wait with the reasons, or fail when it has waited enough. */
function queue(job: JobView, shortage: Shortage, policy: SchedulePolicy, now: bigint): Conclusion {
  const { finite, perNode } = JOB_KINDS[job.spec.Type];
  // Absent and 0 are different (job-spec.md 1.11, compatibility.md A3).
  const seconds = job.spec.Tasks[0]?.Timeouts?.QueueTimeout;
  // Who says how long to wait means it, also for a node that is yet to be labelled or added (compatibility.md A3).
  const told = !perNode && (seconds ?? 0) > 0;
  if (finite && !told && shortage.hopeless) {
    return { job: failed(shortage.message, shortage.details), wake: null };
  }
  const since = job.queuedAt === 0n ? now : job.queuedAt;
  const until = since +
    (seconds === undefined ? policy.defaultQueueTimeout : BigInt(seconds) * 1_000_000_000n);
  const forEver = perNode && !finite;
  if (!forEver && now >= until) return { job: failed(shortage.message, shortage.details), wake: null };
  const message = `Job queued. ${shortage.message}`;
  const same = job.state === 'Queued' && job.message === message;
  const events = job.state === 'Queued' ? [] : [event(EventTopic.Queueing, message)];
  return {
    job: same ? null : { state: 'Queued', message, events },
    ...(job.queuedAt === 0n ? { queuedAt: now } : {}),
    wake: forEver ? null : { at: until, trigger: 'job-queue' },
  };
}
