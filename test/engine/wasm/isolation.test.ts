/** What a module process is kept in, read from the process table, and the limits that the host enforces by itself. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import type { RequestOptions } from '../../fixtures/wasm/request.ts';
import { findProgram, processAlive } from '../../../runtime/process.ts';
import { Bench, CHILDREN } from './helpers.ts';
import { until } from '../../support/until.ts';

const NEVER = new AbortController().signal;
const MIB = 2 ** 20;

function taking(bench: Bench, what: string): RequestOptions {
  const hostPath = bench.path(`out-${what}`);
  mkdirSync(hostPath, { recursive: true });
  return { params: { Parameters: [what] }, outputs: [{ name: 'out', hostPath, path: '' }] };
}

const proc = (pid: string, name: string) => readFileSync(`/proc/${pid}/${name}`, 'latin1');
const limit = (pid: string, name: string) =>
  new RegExp(`^${name} +(\\S+)`, 'm').exec(proc(pid, 'limits'))?.[1];

describe.each(Object.entries(CHILDREN))('under %s', (_runtime, childCommand) => {
  test.skipIf(process.platform !== 'linux')(
    'no way to more privileges, few files, nothing of our environment, a folder of its own',
    async () => {
      process.env.WASM_TEST_SECRET = 'visible';
      const fileBytes = 64 * MIB;
      await using bench = new Bench({ childCommand, openFiles: 100, fileBytes, logBytes: MIB });
      const run = await bench.engine.create(bench.request('empty'), NEVER);
      const { id } = run.identity;
      delete process.env.WASM_TEST_SECRET;
      expect(proc(id, 'environ')).not.toContain('visible');
      // The rest is for interpreters; a node that is an executable itself passes nothing (wasm_limits.long.test.ts).
      const names = proc(id, 'environ').split('\0').filter(Boolean).map((each) => each.split('=')[0]);
      expect(['HOME', 'DENO_DIR', 'XDG_CACHE_HOME', 'TMPDIR', 'TEMP', 'TMP']).toEqual(
        expect.arrayContaining(names),
      );
      expect(readlinkSync(`/proc/${id}/cwd`)).toBe(bench.path('wasm'));
      expect(statSync(bench.path('wasm')).mode & 0o777).toBe(0o500);
      // Without util-linux a node does without these.
      if (findProgram('setpriv')) expect(proc(id, 'status')).toMatch(/^NoNewPrivs:\s+1$/m);
      if (findProgram('prlimit')) {
        expect(Number(limit(id, 'Max open files'))).toBe(356);
        expect(Number(limit(id, 'Max file size'))).toBe(fileBytes);
        expect(limit(id, 'Max core file size')).toBe('0');
      }
      await run.remove();
    },
  );

  test('traps tell the functions that were called, with and without names', async () => {
    await using bench = new Bench({ childCommand });
    const { end } = await bench.run('limits', taking(bench, 'pages'));
    expect(end).toMatchObject({ kind: 'failed', exitCode: 1 });
    expect((end as { message: string }).message).toMatch(/\n {2}at pages.*(\n {2}at .*)*\n {2}at _start/);
    const stripped = await bench.run('trap');
    expect((stripped.end as { message: string }).message).toMatch(
      /unreachable code was reached.*\n {2}at function 0.*\n {2}at function 1/,
    );
  });

  test('traps say the same under every runtime', async () => {
    await using bench = new Bench({ childCommand });
    const words = {
      unreachable: 'unreachable code was reached (abort, panic or assertion)',
      memory: 'memory access out of bounds',
      fill: 'memory access out of bounds',
      divide: 'division by zero',
      remainder: 'division by zero',
      overflow: 'integer overflow in a division',
      convert: 'a number that no integer can hold was made one',
      index: 'table access out of bounds',
      null: 'a function pointer is null or of another type',
      signature: 'a function pointer is null or of another type',
      table: 'table access out of bounds',
    };
    for (const [EntryPoint, expected] of Object.entries(words)) {
      const { end } = await bench.run('traps', { params: { EntryPoint } });
      expect(end).toMatchObject({ code: 'ModuleTrapped', exitCode: 1, class: 'user' });
      expect((end as { message: string }).message.split('\n')[0]).toBe(
        `Module "/wasm/entry.wasm" was ended by a trap: ${expected}`,
      );
    }
  });

  test('memory that the engine takes for a module counts, too', async () => {
    await using bench = new Bench({ childCommand });
    const { end } = await bench.run('tables', { resources: { Memory: MIB } });
    expect(end).toMatchObject({
      code: 'MemoryLimit',
      class: 'user',
      message: expect.stringMatching(/its process had come to \d+ MiB of memory, 1 MiB for the module/),
    });
  });

  test('each limit says its name', async () => {
    await using bench = new Bench({ childCommand, openFiles: 50, fileBytes: 3 * MIB });
    const memory = { resources: { Memory: 8 * MIB } };
    const more = { resources: { Memory: 13 * MIB } };
    const cases: [string, RequestOptions, string, RegExp, RegExp][] = [
      [
        'recursion',
        {},
        'StackLimit',
        /call stack is exhausted\n(.*\n)? {2}at deeper.*, \d\d times\n {2}…$/,
        /recursion/,
      ],
      [
        'restart',
        {},
        'StackLimit',
        /call stack is exhausted\n(.*\n)? {2}at main.*, \d\d times\n {2}…$/,
        /recursion/,
      ],
      [
        'memory',
        memory,
        'MemoryLimit',
        /exit code 1: more memory was refused .* may have 8 MiB/,
        /Resources\.Memory/,
      ],
      ['doubled', more, 'MemoryLimit', /of which it has 7\.\d+ MiB and may have 13 MiB/, /Resources\.Memory/],
      [
        'pages',
        memory,
        'MemoryLimit',
        /trap: unreachable.*; more memory was refused .* may have 8 MiB/,
        /Resources\.Memory/,
      ],
      ['files', {}, 'OpenFilesLimit', /exit code 1: .* limit of 50 open files/, /MaxOpenFiles/],
      ['file', {}, 'FileSizeLimit', /exit code 1: .* limit of 3 MiB for a file/, /MaxFileSize/],
    ];
    for (const [what, options, code, message, hint] of cases) {
      const { end } = await bench.run('limits', { ...taking(bench, what), ...options });
      expect(end).toMatchObject({
        kind: 'failed',
        code,
        class: 'user',
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      });
    }
    expect(statSync(bench.path('out-file', 'big')).size).toBe(3 * MIB);
    for (const longRunning of [false, true]) {
      const log = await bench.run('limits', { ...taking(bench, 'log'), logLimit: MIB, longRunning });
      expect(log.mark).toContain('the limit of 1048576 bytes');
      expect(log.stdout.length).toBe(MIB);
      expect(log.end).toMatchObject(
        longRunning
          ? { kind: 'exited', exitCode: 0 }
          : { code: 'LogLimit', message: expect.stringContaining('more than the 1 MiB'), exitCode: 137 },
      );
    }
  });

  test.skipIf(process.platform !== 'linux')('processor time is counted per run', async () => {
    await using bench = new Bench({ childCommand, cpuMs: 400, poolSize: 1 });
    for (let index = 0; index < 3; index++) {
      const run = await bench.engine.create(bench.request('limits', taking(bench, 'loop')), NEVER);
      await run.start();
      const begin = performance.now();
      expect(await run.wait()).toMatchObject({
        code: 'CpuTimeLimit',
        class: 'timeout',
        message: expect.stringContaining('0.4 s of processor time'),
      });
      expect(performance.now() - begin).toBeGreaterThan(200);
      await until(() => !processAlive(Number(run.identity.id)));
    }
  });
});

test('the folder of an earlier engine is used again, and gone at the end', async () => {
  const bench = new Bench();
  const folder = bench.path('wasm');
  writeFileSync(join(folder, 'modules', 'left'), '');
  await using second = new Bench({ directory: folder });
  expect(readdirSync(folder, { recursive: true })).toEqual(['modules']);
  expect((await second.run('empty')).end).toEqual({ kind: 'exited', exitCode: 0 });
  await second.engine.close();
  expect(existsSync(folder)).toBe(false);
  await bench[Symbol.asyncDispose]();
});
