/** Two tiers: `*.test.ts` is fast and runs everywhere; `*.long.test.ts` (chaos, many seeds, strace, executables) in CI. */
import process from 'node:process';
import { defineConfig } from 'vitest/config';

const long = process.env.BACALHAU_TEST_TIER === 'long';

export default defineConfig({
  test: {
    pool: 'forks',
    globalSetup: ['test/support/docker_setup.ts'],
    include: [long ? 'test/**/*.long.test.ts' : 'test/**/*.test.ts'],
    exclude: long ? [] : ['test/**/*.long.test.ts'],
    testTimeout: long ? 600_000 : 30_000,
    hookTimeout: long ? 600_000 : 60_000,
    maxWorkers: 2,
    reporters: ['default'],
  },
});
