import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';
import { lockFile } from '../../runtime/folder_lock.ts';

const BUN = resolve(import.meta.dirname!, '../../node_modules/bun/bin/bun.exe');
const LOCK = resolve(import.meta.dirname!, '../../runtime/folder_lock.ts');

it.each([
  ['Deno', process.execPath, ['run', '-A', '-']],
  ['Bun', BUN, ['run', '-']],
])('is held against another process (%s) until it is given back', (_name, command, args) => {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'));
  const path = join(folder, 'lock.sqlite');
  const other = () =>
    execFileSync(command, args, {
      cwd: resolve(import.meta.dirname!, '../..'),
      input: `import { lockFile } from '${LOCK}'; console.log(lockFile('${path}') ? 'got it' : 'refused');`,
      encoding: 'utf8',
    }).trim();
  // Of an earlier version.
  writeFileSync(path, '', { mode: 0o644 });
  const lock = lockFile(path)!;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(other()).toBe('refused');
  expect(lockFile(path)).toBeNull();
  lock[Symbol.dispose]();
  expect(other()).toBe('got it');
  // The other process ended without giving it back.
  const again = lockFile(path);
  expect(again).not.toBeNull();
  again![Symbol.dispose]();
  rmSync(folder, { recursive: true });
});
