/** Module processes: stopped, crashed, orphaned, reused, shrunk. Asserts on the process table. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { wasmEngine } from '../../../mod/engine/mod.ts';
import { processAlive, processMemory, processStartTime } from '../../../runtime/process.ts';
import { realWorld } from '../../../runtime/world.ts';
import { Bench, CHILDREN, FIXTURES } from './helpers.ts';
import { until } from '../../support/until.ts';

const NEVER = new AbortController().signal;

/** CPU ticks that a process has used: whether it is busy. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

describe.each(Object.entries(CHILDREN))('under %s', (_runtime, childCommand) => {
  test('stop ends a busy module without waiting for its grace, and the process is gone', async () => {
    await using bench = new Bench({ childCommand });
    const run = await bench.engine.create(bench.request('loop'), NEVER);
    const pid = Number(run.identity.id);
    await run.start();
    const before = ticks(pid);
    await until(() => ticks(pid) > before + 5);
    await run.stop(600_000);
    expect(processAlive(pid)).toBe(false);
    expect(await run.wait()).toMatchObject({ kind: 'failed', code: 'Stopped', exitCode: 137 });
    await run.remove();
  });

  test('a busy module is gone after the kill -9 of its node', async () => {
    await using bench = new Bench({ childCommand });
    const node = spawn(
      process.execPath,
      ['run', '-A', '--quiet', join(FIXTURES, 'parent_main.ts'), bench.directory, ...childCommand],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const line = await new Promise<string>((resolve) =>
      node.stdout!.once('data', (data) => resolve(String(data)))
    );
    const identity = JSON.parse(line) as { id: string; startTime: string };
    const pid = Number(identity.id);
    const before = ticks(pid);
    await until(() => ticks(pid) > before + 5);
    node.kill('SIGKILL');
    await until(() => processStartTime(pid) !== identity.startTime);
  });
});

test('a process serves one run after the other, with nothing kept', async () => {
  await using bench = new Bench({ poolSize: 1 });
  const pids = new Set<string>();
  for (let index = 0; index < 5; index++) {
    const run = await bench.engine.create(bench.request('grow', { resources: { Memory: 2 ** 20 } }), NEVER);
    pids.add(run.identity.id);
    await run.start();
    expect(await run.wait()).toMatchObject({ exitCode: 16 });
  }
  expect(pids.size).toBe(1);
});

test.skipIf(process.platform !== 'linux').each(Object.entries(CHILDREN))(
  'memories of earlier runs are given back under %s',
  async (_runtime, childCommand) => {
    // No warm one: on a loaded machine a spare is made while a run goes on, and serves the next.
    await using bench = new Bench({ childCommand, poolSize: 1, maxIdle: 0 });
    const pids = new Set<number>();
    for (let index = 0; index < 12; index++) {
      const params = { Parameters: ['memory'] };
      const request = bench.request('limits', { params, resources: { Memory: 100 * 2 ** 20 } });
      const run = await bench.engine.create(request, NEVER);
      pids.add(Number(run.identity.id));
      await run.start();
      expect(await run.wait()).toMatchObject({ code: 'MemoryLimit' });
    }
    expect(pids.size).toBe(1);
    for (const pid of pids) await until(() => processMemory(pid)! < 400 * 2 ** 20);
  },
);

test('one-shot: each run has a process of its own', async () => {
  await using bench = new Bench({ oneShot: true });
  const pids = new Set<string>();
  for (let index = 0; index < 3; index++) {
    const run = await bench.engine.create(bench.request('empty'), NEVER);
    pids.add(run.identity.id);
    await run.start();
    await run.wait();
    await until(() => !processAlive(Number(run.identity.id)));
  }
  expect(pids.size).toBe(3);
});

test('a run that is stopped before its start never starts, and its process serves another', async () => {
  await using bench = new Bench({ poolSize: 1 });
  const first = await bench.engine.create(bench.request('loop'), NEVER);
  await first.remove();
  expect(await first.wait()).toMatchObject({ code: 'Stopped' });
  await expect(first.start()).rejects.toThrow('started or stopped before');
  const second = await bench.engine.create(bench.request('empty'), NEVER);
  expect(second.identity).toEqual(first.identity);
  await second.start();
  await expect(second.start()).rejects.toThrow('started or stopped before');
  expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 0 });
  // Stopping a run that has ended must not touch the process, which is somebody else's by now.
  const third = await bench.engine.create(bench.request('empty'), NEVER);
  await second.stop(0);
  await third.start();
  expect(await third.wait()).toEqual({ kind: 'exited', exitCode: 0 });
});

test('a process that dies fails its run as infrastructure, and the next run works', async () => {
  await using bench = new Bench({ poolSize: 1 });
  const run = await bench.engine.create(bench.request('loop'), NEVER);
  await run.start();
  process.kill(Number(run.identity.id), 'SIGKILL');
  expect(await run.wait()).toMatchObject({ kind: 'failed', code: 'ProcessDied', class: 'infrastructure' });
  expect((await bench.run('empty')).end).toEqual({ kind: 'exited', exitCode: 0 });
});

// While the guest's own code runs a runtime takes such a signal for a trap of the guest: so the guest waits in the host.
test.skipIf(process.platform !== 'linux').each(Object.entries(CHILDREN))(
  'a crash of the runtime itself is told by its signal under %s',
  async (_runtime, childCommand) => {
    await using bench = new Bench({ childCommand, poolSize: 1 });
    for (const signal of ['SIGSEGV', 'SIGBUS'] as const) {
      const request = bench.request('sleep');
      const run = await bench.engine.create(request, NEVER);
      await run.start();
      await until(() => existsSync(request.logPath));
      const pid = Number(run.identity.id);
      // As a true fault does it, until the process is dead: V8 lets the instruction have a second try.
      await until(() => {
        if (processAlive(pid)) process.kill(pid, signal);
        return !processAlive(pid);
      });
      expect(await run.wait()).toMatchObject({
        kind: 'failed',
        code: 'ProcessDied',
        class: 'infrastructure',
        message: expect.stringContaining(`killed by ${signal}`),
      });
      expect((await bench.run('empty')).end).toEqual({ kind: 'exited', exitCode: 0 });
    }
  },
);

test('long runs beyond the pool size do not keep others out; the pool shrinks again', async () => {
  await using bench = new Bench({ poolSize: 1, idleMs: 50 });
  const long = await Promise.all([1, 2, 3].map(() => bench.engine.create(bench.request('loop'), NEVER)));
  for (const run of long) await run.start();
  expect((await bench.run('empty')).end).toEqual({ kind: 'exited', exitCode: 0 });
  await Promise.all(long.map((run) => run.stop(0)));
  const short = await Promise.all([1, 2].map(() => bench.engine.create(bench.request('empty'), NEVER)));
  for (const run of short) await run.start();
  await Promise.all(short.map((run) => run.wait()));
  await until(() => short.filter((run) => processAlive(Number(run.identity.id))).length === 1);
});

test('find: kills what an earlier node left, and nothing that only has its number', async () => {
  await using bench = new Bench({ maxIdle: 0 });
  const orphan = spawn('sleep', ['100'], { detached: true, stdio: 'ignore' });
  const pid = orphan.pid!;
  const identity = { engine: 'wasm', id: String(pid), startTime: processStartTime(pid)! };
  const request = bench.request('empty');
  expect(await bench.engine.find({ ...identity, startTime: '1@00000000' }, request)).toBeNull();
  expect(await bench.engine.find({ engine: 'wasm', id: String(pid) }, request)).toBeNull();
  expect(processAlive(pid)).toBe(true);
  expect(await bench.engine.find(identity, request)).toBeNull();
  await until(() => !processAlive(pid));
  expect(await bench.engine.find(identity, request)).toBeNull();
  const run = await bench.engine.create(request, NEVER);
  expect(await bench.engine.find(run.identity, request)).toBe(run);
  // Another execution's question about the same process must not kill it.
  expect(await bench.engine.find(run.identity, bench.request('empty'))).toBeNull();
  await run.start();
  expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
});

test('a command that cannot run is an error of infrastructure that says why; close is idempotent', async () => {
  await using bench = new Bench({ childCommand: ['/nowhere/bacalhau'], maxIdle: 0 });
  await expect(bench.engine.create(bench.request('empty'), NEVER)).rejects.toMatchObject({
    message: expect.stringContaining('Cannot start a module process "/nowhere/bacalhau"'),
    details: { class: 'infrastructure' },
  });
  const failing = wasmEngine({
    world: realWorld,
    directory: bench.path('failing'),
    childCommand: [process.execPath, 'eval', 'throw 1'],
    maxIdle: 0,
  });
  await expect(failing.create(bench.request('empty'), NEVER)).rejects.toThrow('it ended at once');
  await failing.close();
  await failing.close();
});

test('creation can be cancelled', async () => {
  await using bench = new Bench({ poolSize: 1, maxIdle: 0 });
  const abort = new AbortController();
  const pending = bench.engine.create(bench.request('empty'), abort.signal);
  abort.abort(new Error('changed my mind'));
  await expect(pending).rejects.toThrow('changed my mind');
  expect((await bench.run('empty')).end).toEqual({ kind: 'exited', exitCode: 0 });
});

test('a burst of 500 empty modules over two processes', async () => {
  await using bench = new Bench({ poolSize: 2 });
  const pids = new Set<string>();
  await bench.run('empty');
  let left = 500;
  const work = async () => {
    while (left-- > 0) {
      const run = await bench.engine.create(bench.request('empty'), NEVER);
      pids.add(run.identity.id);
      await run.start();
      expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  // Two at most serve runs; a spare one is started when both are busy for long.
  expect(pids.size).toBeLessThan(20);
});
