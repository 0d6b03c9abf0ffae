/** Reading the log of an execution from its node, or what the store kept of it when the node cannot be asked. */
import { BacalhauError, isTerminalPhase, toBacalhauError } from '../../model/mod.ts';
import type { ExecutionRow, OrchestratorStore } from '../../store/mod.ts';
import { LogType, type OrchestratorLink } from '../../transport/mod.ts';
import { resolveExecution, resolveJob, versionOf } from './resolve.ts';
import type { LogChunk, LogQuery } from '../../model/mod.ts';

/** Ended without, or with less than, a run. */
const WITHOUT_RUN = ['refused', 'rejected'];
const DISCARDED = [...WITHOUT_RUN, 'failed', 'stopped', 'stopping', 'lost'];

async function choose(store: OrchestratorStore, ref: string, query: LogQuery): Promise<ExecutionRow> {
  return await store.read(async (reader) => {
    const job = await resolveJob(reader, ref, query.namespace);
    if (query.executionId !== '') return await resolveExecution(reader, job, query);
    const version = versionOf(job, query);
    const rows = await reader.executions.byJob(job.job.ID, version);
    const newestFirst = [...rows].sort((a, b) => Number(b.modifyTime - a.modifyTime));
    const chosen = newestFirst.find(({ phase }) => !DISCARDED.includes(phase)) ??
      newestFirst.find(({ phase }) => !WITHOUT_RUN.includes(phase));
    if (chosen) return chosen;
    const { Version, State: { StateType, Message } } = job.job;
    const why = version === Version
      ? `it is ${StateType}${Message ? `: ${Message}` : ''}`
      : 'it was replaced';
    throw new BacalhauError(
      'NotFound',
      `Cannot read logs of job "${ref}": nothing of version ${version} has run (${why})`,
      { component: 'JobStore', retryable: true, hint: `See \`bacalhau job describe ${ref}\`` },
    );
  });
}

export async function* readLogs(
  store: OrchestratorStore,
  link: () => OrchestratorLink,
  ref: string,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<LogChunk> {
  const execution = await choose(store, ref, query);
  const { id: ExecutionID, nodeId: NodeID } = execution;
  let read = false;
  try {
    const request = {
      ExecutionID,
      NodeID,
      Tail: query.tail,
      Follow: query.follow,
      ...(query.tailLines === undefined ? {} : { TailLines: query.tailLines }),
    };
    for await (const { Type, Line } of link().logs(NodeID, request, signal)) {
      read = true;
      yield { Type, Line };
    }
  } catch (thrown) {
    const kept = execution.runOutput;
    // What the result brought along is better than nothing, and all that is left when the node is gone.
    if (signal.aborted || read || query.tail || !kept || !isTerminalPhase(execution.phase)) {
      throw toBacalhauError(thrown);
    }
    if (kept.Stdout !== '') yield { Type: LogType.Stdout, Line: kept.Stdout };
    if (kept.stderr !== '') yield { Type: LogType.Stderr, Line: kept.stderr };
  }
}
