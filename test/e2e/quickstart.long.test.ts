/** The first command of the README, without its build: what the long tier has built is taken. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { cleanEnv, ROOT, temporaryFolder } from '../support/program.ts';

it('the quick start counts the words of the README', async () => {
  await using folder = await temporaryFolder();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['run', '-A', join(ROOT, 'build/quickstart.ts')],
    { env: cleanEnv({ HOME: folder.path }) },
  );
  const words = readFileSync(join(ROOT, 'README.md'), 'utf8').toLowerCase().match(/[a-z]+/g)!;
  const count = words.filter((word) => word === 'the').length;
  expect(stdout).toMatch(new RegExp(`The 10 most frequent of \\d+ words:\n\n +${count} the\n`));
  expect(stdout).toContain('Completed successfully');
});
