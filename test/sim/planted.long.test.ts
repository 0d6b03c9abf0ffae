/** Each check of the simulation shows the fault that it is there for. */
import { expect, it } from 'vitest';
import { PLANTED } from './planted.ts';
import { runSeed, SimulationFailed } from './run.ts';
import { Violation } from './violation.ts';

/** So many seeds have at least one in which the fault has an effect. */
const SEEDS = 40;

it.each(PLANTED)('shows that %s (%s)', async (_what, invariant, plant) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failed = await runSeed(seed, { plant }).then(() => null, (error) => error as unknown);
    if (failed === null) continue;
    if (!(failed instanceof SimulationFailed) || !(failed.cause instanceof Violation)) throw failed;
    return expect(`${failed.cause.message} (seed ${seed})`).toContain(`${invariant}: `);
  }
  throw new Error(`${SEEDS} seeds have not shown it`);
});
