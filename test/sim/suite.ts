/** Seeds as tests: each prints how to run it again, and a failure the last events before it. */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { type Outcome, runSeed, SimulationFailed } from './run.ts';

/** `SEED=<n>` runs that one only; `BASE_SEED=<n>` moves all. */
export function seeds(count: number, first = 1): readonly number[] {
  const { SEED, BASE_SEED } = process.env;
  if (SEED) return [Number(SEED)];
  return Array.from({ length: count }, (_, index) => Number(BASE_SEED ?? 1) - 1 + first + index);
}

const runtime = (): string => {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  return bun ? `bun-${bun}` : deno ? `deno-${deno}` : `node-${node}`;
};

export function again(seed: number): string {
  return `SEED=${seed} RUNTIME=${runtime()} deno run -A node_modules/vitest/vitest.mjs run test/sim/cluster.test.ts`;
}

/** What a few hundred seeds have to have seen, or they show nothing. */
const SEEN = [
  ...['unknown', 'adopted', 'lost', 'stopped', 'refused', 'failed', 'completed'],
  ...['run again', 'attempted again', 'repeats', 'losses', 'Completed', 'Failed', 'Stopped'],
  ...[
    'with ports',
    'with devices',
    'looks at who waits',
    'begun before its cancel came',
    'removed from its node',
  ],
];

/** One test per seed. @returns the outcomes, filled as the tests run */
export function simulate(numbers: readonly number[]): readonly Outcome[] {
  const outcomes: Outcome[] = [];
  it.each(numbers)('keeps the invariants with seed %i', async (seed) => {
    try {
      const outcome = await runSeed(seed);
      outcomes.push(outcome);
      expect(outcome.steps).toBeGreaterThan(100);
    } catch (error) {
      if (!(error instanceof SimulationFailed)) throw error;
      const { message, last, cause } = error;
      throw new Error(`${message}\n\nTo run it again:\n  ${again(seed)}\n\n${last.join('\n')}`, { cause });
    }
  });
  return outcomes;
}

/** Part of the long tier: several files, so that the workers share them. */
export function simulateMany(first: number, count: number): void {
  describe('simulation', () => {
    const numbers = seeds(count, first);
    const outcomes = simulate(numbers);

    it.skipIf(process.env.SEED !== undefined)('has seen everything that it is about', () => {
      expect(outcomes.length).toBe(numbers.length);
      const total: Record<string, number> = {};
      for (const { seen, states, crashes, messages } of outcomes) {
        for (const [what, times] of Object.entries({ ...seen, ...states, crashes, messages })) {
          total[what] = (total[what] ?? 0) + times;
        }
      }
      console.log(`seeds ${numbers[0]} to ${numbers.at(-1)}: ${JSON.stringify(total)}`);
      console.log(`one of them again: ${again(numbers[0]!)}`);
      for (const what of SEEN) expect(total[what], what).toBeGreaterThan(5);
    });
  });
}
