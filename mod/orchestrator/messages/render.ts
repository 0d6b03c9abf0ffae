/** Outbox rows as messages, rendered when they are sent. An ask is always the snapshot of the placement (row 8). */
import {
  ComputeState,
  DesiredState,
  EMPTY_RUN_OUTPUT,
  encodeExecution,
  type Execution,
  isTerminalPhase,
  type Job,
  stringifyJson,
} from '../../model/mod.ts';
import type { ExecutionRow, OutboxRow, StoreReader } from '../../store/mod.ts';
import type { AskForBid, InMessage } from '../../transport/mod.ts';

/** Old nodes know `Host` as `Full`, and not every type of `Default` (wire-protocol.md 7.2). */
function forOldNodes(job: Job): Job {
  const task = job.Tasks[0];
  const type = task?.Network?.Type;
  if (!task || (type !== 'Host' && type !== 'Default')) return job;
  const { Network, ...rest } = task;
  const rewritten = type === 'Host' ? { ...rest, Network: { ...Network!, Type: 'Full' as const } } : rest;
  return { ...job, Tasks: [rewritten, ...job.Tasks.slice(1)] };
}

type Placement = Pick<
  ExecutionRow,
  'id' | 'namespace' | 'evalId' | 'nodeId' | 'partition' | 'previous' | 'createTime' | 'attempt'
>;

/** Meta key that tells a node which attempt of its slot this is. */
export const ATTEMPT = 'bacalhau.org/execution.attempt';

export function askForBid(row: Placement, job: Job): AskForBid {
  const sent = forOldNodes(job);
  const execution: Execution = {
    ID: row.id,
    Namespace: row.namespace,
    EvalID: row.evalId,
    Name: '',
    NodeID: row.nodeId,
    JobID: job.ID,
    Job: { ...sent, Meta: { ...sent.Meta, [ATTEMPT]: String(row.attempt) } },
    JobVersion: job.Version,
    // As the original: the node works out its own numbers.
    AllocatedResources: { Tasks: {} },
    DesiredState: { StateType: DesiredState.Pending },
    ComputeState: { StateType: ComputeState.New },
    PublishedResult: { Type: '' },
    RunOutput: EMPTY_RUN_OUTPUT,
    PreviousExecution: row.previous,
    NextExecution: '',
    FollowupEvalID: '',
    ...(row.partition === 0 ? {} : { PartitionIndex: row.partition }),
    Revision: 1n,
    CreateTime: row.createTime,
    ModifyTime: row.createTime,
  };
  return { Events: null, Execution: execution };
}

/** Bytes of the largest ask that a version can cause. */
export function askBytes(job: Job): number {
  const sample = { ...EXAMPLE, namespace: job.Namespace, partition: job.Count };
  const { Execution } = askForBid(sample, job);
  return new TextEncoder().encode(stringifyJson({ Events: null, Execution: encodeExecution(Execution) }))
    .length;
}

const UUID = '00000000-0000-4000-8000-000000000000';
const EXAMPLE: Placement = {
  id: `e-${UUID}`,
  namespace: '',
  evalId: `v-${UUID}`,
  nodeId: 'n'.repeat(255),
  partition: 0,
  previous: `e-${UUID}`,
  createTime: 2n ** 62n,
  attempt: 1_000_000,
};

export function cancelOf(ExecutionID: string): InMessage {
  return { type: 'CancelExecution', payload: { Events: null, ExecutionID } };
}

export async function renderMessage(reader: StoreReader, row: OutboxRow): Promise<InMessage> {
  const ExecutionID = row.executionId;
  switch (row.kind) {
    case 'accept':
      return { type: 'BidAccepted', payload: { Events: null, ExecutionID, Accepted: true } };
    case 'reject':
      return { type: 'BidRejected', payload: { Events: null, ExecutionID } };
    case 'cancel':
      return cancelOf(ExecutionID);
    case 'ask': {
      const execution = await reader.executions.get(ExecutionID);
      const over = !execution || isTerminalPhase(execution.phase);
      const version = over ? undefined : await reader.versions.get(execution.jobId, execution.jobVersion);
      // Nothing is asked for an execution that is over; a cancel of something unknown does no harm. One that stops is
      // asked for all the same: its cancel follows, and only a node that knows it can say that it has stopped.
      if (over || !version) return cancelOf(ExecutionID);
      return { type: 'AskForBid', payload: askForBid(execution, version.job) };
    }
  }
}
