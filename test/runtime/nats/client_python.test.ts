/** The public Python client against our server, plain and with TLS. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startNatsServer } from '../../../runtime/nats/mod.ts';
import { pythonWithNats, skipNote } from './support/needs.ts';

const python = await pythonWithNats();
const script = join(import.meta.dirname!, 'support', 'client.py');
const fixtures = join(import.meta.dirname!, '..', '..', 'fixtures', 'tls');

if ('missing' in python) {
  test.skip(`the Python client (${skipNote(python.missing)})`, () => {});
} else {
  test.each(['plain', 'tls'])('the Python client, %s', async (mode) => {
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(fixtures, name)) as [string, string];
    const tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    await using server = await startNatsServer({ port: 0, token: 'secret', ...(mode === 'tls' && { tls }) });
    const { stdout } = await promisify(execFile)(python.path, [
      script,
      server.url,
      ...(mode === 'tls' ? [cert] : []),
    ]);
    expect(JSON.parse(stdout)).toEqual({
      wrong_token: expect.stringMatching(/authorization violation/i),
      messages: [['x.y.z', 'one', { A: 'b' }], ['x.q.z', 'two', {}]],
      reply: 'cba',
      nobody: 'no responders',
      large: 1048576,
      limited: 2,
    });
    expect(server.stats()).toMatchObject({ connections: 0, subscriptions: 0 });
  });
}
