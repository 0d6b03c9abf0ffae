import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname!, '../..');
const BUN = resolve(ROOT, 'node_modules/bun/bin/bun.exe');

/** A process of its own: errors in a timer, of a promise and of no Error, then an end by itself. */
const PROGRAM = `
import { catchUncaught, uncaughtErrors } from '${ROOT}/runtime/uncaught.ts';
const lines = [];
const last = catchUncaught({ Level: 'error', Mode: 'cmd' }, (line) => void lines.push(line));
setTimeout(() => { throw new Error('in a timer\\u001b[2J'); });
Promise.reject(new Error('of a promise'));
Promise.reject('no Error');
setTimeout(() => { throw Object.assign(new Error('EPIPE'), { syscall: 'write' }); });
setTimeout(() => {
  last[Symbol.dispose]();
  console.log(JSON.stringify([uncaughtErrors(), lines.sort()]));
}, 50);
`;

it.each([
  ['Deno', process.execPath, ['run', '-A', '-']],
  ['Bun', BUN, ['run', '-']],
])('%s goes on after errors that nobody caught, logs and counts them', (_name, command, args) => {
  const output = execFileSync(command, args, { cwd: ROOT, input: PROGRAM, encoding: 'utf8' });
  expect(JSON.parse(output)).toEqual([4, [
    'Unexpected: in a timer\\u001b[2J',
    'Unexpected: no Error',
    'Unexpected: of a promise',
  ]]);
});
