/**
 * Reports of a node about one execution (invariants.md O4): each is applied under a condition on the phase, so that a
 * repeated, late or misdirected one changes nothing (S7).
 */
import {
  type Compatibility,
  ComputeState,
  computeStateOf,
  DesiredState,
  EventTopic,
  isExecuting,
  isLive,
} from '../../model/mod.ts';
import { executionDeadline } from '../../schedule/mod.ts';
import type { ExecutionChange, ExecutionRow } from '../../store/mod.ts';
import type { BidResult, ComputeError, ExecutionStatus, Remains, RunResult } from '../../transport/mod.ts';
import { computeState, type JobUnit } from '../work/job_unit.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import { failureOfError, failureOfResult, readOutput } from './classify.ts';
import { failed, onceStopped, refused, STOPPED } from './ends.ts';
import { chronological, confirm, keptEvents, reported, type Sender } from './report.ts';

export async function onBidResult(work: UnitOfWork, sender: Sender, message: BidResult): Promise<void> {
  const row = await reported(work, sender, message.ExecutionID);
  if (row?.phase !== 'asked') return;
  const unit = (await work.unit(row.jobId))!;
  if (message.Accepted) {
    await unit.change(row, { phase: 'offered', compute: computeState(ComputeState.AskForBidAccepted, '') });
  } else {
    const events = keptEvents(message.Events);
    const details = events[0]?.Details ?? {};
    const code = details.Retryable === 'true' ? 'BidDeferred' : 'BidRejected';
    await unit.change(row, refused(events[0]?.Message ?? 'bid rejected', code, details), {
      notice: 'cancel',
      events,
    });
  }
  work.reported(row, unit);
}

export async function onRunResult(
  work: UnitOfWork,
  sender: Sender,
  message: RunResult,
  compatibility: Compatibility,
): Promise<void> {
  const row = await reported(work, sender, message.ExecutionID);
  if (!row) return;
  const unit = (await work.unit(row.jobId))!;
  const version = await work.tx.versions.get(row.jobId, row.jobVersion);
  const job = version?.job ?? unit.job.job;
  const output = readOutput(message.RunCommandResult, job, sender.extended);
  const result = { published: message.PublishResult, runOutput: output };
  const events = keptEvents(message.Events);

  if (!isExecuting(row.phase)) {
    // Nobody told the node to run it: not applied, so not confirmed either.
    if (isLive(row.phase)) return;
    await onLate(work, unit, row, result);
    return await confirm(work, sender, row.id);
  }
  const failure = failureOfResult(output, job, compatibility);
  if (failure) {
    const details = { ErrorCode: failure.code, ...(failure.hint ? { Hint: failure.hint } : {}) };
    await unit.change(row, { ...result, ...failed(failure, details) }, {
      notice: 'cancel',
      events: [...chronological(events.slice(1)), {
        Topic: EventTopic.RunningExecution,
        Message: failure.message,
        Details: { IsError: 'true', FailsExecution: 'true', ...details },
      }],
    });
  } else {
    const attempts = await work.tx.executions.bySlot(row.jobId, row.jobVersion, row.slot);
    await unit.change(row, {
      ...result,
      phase: 'completed',
      compute: computeState(ComputeState.Completed, events[0]?.Message ?? 'Completed successfully'),
      desired: { ...STOPPED, Message: 'execution completed' },
      counted: !attempts.some(({ counted }) => counted),
    }, { notice: 'cancel', events: chronological(events) });
  }
  work.reported(row, unit);
}

export async function onComputeError(work: UnitOfWork, sender: Sender, message: ComputeError): Promise<void> {
  const row = await reported(work, sender, message.ExecutionID);
  if (!row) return;
  const unit = (await work.unit(row.jobId))!;
  if (!isLive(row.phase)) {
    await onLate(work, unit, row, remainsOf(message));
    return await confirm(work, sender, row.id);
  }
  const events = keptEvents(message.Events);
  const failure = failureOfError(events[0]);
  await unit.change(row, { ...remainsOf(message), ...failed(failure, events[0]?.Details) }, {
    notice: 'cancel',
    events: chronological(events),
  });
  work.reported(row, unit);
}

type Results = Pick<ExecutionChange, 'published' | 'runOutput'>;

/** What a run left that did not complete; nothing of one that was never started. */
function remainsOf({ PublishResult, RunCommandResult }: Remains): Results {
  return {
    ...(PublishResult ? { published: PublishResult } : {}),
    ...(RunCommandResult ? { runOutput: RunCommandResult } : {}),
  };
}

/**
 * A report of an execution that is over here. A stopping one has ended, whichever way. What the run of a stopped or a lost
 * one left is kept for people; it does not count (invariants.md section 0 row 18).
 */
async function onLate(
  work: UnitOfWork,
  unit: JobUnit,
  row: ExecutionRow,
  result: Results,
): Promise<void> {
  if (row.phase === 'stopping') return await onceStopped(work, row, result);
  if (row.runOutput !== null || !result.runOutput) return;
  // An inventory may have said before that it has ended.
  if (row.phase === 'stopped' || row.phase === 'failed') await unit.change(row, result);
  if (row.phase === 'lost') {
    await unit.change(row, result, {
      events: [{
        Topic: EventTopic.Execution,
        Message: 'Result came after the execution had been given up; it does not count',
      }],
    });
  }
}

/** Phases that a node reports while an execution goes on. */
const REPORTED: readonly string[] = ['queued', 'preparing', 'running', 'publishing'];

/** A phase of one of our nodes. The order of reports is that of the node's revisions. */
export async function onExecutionStatus(
  work: UnitOfWork,
  sender: Sender,
  message: ExecutionStatus,
  timeoutGrace: bigint,
): Promise<void> {
  const row = await reported(work, sender, message.ExecutionID);
  if (!row || message.Revision <= row.nodeRev) return;
  const unit = (await work.unit(row.jobId))!;
  const nodeRev = message.Revision;
  const events = keptEvents(message.Events);
  if (message.Phase === 'stopped') return await onStopped(work, unit, row, nodeRev, message);
  // Of a newer peer, or made up: it is no phase here.
  if (!REPORTED.includes(message.Phase)) return;
  if (!isExecuting(row.phase)) {
    if (!isLive(row.phase) && row.phase !== 'stopping') await confirm(work, sender, row.id);
    return;
  }
  const started = message.Phase === 'running' && row.phase !== 'running';
  await unit.change(row, {
    phase: message.Phase,
    compute: computeState(computeStateOf(message.Phase)!, row.compute.Message ?? ''),
    desired: { StateType: DesiredState.Running, Message: 'Running' },
    nodeRev,
    ...(row.phase === 'unknown' ? { unknownSince: 0n, lostAfter: 0n } : {}),
    ...(started
      ? { started: work.tx.now, execDeadline: executionDeadline(unit.job.job, work.tx.now, timeoutGrace) }
      : {}),
    // Run again after a restart of its node: it waits for its start once more.
    ...(message.Phase === 'queued' ? { execDeadline: 0n } : {}),
  }, { events });
}

async function onStopped(
  work: UnitOfWork,
  unit: JobUnit,
  row: ExecutionRow,
  nodeRev: bigint,
  report: ExecutionStatus,
): Promise<void> {
  const events = keptEvents(report.Events);
  const result = remainsOf(report);
  if (row.phase === 'stopping') return await onceStopped(work, row, { ...result, nodeRev }, { events });
  if (!isLive(row.phase)) return await onLate(work, unit, row, result);
  const message = 'Node stopped the execution';
  const failure = failed({ class: 'infrastructure', code: 'StoppedByNode', message });
  await unit.change(row, { ...result, ...failure, nodeRev }, {
    events: [...events, { Topic: EventTopic.Execution, Message: message, Details: { IsError: 'true' } }],
  });
  work.reported(row, unit);
}
