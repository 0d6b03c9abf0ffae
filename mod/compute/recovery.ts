/**
 * After a restart, before anything new is accepted (invariants.md C13): every row is settled with what its engine still
 * has. A run that lives on is adopted, one that ended is harvested; a module, whose process ended with the node, is run
 * again under the next run number, with an event that says so (compatibility.md A7). An engine that does not answer does
 * not keep the node from starting: what it runs keeps its room and is settled when the engine is back.
 */
import type { Run } from '../engine/mod.ts';
import { EventTopic, isFinite, toRfc3339 } from '../model/mod.ts';
import type { Event } from '../model/mod.ts';
import type { HeldExecution } from '../store/mod.ts';
import { removeFolder } from './access.ts';
import type { Beginning } from './beginning.ts';
import type { Executions } from './executions.ts';
import { RunFailure } from './failure.ts';
import { Held } from './held.ts';
import { inTime } from './patience.ts';
import { ENTERED_FROM } from './phase.ts';
import { executionStatus } from './reports.ts';
import { runPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

/** So long the start of the node waits for an engine. */
const ANSWER_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

type Resume = (executions: Executions) => void;

/** @param told whether the peer understands status reports */
export async function recover(shop: Workshop, executions: Executions, told: boolean): Promise<void> {
  const rows = await shop.store.open();
  // Side by side: an engine may take its time for each answer.
  const decided = await Promise.all(rows.map(async (row): Promise<Resume> => {
    const held = Held.fromRow(row);
    const deciding = decide(shop, row, held, told);
    try {
      return await inTime(shop.world, ANSWER_MS, 'Cannot learn of a run from its engine', () => deciding);
    } catch (thrown) {
      shop.log('warn', 'an engine does not answer: its run is settled later', {
        execution: held.id,
        error: String(thrown),
      });
      return () => {
        executions.awaitEngine(held);
        void settleLater(shop, executions, held, told, deciding);
      };
    }
  }));
  for (const resume of decided) resume(executions);
  executions.open();
}

/** Asks again until the engine answers; given up only after long. */
async function settleLater(
  shop: Workshop,
  executions: Executions,
  held: Held,
  told: boolean,
  deciding: Promise<Resume>,
): Promise<void> {
  const { world, limits } = shop;
  const since = world.elapsed();
  for (let waitMs = FIRST_WAIT_MS;; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    let resume: Resume;
    try {
      resume = await deciding;
    } catch (thrown) {
      if (executions.closing.aborted) return;
      if (held.cancelled || world.elapsed() - since <= limits.engineAwayMs) {
        await world.sleep(waitMs, executions.closing).catch(() => {});
        if (executions.closing.aborted) return;
        deciding = decideAnew(shop, held, told);
        continue;
      }
      resume = go(held, {
        kind: 'salvage',
        verdict: verdict(shop, engineAway(held, thrown)),
        exitCode: null,
        run: null,
      });
    }
    if (executions.closing.aborted) return;
    held.awaitsEngine = false;
    resume(executions);
    // One that came before there was a run to stop.
    if (held.cancelled) held.runner?.stop('cancelled');
    return;
  }
}

async function decideAnew(shop: Workshop, held: Held, told: boolean): Promise<Resume> {
  const row = await shop.store.find(held.id);
  return row ? await decide(shop, row, held, told) : () => {};
}

/** @throws what an engine throws that cannot say whether it has the run */
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
      if (run && !run.stale) return go(held, { kind: 'adopt', run });
      if (run) {
        await run.remove();
        // It never began, so its folder has nothing that anybody will ask for.
        await removeFolder(shop, runPaths(shop.executionsFolder, row.id, row.runNo).folder);
      }
      return await startOver(shop, row, held, told, run !== null);
    }
    case 'harvesting':
    case 'publishing': {
      const run = await find(shop, row, held);
      if (row.verdict) return go(held, { kind: 'salvage', verdict: row.verdict, exitCode, run });
      const kind = phase === 'harvesting' ? 'harvest' : 'publish';
      return go(held, { kind, exitCode: exitCode ?? 0, run });
    }
    default: {
      held.cancelled = true;
      const run = await find(shop, row, held);
      const started = row.identity !== null && run?.state !== 'created';
      return go(held, { kind: 'remove', started, exitCode, run });
    }
  }
}

function go(held: Held, beginning: Beginning): Resume {
  return (executions) => executions.resume(held, 'running', beginning);
}

async function find(shop: Workshop, row: HeldExecution, held: Held): Promise<Run | null> {
  if (!row.identity) return null;
  const engine = shop.providers.engines.get(row.identity.engine);
  return engine ? await engine.find(row.identity, shop.runRequest(held)) : null;
}

/**
 * The run is gone without a trace of its end.
 * @param unstarted its program is known to have never begun
 */
async function startOver(
  shop: Workshop,
  row: HeldExecution,
  held: Held,
  told: boolean,
  unstarted: boolean,
): Promise<Resume> {
  const { execution } = held;
  const engine = shop.providers.engines.get(held.task.Engine?.Type ?? '');
  const finite = isFinite(execution.Job?.Type ?? 'batch');
  const again = engine &&
    (unstarted || !finite || (engine.endsWithNode && shop.compatibility.modulesRunAgain));
  if (!again) {
    const failure = engine?.endsWithNode ? restarted() : gone(row, engine !== undefined);
    return go(held, { kind: 'salvage', verdict: verdict(shop, failure), exitCode: null, run: null });
  }
  const runNo = row.runNo + 1;
  const event: Event = Object.freeze({
    Message: `Running again after a restart of the node (run ${runNo})`,
    Topic: EventTopic.Restart,
    Timestamp: toRfc3339(shop.world.now()),
    Details: Object.freeze({ RunNumber: String(runNo) }),
  });
  const events = [...row.events, event];
  const message = (revision: bigint) => executionStatus(execution, 'queued', revision, events);
  const queued = await shop.store.advance(row.id, ENTERED_FROM.queued, {
    phase: 'queued',
    runNo,
    identity: null,
    exitCode: null,
    deadline: 0n,
    // A peer without status reports gets to know with the result.
    events: told ? [] : events,
    ...(told ? { report: { kind: 'notice', message } as const } : {}),
  });
  // Cancelled while its engine was away.
  if (!queued) return go(held, { kind: 'remove', started: true, exitCode: null, run: null });
  held.runNo = runNo;
  held.deadline = 0n;
  held.events = told ? [] : events;
  return (executions) => executions.resume(held, 'queued', { kind: 'fresh', discard: true });
}

function verdict(shop: Workshop, failure: RunFailure): Event {
  return failure.event(shop.world.now());
}

const ELSEWHERE = 'The work is placed again where the policy of the job allows it';

/** With the original's sentence. */
function restarted(): RunFailure {
  return lost('NodeRestart', 'Failing due to node restart');
}

function gone({ id, identity }: HeldExecution, installed: boolean): RunFailure {
  const why = installed
    ? `its engine no longer has "${identity?.id ?? ''}"`
    : `this node no longer has the engine "${identity?.engine ?? ''}"`;
  return lost('NodeRestart', `Cannot go on with execution "${id}" after a restart of the node: ${why}`);
}

function engineAway({ id }: Held, cause: unknown): RunFailure {
  return lost(
    'EngineAway',
    `Cannot go on with execution "${id}": its engine does not answer: ${String(cause)}`,
  );
}

function lost(code: string, message: string): RunFailure {
  return new RunFailure({
    topic: EventTopic.Execution,
    class: 'infrastructure',
    code,
    message,
    hint: ELSEWHERE,
  });
}
