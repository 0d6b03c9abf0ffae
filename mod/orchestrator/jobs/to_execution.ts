/** An execution row as REST and the wire show it: with the job snapshot of its version. */
import {
  EMPTY_RUN_OUTPUT,
  type Execution,
  isTerminalPhase,
  type State,
  type StringMap,
  toRfc3339,
} from '../../model/mod.ts';
import type { ExecutionRow, JobVersionRow } from '../../store/mod.ts';

/** What a failed node says about its event rather than the execution; the class is told as `Class`. */
const OF_THE_EVENT: readonly string[] = ['IsError', 'FailsExecution', 'class'];

/** The phase, and how long silence is waited for, as details of the compute state (invariants.md section 2). */
function withPhase<T>(state: State<T>, row: ExecutionRow): State<T> {
  const said = Object.entries(state.Details ?? {}).filter(([key]) => !OF_THE_EVENT.includes(key));
  const details: StringMap = {
    ...Object.fromEntries(said),
    Phase: row.phase,
    ...(row.phase === 'unknown'
      ? { UnknownSince: toRfc3339(row.unknownSince), LostAfter: toRfc3339(row.lostAfter) }
      : {}),
    ...(row.class !== '' && isTerminalPhase(row.phase) ? { Class: row.class } : {}),
  };
  return Object.freeze({ ...state, Details: Object.freeze(details) });
}

export function toExecution(row: ExecutionRow, version: JobVersionRow | undefined): Execution {
  return Object.freeze({
    ID: row.id,
    Namespace: row.namespace,
    EvalID: row.evalId,
    Name: row.name,
    NodeID: row.nodeId,
    JobID: row.jobId,
    ...(version ? { Job: version.job } : {}),
    JobVersion: row.jobVersion,
    AllocatedResources: row.allocated,
    DesiredState: row.desired,
    ComputeState: withPhase(row.compute, row),
    PublishedResult: row.published ?? { Type: '' },
    RunOutput: row.runOutput ?? EMPTY_RUN_OUTPUT,
    PreviousExecution: row.previous,
    NextExecution: row.next,
    FollowupEvalID: row.followupEvalId,
    ...(row.partition === 0 ? {} : { PartitionIndex: row.partition }),
    Revision: row.rev,
    CreateTime: row.createTime,
    ModifyTime: row.modifyTime,
  });
}
