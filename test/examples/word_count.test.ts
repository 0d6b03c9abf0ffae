/** The word-count example: its module is what its source compiles to, and it counts what the shell counts. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Bench } from '../engine/wasm/helpers.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/word-count', import.meta.url));
const MODULE = `${EXAMPLE}/word-count.wasm`;

/** The shell's count, without the empty word that `tr` makes of a text that begins with something else. */
function shellCount(files: readonly string[]): string {
  const script = `cat "$@" | tr -cs "A-Za-z'" '\\n' | tr A-Z a-z | sort | uniq -c`;
  const { stdout } = spawnSync('sh', ['-c', script, 'sh', ...files], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  return stdout.replace(/^ *\d+ \n/m, '');
}

// Another compiler makes other bytes of the same source.
const compiler = spawnSync('clang', ['--version'], { encoding: 'utf8' });
const skipped = process.env.CI !== 'true' && !compiler.stdout?.includes('version 14.');
if (skipped) console.log('SKIPPED: the rebuild of the word-count module needs clang 14');

test.skipIf(skipped)('the committed module is what its source compiles to', () => {
  const rebuilt = spawnSync('sh', [`${EXAMPLE}/build.sh`, '/dev/stdout'], { maxBuffer: 2 ** 20 });
  expect(rebuilt.stderr.toString()).toBe('');
  expect(Buffer.compare(rebuilt.stdout, readFileSync(MODULE))).toBe(0);
});

test("a folder and a file give the shell's counts", async () => {
  await using bench = new Bench();
  const input = bench.path('input');
  const output = bench.path('output');
  mkdirSync(`${input}/deeper`, { recursive: true });
  mkdirSync(output);
  const texts = {
    [`${input}/a.txt`]: "  The whale's the whale; THE end.\nDon't -- 'tis 42 naïve\0zero\n",
    [`${input}/deeper/b.txt`]: `${'long'.repeat(70_000)} ${'the '.repeat(30_000)}`,
    [`${input}/empty`]: '',
  };
  for (const [path, text] of Object.entries(texts)) writeFileSync(path, text);
  const options = (target: string, hostPath: string) => ({
    params: { Parameters: [target, '/outputs/counts.txt'] },
    inputs: [{ hostPath, target, readOnly: true }],
    outputs: [{ name: 'outputs', hostPath: output, path: '/outputs' }],
  });
  const folder = await bench.run(MODULE, options('/inputs', input));
  expect(folder.end).toEqual({ kind: 'exited', exitCode: 0 });
  const expected = shellCount(Object.keys(texts));
  expect(readFileSync(`${output}/counts.txt`, 'utf8')).toBe(expected);
  const top = expected.trimEnd().split('\n').sort((a, b) => parseInt(b) - parseInt(a)).slice(0, 1).join();
  expect(folder.stdout.split('\n')[0]).toBe(top);
  expect(folder.stdout.trimEnd().split('\n').length).toBe(10);

  const file = await bench.run(MODULE, options('/inputs/a.txt', `${input}/a.txt`));
  expect(file.end).toEqual({ kind: 'exited', exitCode: 0 });
  expect(readFileSync(`${output}/counts.txt`, 'utf8')).toBe(shellCount([`${input}/a.txt`]));

  const missing = await bench.run(MODULE, { params: { Parameters: ['/inputs', '/outputs/counts.txt'] } });
  expect(missing.end).toEqual({ kind: 'exited', exitCode: 1 });
  expect(missing.stderr).toBe('Cannot read "/inputs": No such file or directory\n');
});
