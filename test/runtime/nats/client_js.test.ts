/** The public JavaScript client against our server. */
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../../../runtime/nats/mod.ts';
import { until } from '../../support/until.ts';

const fixtures = join(import.meta.dirname!, '..', '..', 'fixtures', 'tls');
const cert = readFileSync(join(fixtures, 'cert.pem'), 'utf8');
const key = readFileSync(join(fixtures, 'key.pem'), 'utf8');

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await startNatsServer({ port: 0, ...options });
  open.push(() => server.close());
  return server;
}

async function client(
  server: NatsServer,
  options: Parameters<typeof connect>[0] = {},
): Promise<NatsConnection> {
  const connection = await connect({ servers: `127.0.0.1:${server.port}`, reconnect: false, ...options });
  open.push(() => connection.close());
  return connection;
}

function collect(connection: NatsConnection, subject: string, queue?: string): Msg[] {
  const seen: Msg[] = [];
  connection.subscribe(subject, {
    ...(queue && { queue }),
    callback: (_error, message) => void seen.push(message),
  });
  return seen;
}

describe('the JavaScript client', () => {
  test('publishes, subscribes with wildcards, gets headers and bytes as they were', async () => {
    const server = await start({ serverName: 'n-orchestrator' });
    const [a, b] = [await client(server), await client(server)];
    expect(a.info).toMatchObject({
      server_name: 'n-orchestrator',
      headers: true,
      max_payload: 1048576,
      proto: 1,
    });
    const seen = collect(b, 'x.*.z');
    const all = collect(b, 'x.>');
    await b.flush();
    const h = headers();
    h.append('Bacalhau-Type', 'BidAccepted');
    const bytes = new Uint8Array([0, 13, 10, 255]);
    a.publish('x.y.z', bytes, { headers: h, reply: 'r' });
    a.publish('x.y', 'other');
    await a.flush();
    await b.flush();
    expect(seen).toHaveLength(1);
    expect(all.map((m) => m.subject)).toEqual(['x.y.z', 'x.y']);
    expect([...seen[0]!.data]).toEqual([...bytes]);
    expect(seen[0]!.reply).toBe('r');
    expect(seen[0]!.headers!.get('Bacalhau-Type')).toBe('BidAccepted');
  });

  test('carries large messages in order, mixed with small ones', async () => {
    const server = await start();
    const [a, b] = [await client(server), await client(server)];
    const seen = collect(b, 's');
    await b.flush();
    const sizes = Array.from({ length: 200 }, (_, i) => i % 7 === 0 ? 20_000 + i * 1000 : i);
    for (const size of sizes) a.publish('s', new Uint8Array(size).fill(size & 255));
    await a.flush();
    await until(() => seen.length === sizes.length);
    expect(seen.map((m) => m.data.length)).toEqual(sizes);
    expect(seen.every((m) => m.data.every((byte) => byte === (m.data.length & 255)))).toBe(true);
  });

  test('requests are answered, or refused at once when nobody listens', async () => {
    const server = await start();
    const [a, b] = [await client(server), await client(server)];
    b.subscribe('svc', { callback: (_error, message) => void message.respond(message.data) });
    await b.flush();
    expect((await a.request('svc', 'hello', { timeout: 5000 })).string()).toBe('hello');
    // Not after a time-out: that of this request is longer than the test may take.
    await expect(a.request('nobody', '', { timeout: 600_000 })).rejects.toThrow(/no responders/i);
  });

  test('a queue group shares its messages; others get all', async () => {
    const server = await start();
    const a = await client(server);
    const workers = await Promise.all([client(server), client(server), client(server)]);
    const shares = workers.map((worker) => collect(worker, 'work', 'q'));
    const all = collect(a, 'work');
    await Promise.all([a, ...workers].map((c) => c.flush()));
    for (let i = 0; i < 600; i++) a.publish('work', String(i));
    await Promise.all([a, ...workers].map((c) => c.flush()));
    expect(all).toHaveLength(600);
    const got = shares.flat().map((m) => Number(m.string())).sort((x, y) => x - y);
    expect(got).toEqual(Array.from({ length: 600 }, (_, i) => i));
    for (const share of shares) expect(share.length).toBeGreaterThan(100);
  });

  test("echo off keeps one's own messages away", async () => {
    const server = await start();
    const [a, b] = [await client(server, { noEcho: true }), await client(server)];
    const own = collect(a, 's');
    const other = collect(b, 's');
    await Promise.all([a.flush(), b.flush()]);
    a.publish('s');
    await Promise.all([a.flush(), b.flush()]);
    expect(own).toHaveLength(0);
    expect(other).toHaveLength(1);
  });

  test('token and users: only those who know it', async () => {
    const server = await start({ token: 'secret', users: [{ user: 'u', password: 'p' }] });
    await client(server, { token: 'secret' });
    await client(server, { user: 'u', pass: 'p' });
    for (
      const options of [{}, { token: 'wrong' }, { user: 'u', pass: 'x' }, { user: 'x', pass: 'p' }, {
        user: 'u',
      }]
    ) {
      await expect(client(server, options)).rejects.toThrow(/Authorization Violation/);
    }
    await until(() => server.stats().connections === 2);
  });

  test.each(
    [
      ['after INFO', {}, {}],
      ['handshake first', { handshakeFirst: true }, { handshakeFirst: true }],
      ['auto, client speaks first', { handshakeFirst: 'auto' }, { handshakeFirst: true }],
      ['auto, client waits', { handshakeFirst: 'auto' }, {}],
      ['optional, client wants it', { allowPlain: true }, {}],
    ] as const,
  )('TLS %s', async (_name, serverTls, clientTls) => {
    const server = await start({ tls: { cert, key, ...serverTls }, token: 'secret' });
    const secure = { token: 'secret', tls: { ca: cert, ...clientTls } };
    const [a, b] = [await client(server, secure), await client(server, secure)];
    const seen = collect(b, 's');
    await b.flush();
    for (let i = 0; i < 50; i++) a.publish('s', new Uint8Array(i * 3000));
    await a.flush();
    await until(() => seen.length === 50);
    expect(seen.map((m) => m.data.length)).toEqual(Array.from({ length: 50 }, (_, i) => i * 3000));
    await expect(
      connect({
        servers: `127.0.0.1:${server.port}`,
        reconnect: false,
        token: 'secret',
        tls: { ...clientTls },
      }),
    )
      .rejects.toThrow();
  });

  test('TLS optional: plain clients are welcome; announced only: INFO says so', async () => {
    const both = await start({ tls: { cert, key, allowPlain: true } });
    const announced = await start({ tls: {}, advertise: 'nats.example.org:14222' });
    for (const server of [both, announced]) {
      const plain = await client(server, { tls: null });
      expect(plain.info).toMatchObject({ tls_available: true });
      await plain.flush();
    }
    expect((await client(announced, { tls: null })).info).toMatchObject({
      host: 'nats.example.org',
      port: 14222,
    });
  });

  test('a client with messages on their way gets them before the server closes', async () => {
    const server = await start();
    const [a, b] = [await client(server), await client(server)];
    const seen = collect(b, 's');
    await b.flush();
    for (let i = 0; i < 500; i++) a.publish('s', new Uint8Array(10_000));
    await a.flush();
    await server.close();
    await Promise.all([a.closed(), b.closed()]);
    expect(seen).toHaveLength(500);
    await expect(connect({ servers: `127.0.0.1:${server.port}`, reconnect: false })).rejects.toThrow();
  });

  test('lame duck: clients are told, then may leave by themselves', async () => {
    const server = await start();
    const a = await client(server);
    const told = (async () => {
      for await (const status of a.status()) if (status.type === 'ldm') return a.close();
    })();
    // The wait is longer than the test may take: it ends because all have left.
    await server.close({ lameDuckMs: 600_000 });
    await told;
  });
});
