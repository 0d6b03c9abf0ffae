/** The tests run under one runtime; the server must work under both. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname!, '..', '..', '..');
const script = join(import.meta.dirname!, 'support', 'under_bun.ts');

test('works under Bun', async () => {
  const bun = join(root, 'node_modules', 'bun', 'bin', 'bun.exe');
  const { stdout } = await promisify(execFile)(bun, [script], { cwd: root, timeout: 20_000 });
  const good = [900_000, true, expect.stringMatching(/no responders/i), 0];
  expect(JSON.parse(stdout)).toEqual({ plain: good, upgrade: good, first: good, auto: good });
});
