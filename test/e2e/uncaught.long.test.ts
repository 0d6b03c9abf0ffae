/** An error that nobody caught ends neither an orchestrator nor a compute node nor a devstack: it is logged and counted. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { start, temporaryFolder } from '../support/program.ts';

/** Loaded into the executable before its own code: faults on demand. */
const FAULTS = `process.on('SIGUSR2', () => {
  setTimeout(() => { throw new Error('nobody caught this'); });
  Promise.reject(new Error('nobody heard this'));
});`;

const FREE = [
  '-c',
  'API.Host=127.0.0.1',
  '-c',
  'API.Port=0',
  '-c',
  'Orchestrator.Port=0',
  '-c',
  'Publishers.Types.Local.Port=0',
];

it.each([
  ['an orchestrator', ['serve', '--orchestrator']],
  ['a compute node', ['serve', '--compute', '-c', 'Compute.Orchestrators=nats://127.0.0.1:1']],
  ['a devstack', ['devstack', '--computes', '1']],
])('%s serves on', async (_title, words) => {
  await using folder = await temporaryFolder();
  const faults = join(folder.path, 'faults.js');
  await writeFile(faults, FAULTS);
  // Only Bun's executable takes code from its environment.
  const env = { BUN_OPTIONS: `--preload ${faults}`, BACALHAU_DIR: folder.path };
  await using program = start('bun', [...words, '--data-dir', join(folder.path, 'data'), ...FREE], env);
  const [, port] = await program.line(/(?:http:\/\/[^:\s]+:|API_PORT=)(\d+)/);
  program.child.kill('SIGUSR2');
  await program.line(/ERROR Unexpected: nobody caught this/);
  await program.line(/ERROR Unexpected: nobody heard this/);
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/agent/debug`);
  expect((await answer.json()).UncaughtErrors).toBe(2);
  await program.end();
});
