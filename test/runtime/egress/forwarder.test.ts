/** The forwarder as the program that it is; without a namespace of its own, so on any machine with unix sockets. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { forwarderCommand, READY } from '../../../runtime/egress/mod.ts';
import { childEnvironment, selfCommand } from '../../../runtime/self.ts';
import { raw } from './support/raw.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** `ended` is listened for from the beginning: a child may be gone before its caller looks again. */
function start(socket: string, port: number, namespace = '') {
  const [program, ...args] = selfCommand(...forwarderCommand({ socket, port, namespace }));
  const child = spawn(program!, args, { env: childEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (bytes) => words += String(bytes));
  const ended = once(child, 'close').then(([code]) => ({ code, words }));
  return { stdin: child.stdin, stdout: child.stdout, ended };
}

/** Two processes start, on a machine that may be busy. */
const TIMEOUT = 60_000;

describe.skipIf(process.platform === 'win32')('forwarder', { timeout: TIMEOUT }, () => {
  it('hands bytes to the socket both ways, and ends with its stdin', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'forward-'));
    const socket = join(folder, 's');
    const server = createServer({ allowHalfOpen: true }, (client) => {
      let got = '';
      client.on('data', (bytes) => got += String(bytes)).on('end', () => client.end(`got ${got.length}`));
    }).listen(socket);
    const port = await freePort();
    const child = start(socket, port);
    const [line] = await once(child.stdout, 'data');
    expect(String(line)).toBe(`${READY}\n`);
    const sizes = [0, 1, 300_000];
    const answers = await Promise.all(
      sizes.map((size) => raw({ host: '127.0.0.1', port }, 'x'.repeat(size), true)),
    );
    expect(answers).toEqual(sizes.map((size) => `got ${size}`));
    child.stdin.end();
    expect(await child.ended).toEqual({ code: 0, words: '' });
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('does not listen in a namespace that it was not meant for, or on a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const free = await freePort();
    const children = [start('/nowhere', port), start('/nowhere', free, 'net:[1]')];
    for (const child of children) child.stdout.resume();
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([
      { code: 1, words: expect.stringMatching(/address|in use/i) },
      { code: 1, words: expect.stringMatching(/not net:\[1\]|ENOENT/) },
    ]);
    taken.close();
  });
});
