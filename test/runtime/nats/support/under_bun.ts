/** Run under the other runtime: the server with plain and TLS clients in one process. Prints one JSON object. */
import { connect } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNatsServer } from '../../../../runtime/nats/mod.ts';

const fixtures = join(import.meta.dirname!, '..', '..', '..', 'fixtures', 'tls');
const cert = readFileSync(join(fixtures, 'cert.pem'), 'utf8');
const key = readFileSync(join(fixtures, 'key.pem'), 'utf8');
const seen: Record<string, unknown> = {};

for (const mode of ['plain', 'upgrade', 'first', 'auto'] as const) {
  const handshakeFirst = mode === 'first' ? true : mode === 'auto' ? 'auto' : false;
  const tls = mode === 'plain' ? {} : { tls: { cert, key, handshakeFirst } } as const;
  const server = await startNatsServer({ port: 0, token: 'secret', ...tls });
  const options = {
    servers: `127.0.0.1:${server.port}`,
    token: 'secret',
    reconnect: false,
    ...(mode !== 'plain' && { tls: { ca: cert, handshakeFirst: mode === 'first' } }),
  };
  const [a, b] = [await connect(options), await connect(options)];
  b.subscribe('svc', { callback: (_error, message) => void message.respond(message.data) });
  await b.flush();
  const reply = await a.request('svc', new Uint8Array(900_000).fill(7), { timeout: 5000 });
  const nobody = await a.request('nobody', '').then(() => 'answered', (error: Error) => error.message);
  await server.close();
  await Promise.all([a.closed(), b.closed()]);
  seen[mode] = [
    reply.data.length,
    reply.data.every((byte) => byte === 7),
    nobody,
    server.stats().connections,
  ];
}
console.log(JSON.stringify(seen));
