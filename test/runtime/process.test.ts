/** Processes and our own command line, against real processes. */
import { spawn, spawnSync } from 'node:child_process';
import process from 'node:process';
import { expect, test } from 'vitest';
import { killGroup, processAlive, processStartTime } from '../../runtime/process.ts';
import { childEnvironment, selfCommand } from '../../runtime/self.ts';

test('a start time tells one process from another, and a dead one has none', async () => {
  const child = spawn('sleep', ['100'], { detached: true, stdio: 'ignore' });
  const pid = child.pid!;
  const start = processStartTime(pid);
  expect(start).toMatch(/^\d+@[0-9a-f]{8}$/);
  expect(processStartTime(pid)).toBe(start);
  expect(processStartTime(process.pid)).not.toBe(start);
  expect(processAlive(pid)).toBe(true);
  expect(killGroup(pid)).toBe(true);
  await new Promise((resolve) => child.once('exit', resolve));
  expect(processStartTime(pid)).toBeNull();
  expect(processAlive(pid)).toBe(false);
  expect(killGroup(pid)).toBe(false);
});

test('a group takes its grandchildren along', async () => {
  const child = spawn('sh', ['-c', 'sleep 100 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const grandchild = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
  expect(processAlive(grandchild)).toBe(true);
  killGroup(child.pid!);
  await new Promise((resolve) => child.once('exit', resolve));
  while (processAlive(grandchild)) await new Promise((resolve) => setImmediate(resolve));
});

test('ids that would hit ourselves or everybody are refused', () => {
  for (const pid of [0, 1, -1, NaN, 1.5]) {
    expect(() => killGroup(pid)).toThrow('not the id of a child process');
  }
});

test('our own command line runs the entry of the repository under the test runner', () => {
  const [program, ...args] = selfCommand('version');
  expect(program).toBe(process.execPath);
  expect(args.slice(-2)[0]).toMatch(/\/main\.ts$/);
  expect(args.at(-1)).toBe('version');
  expect(spawnSync(program!, ['--version']).status).toBe(0);
});

test('children get nothing of the environment but what a runtime needs', () => {
  process.env.BUN_OPTIONS = '--preload=/tmp/evil.js';
  process.env.AWS_SECRET_ACCESS_KEY = 'secret';
  const names = Object.keys(childEnvironment());
  expect(names.filter((name) => /BUN|AWS|SECRET|PATH$/.test(name))).toEqual([]);
  delete process.env.BUN_OPTIONS;
  delete process.env.AWS_SECRET_ACCESS_KEY;
});
