import { expect, it } from 'vitest';
import { isExecuting, isLive, isTerminalPhase, mayFollow, PHASES } from '../../mod/model/mod.ts';
import { HELD, LIVE as LIVE_ROWS } from '../../mod/store/orchestrator_schema.ts';
import { EXECUTING, LIVE, ORCHESTRATOR_LATER } from '../sim/tables.ts';

const where = (holds: (phase: (typeof PHASES)[number]) => boolean) => PHASES.filter(holds);

it('live and executing phases are those of the state machine that the simulation checks', () => {
  expect(new Set(where(isLive))).toEqual(LIVE);
  expect(new Set(where(isExecuting))).toEqual(EXECUTING);
  expect(where(isTerminalPhase)).toEqual(where((phase) => ORCHESTRATOR_LATER.get(phase)!.size === 0));
  for (const before of PHASES) {
    for (const phase of PHASES.filter((phase) => phase !== before && mayFollow(before, phase))) {
      expect(ORCHESTRATOR_LATER.get(before), `${before} to ${phase}`).toContain(phase);
    }
  }
});

it('the conditions of the partial indexes name exactly those phases', () => {
  const names = (text: string) => [...text.matchAll(/'(\w+)'/g)].map(([, name]) => name);
  expect(names(LIVE_ROWS)).toEqual(where(isLive));
  expect(names(HELD)).toEqual(where((phase) => !isTerminalPhase(phase)));
});
