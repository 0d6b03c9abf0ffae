/**
 * Links exchanged for directories (and files) by somebody else on the host while the guest uses them, as often as the
 * machine can: the guest never gets to what the link leads to, and does get to what it may.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FIXTURES } from '../../engine/wasm/helpers.ts';
import { Open, open, Right, underEachRuntime, type World } from './guest.ts';

const TIMES = 3000;

/** `rw/swap` and `rw/other` change places all the time: a directory and a link to the one outside. */
async function whileExchanging<T>(given: World, act: () => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, [
    'run',
    '-A',
    '--quiet',
    join(FIXTURES, 'wasi/exchange.ts'),
    given.path('rw/swap'),
    given.path('rw/other'),
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    return await act();
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

function furnish(given: World): void {
  writeFileSync(given.path('outside/file'), 'secret');
  mkdirSync(given.path('outside/deep'));
  writeFileSync(given.path('outside/deep/file'), 'secret');
}

/** What is outside, as the guest must leave it. */
function expectUntouched(given: World): void {
  expect(readdirSync(given.path('outside'), { recursive: true }).sort())
    .toEqual(['deep', 'deep/file', 'file']);
  for (const name of ['file', 'deep/file']) {
    const path = given.path('outside', name);
    expect(readFileSync(path, 'utf8')).toBe('secret');
    expect(statSync(path).mtimeMs).toBeGreaterThan(1e12);
    expect(statSync(path).nlink).toBe(1);
  }
}

underEachRuntime('exchanged during the call:', (world) => {
  it.each([['absolute', true], ['relative', false]])(
    'a directory for an %s link to one',
    async (_title, absolute) => {
      const given = world();
      furnish(given);
      mkdirSync(given.path('rw/swap/deep'), { recursive: true });
      for (const name of ['file', 'deep/file']) writeFileSync(given.path('rw/swap', name), 'inside');
      symlinkSync(absolute ? given.path('outside') : '../outside', given.path('rw/other'));
      const rights = Right.fdRead;
      const write = { oflags: Open.create | Open.truncate, rights: Right.fdWrite };
      const answers = await whileExchanging(given, () =>
        given.calls([
          `race ${TIMES} ${open('rw/swap/file', { rights })}`,
          `race ${TIMES} ${open('rw/swap/deep/file', { rights })}`,
          `race ${TIMES} ${open('rw/swap/deep/../file', { rights })}`,
          `race ${TIMES} ${open('rw/swap', { rights, oflags: Open.directory, follow: false })}`,
          `race ${TIMES} ${open('rw/swap/file', write)}`,
          `loop ${TIMES} 8`,
          'path_create_directory 3 :rw/swap/made',
          'path_remove_directory 3 :rw/swap/made',
          'path_rename 3 :rw/swap/file 3 :rw/swap/deep/moved',
          'path_rename 3 :rw/swap/deep/moved 3 :rw/swap/file',
          'path_symlink :a 3 :rw/swap/soft',
          'path_unlink_file 3 :rw/swap/soft',
          'path_link 3 0 :rw/swap/file 3 :rw/hard',
          'path_unlink_file 3 :rw/hard',
        ]));
      const numbers = answers.map(({ text }) => text.split(' ').map(Number));
      for (const [opened, secrets] of numbers.slice(0, 5)) {
        expect(opened).toBeGreaterThan(0);
        // Now and then the link was there.
        expect(opened).toBeLessThan(TIMES);
        expect(secrets).toBe(0);
      }
      for (const [good] of numbers.slice(5)) expect(good).toBeGreaterThan(0);
      expectUntouched(given);
    },
  );

  it('a file for a link to one', async () => {
    const given = world();
    furnish(given);
    writeFileSync(given.path('rw/swap'), 'inside');
    symlinkSync(given.path('outside/file'), given.path('rw/other'));
    const answers = await whileExchanging(given, () =>
      given.calls([
        `race ${TIMES} ${open('rw/swap', { rights: Right.fdRead })}`,
        `race ${TIMES} ${open('rw/swap', { rights: Right.fdRead, follow: false })}`,
        `race ${TIMES} ${open('rw/swap', { rights: Right.fdWrite, oflags: Open.truncate })}`,
        `race ${TIMES} ${open('rw/swap', { rights: Right.fdWrite, oflags: Open.truncate | Open.create })}`,
        `loop ${TIMES} 2`,
        'path_filestat_set_times 3 1 :rw/swap 5 5 5',
        'path_link 3 1 :rw/swap 3 :rw/hard',
      ]));
    const numbers = answers.map(({ text }) => text.split(' ').map(Number));
    for (const [opened, secrets] of numbers.slice(0, 4)) {
      expect(opened).toBeGreaterThan(0);
      expect(secrets).toBe(0);
    }
    expect(numbers[4]![0]).toBeGreaterThan(0);
    expectUntouched(given);
  });
});
