/** The same bytes to Debian's nats-server and to ours: the answers are equal. */
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NatsServer, startNatsServer } from '../../../runtime/nats/mod.ts';
import { CASES } from './support/cases.ts';
import { findProgram, skipNote } from './support/needs.ts';
import { transcript } from './support/transcript.ts';

const found = findProgram('nats-server');

/** Starts nats-server on a free port and waits until it listens. */
async function startReference(path: string): Promise<{ port: number; process: ChildProcess }> {
  const free = net.createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const port = (free.address() as net.AddressInfo).port;
  await new Promise((resolve) => free.close(resolve));
  const child = spawn(path, ['-a', '127.0.0.1', '-p', String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.on('exit', () => reject(new Error(`nats-server ended: ${log}`)));
    child.stderr!.on('data', (chunk) => {
      log += chunk;
      if (log.includes('Server is ready')) resolve();
    });
  });
  return { port, process: child };
}

if ('missing' in found) {
  test.skip(`as nats-server answers (${skipNote(found.missing)})`, () => {});
} else {
  describe('as nats-server answers', () => {
    let reference: { port: number; process: ChildProcess };
    let ours: NatsServer;
    beforeAll(async () => {
      reference = await startReference(found.path);
      ours = await startNatsServer({ port: 0 });
    });
    afterAll(async () => {
      reference.process.removeAllListeners('exit');
      reference.process.kill();
      await ours.close();
    });

    test.each(CASES)('$name', async (script) => {
      const [expected, actual] = await Promise.all([
        transcript(reference.port, script),
        transcript(ours.port, script),
      ]);
      expect(actual).toBe(expected);
      expect(expected).not.toBe('');
    });

    test('a queue group is one group over several subjects', async () => {
      const script = { name: '', steps: ['SUB a.* q 1\r\nSUB a.b q 2\r\nSUB a.b p 3\r\nPUB a.b 0\r\n\r\n'] };
      for (const port of [reference.port, ours.port]) {
        expect((await transcript(port, script)).match(/MSG/g)).toHaveLength(2);
      }
    });
  });
}
