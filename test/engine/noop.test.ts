/** The engine of tests and simulation: driven by the World alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { noopEngine } from '../../mod/engine/mod.ts';
import { logText } from '../support/log_text.ts';
import { realWorld, type World } from '../../runtime/world.ts';
import { wasmRequest } from '../fixtures/wasm/request.ts';

const NEVER = new AbortController().signal;
const directory = mkdtempSync(join(tmpdir(), 'noop-test-'));

function request(params: Record<string, unknown>) {
  const base = wasmRequest('empty', directory);
  return { ...base, task: { ...base.task, Engine: { Type: 'noop', Params: params } } };
}

test('exit code, output, failure, refusal', async () => {
  const started: string[] = [];
  const engine = noopEngine({ world: realWorld, onStart: ({ executionId }) => started.push(executionId) });
  const run = async (params: Record<string, unknown>) => {
    const made = await engine.create(request(params), NEVER);
    await made.start();
    return await made.wait();
  };
  expect(await run({})).toEqual({ kind: 'exited', exitCode: 0 });
  expect(await run({ ExitCode: 9 })).toEqual({ kind: 'exited', exitCode: 9 });
  expect(await run({ Fail: 'infrastructure' })).toMatchObject({ kind: 'failed', class: 'infrastructure' });
  expect(await run({ Fail: 'nonsense' })).toMatchObject({ kind: 'failed', class: 'user' });
  expect(started.length).toBe(4);
  const talking = request({ Output: 'hello\n' });
  const made = await engine.create(talking, NEVER);
  expect(await engine.find(made.identity, talking)).toBe(made);
  await made.start();
  await made.wait();
  await expect(made.start()).rejects.toThrow('started before');
  expect((await logText(talking.logPath)).stdout).toBe('hello\n');
  await made.remove();
  expect(await engine.find(made.identity, talking)).toBeNull();
  expect(await engine.check(request({ Refuse: 'no' }).task)).toMatchObject({ reason: 'no' });
  expect(await engine.check(request({}).task)).toBeNull();
  await engine.close();
  rmSync(directory, { recursive: true });
});

test("the delay is the World's; a stop ends it", async () => {
  const timers: { ms: number; callback: () => void }[] = [];
  const world: World = {
    ...realWorld,
    after(ms, callback) {
      timers.push({ ms, callback });
      return { [Symbol.dispose]() {} };
    },
  };
  const engine = noopEngine({ world, log: false });
  const run = await engine.create(request({ DelayMs: 5000, ExitCode: 2 }), NEVER);
  await run.start();
  let ended = false;
  run.wait().then(() => ended = true);
  await Promise.resolve();
  expect([timers[0]!.ms, ended]).toEqual([5000, false]);
  timers[0]!.callback();
  expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 2 });
  const other = await engine.create(request({ DelayMs: 5000 }), NEVER);
  await other.start();
  await other.stop(0);
  timers[1]!.callback();
  expect(await other.wait()).toMatchObject({ kind: 'failed', code: 'Stopped' });
});
