/** One hundred seeds of the simulation (invariants.md section 3). */
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { again, seeds, simulate } from './suite.ts';

describe('simulation', () => {
  const numbers = seeds(100);
  const outcomes = simulate(numbers);

  it.skipIf(process.env.SEED !== undefined)('has seen everything that it is about', () => {
    expect(outcomes.length).toBe(numbers.length);
    const total: Record<string, number> = {};
    for (const { seen, states, crashes, messages } of outcomes) {
      for (const [what, count] of Object.entries({ ...seen, ...states, crashes, messages })) {
        total[what] = (total[what] ?? 0) + count;
      }
    }
    console.log(`seeds ${numbers[0]} to ${numbers.at(-1)}: ${JSON.stringify(total)}`);
    console.log(`one of them again: ${again(numbers[0]!)}`);
    for (
      const what of [
        ...['unknown', 'adopted', 'lost', 'stopped', 'refused', 'failed', 'completed'],
        ...['run again', 'attempted again', 'repeats', 'losses', 'Completed', 'Failed', 'Stopped'],
        ...['with ports', 'with devices'],
      ]
    ) {
      expect(total[what], what).toBeGreaterThan(5);
    }
  });
});
