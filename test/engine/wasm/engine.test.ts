/** Modules through the engine in real processes, under both runtimes: ends, limits, linking, the file system. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { logText } from '../../support/log_text.ts';
import { Bench, CHILDREN, FIXTURES } from './helpers.ts';

const MIB = 1024 ** 2;

describe.each(Object.entries(CHILDREN))('under %s', (_runtime, childCommand) => {
  test('ends of a module', async () => {
    await using bench = new Bench({ childCommand });
    expect(await bench.run('empty')).toEqual({
      end: { kind: 'exited', exitCode: 0 },
      stdout: '',
      stderr: '',
      mark: '',
    });
    expect(await bench.run('exit')).toMatchObject({
      end: { kind: 'exited', exitCode: 3 },
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const { end } = await bench.run('trap');
    expect(end).toMatchObject({ kind: 'failed', code: 'ModuleTrapped', class: 'user', exitCode: 1 });
    expect(JSON.stringify(end)).toMatch(/was ended by a trap: unreachable/i);
    // `proc_exit` inside of a try is an end, whatever the program catches.
    expect((await bench.run('exit_caught')).end).toEqual({ kind: 'exited', exitCode: 5 });
    // The next run does not notice.
    expect((await bench.run('exit')).end).toEqual({ kind: 'exited', exitCode: 3 });
  });

  test('memory is bounded inside the guest, own or imported', async () => {
    await using bench = new Bench({ childCommand });
    const resources = { Memory: 2 * MIB };
    // They grow until it fails and exit with the number of pages.
    const limited = { kind: 'failed', code: 'MemoryLimit', class: 'user' };
    for (const module of ['grow', 'imported_memory']) {
      expect((await bench.run(module, { resources })).end).toMatchObject({
        ...limited,
        exitCode: 32,
        message: expect.stringContaining(
          'more memory was refused to it, of which it has 2 MiB and may have 2 MiB',
        ),
        hint: expect.stringContaining('Resources.Memory'),
      });
    }
    expect((await bench.run('grow', { resources: { Memory: 4 * MIB } })).end).toMatchObject({
      ...limited,
      exitCode: 64,
    });
    expect((await bench.run('large', { resources })).end).toMatchObject({
      code: 'MemoryLimit',
      class: 'user',
      message: expect.stringContaining('needs 6.25 MiB of memory to start, the task may use 2 MiB'),
    });
    // All modules of a task share its memory: the library gets half of it, the entry module the rest.
    const library = {
      hostPath: `${FIXTURES}/grow_library.wasm`,
      target: '/wasm/library.wasm',
      readOnly: true,
    };
    expect((await bench.run('grow_both', { resources, inputs: [library] })).end).toMatchObject({
      ...limited,
      exitCode: 16_016,
    });
    const params = { ImportModules: ['/wasm/library.wasm'] };
    expect((await bench.run('grow', { resources, params, inputs: [library] })).end).toMatchObject({
      exitCode: 16,
    });
  });

  test('the file system: what is mounted is there, nothing else is', async () => {
    await using bench = new Bench({ childCommand });
    const input = bench.path('input');
    const output = bench.path('output');
    mkdirSync(`${input}/deep`, { recursive: true });
    mkdirSync(output);
    writeFileSync(`${input}/a.txt`, 'alpha');
    writeFileSync(`${input}/deep/b.txt`, 'beta');
    symlinkSync('deep/b.txt', `${input}/inner-link`);
    symlinkSync('/etc/passwd', `${input}/passwd-link`);
    symlinkSync('../../../../../../../../etc/passwd', `${input}/up-link`);
    symlinkSync('/etc', `${input}/etc-link`);
    const { end, stdout, stderr } = await bench.run('files', {
      params: { Parameters: ['one', 'zwei', 'ü'] },
      env: { GREETING: 'hello = world' },
      inputs: [{ hostPath: input, target: '/in', readOnly: true }],
      outputs: [{ name: 'out', hostPath: output, path: '/results/here' }],
    });
    expect(stderr).toBe('');
    expect(stdout).toBe(readFileSync(`${FIXTURES}/files.expected`, 'utf8'));
    expect(end).toEqual({ kind: 'exited', exitCode: 4 });
    expect(readdirSync(input).sort()).toEqual([
      'a.txt',
      'deep',
      'etc-link',
      'inner-link',
      'passwd-link',
      'up-link',
    ]);
    expect(readFileSync(`${input}/a.txt`, 'utf8')).toBe('alpha');
    expect(readdirSync(output)).toEqual(['g']);
    expect(readFileSync(`${output}/g`, 'utf8')).toBe('012abc6789!');
  });

  test.each([[true, 3], [false, 2]])(
    "environment, the system's own in it: %s",
    async (systemEnvironment, count) => {
      await using bench = new Bench({ childCommand });
      const request = bench.request(`${FIXTURES}/wasi/calls.wasm`, {
        params: { Parameters: ['environ_sizes_get out buf'], SystemEnvironment: systemEnvironment },
        env: { lower: '1', UPPER: '2', BACALHAU_JOB_ID: 'j-1' },
      });
      const task = { ...request.task, Env: { lower: '1', UPPER: '2' } };
      const run = await bench.engine.create({ ...request, task }, new AbortController().signal);
      await run.start();
      expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
      expect((await logText(request.logPath)).stdout).toMatch(new RegExp(`^0 ${count} `));
    },
  );

  test('output beyond the limit is cut with a mark, and a service goes on', async () => {
    await using bench = new Bench({ childCommand });
    const { end, stdout, mark } = await bench.run('spam', { logLimit: 100_001, longRunning: true });
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(stdout).toBe('x'.repeat(100_001));
    expect(mark).toContain('limit of 100001 bytes');
  });
});

test('faults name the module, its cause and a hint', async () => {
  await using bench = new Bench();
  const text = bench.path('text.wasm');
  writeFileSync(text, '(module)');
  const component = bench.path('component.wasm');
  writeFileSync(component, Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0));
  const cases: [string, Parameters<Bench['run']>[1], string, RegExp][] = [
    [text, {}, 'NotWebAssembly', /"\/wasm\/entry\.wasm": .*not WebAssembly/],
    [component, {}, 'NotWebAssembly', /"\/wasm\/entry\.wasm": it is a WebAssembly component/],
    ['empty', { params: { EntryModule: '/nowhere' } }, 'ModuleNotFound', /"\/nowhere": no such file/],
    [
      'empty',
      { params: { EntryModule: '/../../etc/passwd' } },
      'ModuleNotFound',
      /leaves the task's file system/,
    ],
    ['empty', { params: { EntryPoint: 'main' } }, 'EntryPointNotFound', /exports no function "main"/],
    [
      'uses_library',
      {},
      'LinkError',
      /nothing provides "answer" that it imports from "\/wasm\/library\.wasm"/,
    ],
  ];
  for (const [module, options, code, message] of cases) {
    const { end } = await bench.run(module, options);
    expect(end).toMatchObject({
      kind: 'failed',
      code,
      class: 'user',
      message: expect.stringMatching(message),
    });
    expect((end as { hint: string }).hint).not.toBe('');
  }
  const { end } = await bench.run('empty', { params: { EntryPoint: 'main' } });
  expect((end as { hint: string }).hint).toBe('It exports: _start');
});

test('modules link by path, by name, and from a directory with one module', async () => {
  await using bench = new Bench();
  const library = { hostPath: `${FIXTURES}/library.wasm`, target: '/wasm/library.wasm', readOnly: true };
  expect((await bench.run('uses_library', { inputs: [library] })).end).toEqual({
    kind: 'exited',
    exitCode: 42,
  });
  const params = { ImportModules: ['wasm/library.wasm'], entrypoint: 'other' };
  expect((await bench.run('uses_library', { inputs: [library], params })).end).toEqual({
    kind: 'exited',
    exitCode: 7,
  });
  expect((await bench.run('exit', { params: { EntryModule: '/wasm' } })).end).toEqual({
    kind: 'exited',
    exitCode: 3,
  });
});

test('check names the parameter that is wrong', async () => {
  await using bench = new Bench();
  const check = async (params: Record<string, unknown>) => {
    const { task } = bench.request('empty');
    return (await bench.engine.check({ ...task, Engine: { Type: 'wasm', Params: params } }))?.reason ?? null;
  };
  expect(await check({ entrymodule: '/a' })).toBeNull();
  expect(await check({})).toMatch('Engine.Params.EntryModule is missing');
  expect(await check({ EntryModule: 5 })).toMatch('Engine.Params.EntryModule is not a path');
  expect(await check({ EntryModule: '/a', EntryPoint: 1 })).toMatch('Engine.Params.EntryPoint');
  expect(await check({ EntryModule: '/a', Parameters: 'x' })).toMatch('Engine.Params.Parameters');
  expect(await check({ EntryModule: '/a', ImportModules: [1] })).toMatch('Engine.Params.ImportModules');
  expect(await check({ EntryModule: '/a', SystemEnvironment: 'no' }))
    .toMatch('Engine.Params.SystemEnvironment');
});
