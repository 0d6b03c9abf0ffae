/**
 * Reading the log of an execution: before its run (waiting for it), during and after it, as long as it is kept. The
 * log is the one of the latest run; offsets are those of its file.
 */
import { type LogRecord, LogStream, readLog, tailLog } from '../../runtime/log/mod.ts';
import { BacalhauError, toRfc3339 } from '../model/mod.ts';
import type { LogFrame, LogRequest } from '../transport/mod.ts';
import type { Executions } from './executions.ts';
import { runPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

/** @throws BacalhauError `NotFound` when this node holds no such execution (any more) */
export async function* executionLogs(
  shop: Workshop,
  executions: Executions,
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogFrame, void, void> {
  const id = request.ExecutionID;
  const held = executions.get(id);
  const runNo = held?.runNo ?? (await shop.store.find(id))?.runNo;
  if (runNo === undefined) {
    throw new BacalhauError(
      'NotFound',
      `Cannot read the log of execution "${id}": node "${shop.nodeId}" does not hold it`,
      {
        component: 'LogServer',
        hint:
          "Logs are kept for a while after the end of an execution; the job's results may hold the output",
      },
    );
  }
  const path = runPaths(shop.executionsFolder, id, runNo).log;
  // Only a held execution can still write.
  const follow = request.Follow && held !== undefined;
  const ended = held?.begun.promise.then(() => held.runner?.ended);
  const lines = request.TailLines ?? (request.Tail ? 0 : undefined);
  const start = request.Offset !== undefined
    ? { offset: Number(request.Offset) }
    : lines !== undefined
    ? await tailLog(path, lines)
    : {};
  const decoders = { 1: new TextDecoder(), 2: new TextDecoder() };
  for await (const record of readLog(path, { ...start, follow, signal, ...(ended ? { ended } : {}) })) {
    yield frame(record, decoders);
  }
}

/** A character that was cut by the end of a record comes with the next one of its stream. */
function frame(record: LogRecord, decoders: Readonly<Record<1 | 2, TextDecoder>>): LogFrame {
  // What the node itself remarks goes where people look for trouble.
  const Type = record.stream === LogStream.stdout ? 1 : 2;
  return {
    Type,
    Line: decoders[Type].decode(record.bytes, { stream: true }),
    Time: toRfc3339(record.timeNanos),
    Offset: BigInt(record.offset),
  };
}
