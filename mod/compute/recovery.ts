/**
 * After a restart, before anything new is accepted (invariants.md C13): every row is settled with what its engine still
 * has. A run that lives on is adopted, one that ended is harvested; a module, whose process ended with the node, is run
 * again under the next run number, with an event that says so (differences.md A7).
 */
import type { Run } from '../engine/engine.ts';
import { EventTopic, isFinite, toRfc3339 } from '../model/mod.ts';
import type { Event } from '../model/mod.ts';
import type { HeldExecution } from '../store/compute_rows.ts';
import type { Executions } from './executions.ts';
import { RunFailure } from './failure.ts';
import { Held } from './held.ts';
import { ENTERED_FROM } from './phase.ts';
import { computeError, executionStatus } from './reports.ts';
import type { Workshop } from './workshop.ts';

/** @param told whether the peer understands status reports */
export async function recover(shop: Workshop, executions: Executions, told: boolean): Promise<void> {
  const rows = await shop.store.open();
  // Side by side: an engine may take its time for each answer.
  const decided = await Promise.all(rows.map(async (row) => {
    const held = Held.fromRow(row);
    return { row, held, resume: await decide(shop, row, held, told) };
  }));
  for (const { resume } of decided) resume(executions);
  executions.pump();
}

type Resume = (executions: Executions) => void;

async function decide(shop: Workshop, row: HeldExecution, held: Held, told: boolean): Promise<Resume> {
  const { phase, exitCode } = row;
  switch (phase) {
    case 'received':
    case 'offered':
    case 'queued':
    case 'preparing':
      return (executions) => executions.resume(held, phase, { kind: 'fresh', discard: true });
    case 'starting':
    case 'running': {
      const run = await find(shop, row, held);
      if (run) return (executions) => executions.resume(held, phase, { kind: 'adopt', run });
      return await startOver(shop, row, held, told);
    }
    case 'harvesting':
    case 'publishing': {
      const run = await find(shop, row, held);
      const kind = phase === 'harvesting' ? 'harvest' : 'publish';
      return (executions) => executions.resume(held, phase, { kind, exitCode: exitCode ?? 0, run });
    }
    default: {
      held.cancelled = true;
      const run = await find(shop, row, held);
      return (executions) => executions.resume(held, phase, { kind: 'remove', run });
    }
  }
}

async function find(shop: Workshop, row: HeldExecution, held: Held): Promise<Run | null> {
  if (!row.identity) return null;
  const engine = shop.providers.engines.get(row.identity.engine);
  return engine ? await engine.find(row.identity, shop.runRequest(held)) : null;
}

/** The run is gone without a trace of its end. */
async function startOver(shop: Workshop, row: HeldExecution, held: Held, told: boolean): Promise<Resume> {
  const { execution } = held;
  const engine = shop.providers.engines.get(held.task.Engine?.Type ?? '');
  const finite = isFinite(execution.Job?.Type ?? 'batch');
  const again = !finite || (engine?.endsWithNode && shop.compatibility.modulesRunAgain);
  if (!again) return await failed(shop, held);
  const runNo = row.runNo + 1;
  const event: Event = Object.freeze({
    Message: `Running again after a restart of the node (run ${runNo})`,
    Topic: EventTopic.Restart,
    Timestamp: toRfc3339(shop.world.now()),
    Details: Object.freeze({ RunNumber: String(runNo) }),
  });
  const events = [...row.events, event];
  const message = (revision: bigint) => executionStatus(execution, 'queued', revision, events);
  await shop.store.advance(row.id, ENTERED_FROM.queued, {
    phase: 'queued',
    runNo,
    identity: null,
    exitCode: null,
    deadline: 0n,
    // A peer without status reports gets to know with the result.
    events: told ? [] : events,
    ...(told ? { report: { kind: 'notice', message } as const } : {}),
  });
  held.runNo = runNo;
  held.deadline = 0n;
  held.events = told ? [] : events;
  return (executions) => executions.resume(held, 'queued', { kind: 'fresh', discard: true });
}

async function failed(shop: Workshop, held: Held): Promise<Resume> {
  const now = shop.world.now();
  const failure = new RunFailure({
    topic: EventTopic.Execution,
    class: 'infrastructure',
    code: 'NodeRestart',
    message: 'Failing due to node restart',
    hint: 'The work is placed again where the policy of the job allows it',
  });
  const report = {
    kind: 'result',
    message: computeError(held.execution, failure.event(now), held.events),
  } as const;
  await shop.store.advance(held.id, ENTERED_FROM.failed, { phase: 'failed', ended: now, report });
  return () => {};
}
