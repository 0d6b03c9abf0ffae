/** A few seeds of the simulation; one thousand are in `seeds_*.long.test.ts`. */
import process from 'node:process';
import { expect, it } from 'vitest';
import { runSeed } from './run.ts';
import { seeds, simulate } from './suite.ts';

simulate(seeds(8));

it.skipIf(process.env.SEED !== undefined)('is the same run each time', async () => {
  const lines: string[][] = [[], []];
  const [first, second] = [
    await runSeed(1, { trace: (line) => lines[0]!.push(line) }),
    await runSeed(1, { trace: (line) => lines[1]!.push(line) }),
  ];
  expect(lines[1]).toEqual(lines[0]);
  expect(second).toEqual(first);
});
