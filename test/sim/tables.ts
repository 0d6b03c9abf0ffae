/** The state machines of invariants.md section 2, as tables of what may follow in one step; commits may take several. */
import type { Phase } from '../../mod/model/mod.ts';
import type { ComputePhase } from '../../mod/store/compute_rows.ts';

const REPORTED = ['queued', 'preparing', 'running', 'publishing'] as const;
const OVER = ['completed', 'failed', 'unknown', 'stopping'] as const;

const ORCHESTRATOR_STEPS: Readonly<Record<Phase, readonly Phase[]>> = {
  asked: ['offered', 'refused', 'failed', 'unknown', 'stopping'],
  offered: ['approved', 'rejected', 'failed', 'unknown', 'stopping'],
  approved: [...REPORTED, ...OVER],
  // Back and forth among these: a node that restarts runs a module again from its queue.
  queued: [...REPORTED, ...OVER],
  preparing: [...REPORTED, ...OVER],
  running: [...REPORTED, ...OVER],
  publishing: [...REPORTED, ...OVER],
  unknown: ['approved', ...REPORTED, 'completed', 'failed', 'lost', 'stopping'],
  stopping: ['stopped'],
  stopped: [],
  rejected: [],
  refused: [],
  completed: [],
  failed: [],
  lost: [],
};

const BEGUN = ['preparing', 'starting', 'running', 'harvesting', 'publishing'] as const;

const COMPUTE_STEPS: Readonly<Record<ComputePhase, readonly ComputePhase[]>> = {
  received: ['offered', 'refused', 'rejected', 'queued', 'failed', 'cancelled'],
  offered: ['rejected', 'queued', 'failed', 'cancelled'],
  queued: [...BEGUN, 'cancelling', 'cancelled', 'failed'],
  preparing: ['starting', 'queued', 'failed', 'cancelling'],
  starting: ['running', 'harvesting', 'completed', 'queued', 'failed', 'cancelling'],
  running: ['harvesting', 'completed', 'queued', 'failed', 'cancelling'],
  harvesting: ['publishing', 'queued', 'failed', 'cancelling'],
  publishing: ['completed', 'failed', 'cancelling'],
  cancelling: ['cancelled'],
  refused: [],
  rejected: [],
  completed: [],
  failed: [],
  cancelled: [],
};

function closure(
  steps: Readonly<Record<string, readonly string[]>>,
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    Object.keys(steps).map((start) => {
      const reached = new Set<string>();
      const waiting = [start];
      for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
        for (const next of steps[at]!) {
          if (reached.has(next)) continue;
          reached.add(next);
          waiting.push(next);
        }
      }
      return [start, reached];
    }),
  );
}

/** Phase → phases that it may have become by some later commit. */
export const ORCHESTRATOR_LATER = closure(ORCHESTRATOR_STEPS);
export const COMPUTE_LATER = closure(COMPUTE_STEPS);

export const LIVE: ReadonlySet<string> = new Set(['asked', 'offered', 'approved', ...REPORTED, 'unknown']);
export const EXECUTING: ReadonlySet<string> = new Set(['approved', ...REPORTED, 'unknown']);
export const COMPUTE_ENDED: ReadonlySet<string> = new Set(
  Object.entries(COMPUTE_STEPS).filter(([, next]) => next.length === 0).map(([phase]) => phase),
);
/** Jobs: a terminal state is left by a new version only, and the simulation makes none. */
export const JOB_ENDED: ReadonlySet<string> = new Set(['Completed', 'Failed', 'Stopped']);
