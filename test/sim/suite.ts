/** Seeds as tests: each prints how to run it again, and a failure the last events before it. */
import process from 'node:process';
import { expect, it } from 'vitest';
import { type Outcome, runSeed, SimulationFailed } from './run.ts';

/** `SEED=<n>` runs that one only; `BASE_SEED=<n>` other ones. */
export function seeds(count: number): readonly number[] {
  const { SEED, BASE_SEED } = process.env;
  if (SEED) return [Number(SEED)];
  return Array.from({ length: count }, (_, index) => Number(BASE_SEED ?? 1) + index);
}

const runtime = (): string => {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  return bun ? `bun-${bun}` : deno ? `deno-${deno}` : `node-${node}`;
};

export function again(seed: number): string {
  return `SEED=${seed} RUNTIME=${runtime()} deno run -A node_modules/vitest/vitest.mjs run test/sim/cluster.test.ts`;
}

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
