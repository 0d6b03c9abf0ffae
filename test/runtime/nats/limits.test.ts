import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../../../runtime/nats/mod.ts';
import { rawClient } from './support/raw.ts';
import { until } from '../../support/until.ts';

const fixtures = join(import.meta.dirname!, '..', '..', 'fixtures', 'tls');
const cert = readFileSync(join(fixtures, 'cert.pem'), 'utf8');
const key = readFileSync(join(fixtures, 'key.pem'), 'utf8');

const servers: NatsServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function start(options: NatsServerOptions): Promise<{ server: NatsServer; faults: string[] }> {
  const faults: string[] = [];
  const server = await startNatsServer({
    port: 0,
    onFault: (fault) => void faults.push(fault.reason),
    ...options,
  });
  servers.push(server);
  return { server, faults };
}

describe('limits of a connection', () => {
  test('a client that does not read is cut off, others go on', async () => {
    const { server, faults } = await start({ maxPending: 4 * 1024 * 1024 });
    const slow = rawClient(server.port);
    slow.send('CONNECT {"name":"snail","verbose":false}\r\nSUB s 1\r\nPING\r\n');
    await slow.until(() => slow.text().includes('PONG'));
    slow.socket.pause();
    const good = rawClient(server.port);
    good.send('CONNECT {"verbose":false}\r\nSUB t 1\r\n');
    const block = `PUB s 500000\r\n${'x'.repeat(500_000)}\r\n`;
    for (let i = 0; i < 60; i++) good.send(block);
    good.send('PUB t 2\r\nok\r\n');
    await good.until(() => good.text().endsWith('MSG t 1 2\r\nok\r\n'));
    expect(server.stats()).toMatchObject({ slowConsumers: 1, connections: 1, subscriptions: 1 });
    expect(faults).toEqual([expect.stringContaining('slow consumer')]);
    slow.socket.destroy();
    good.socket.destroy();
  });

  test('a client whose writes stand still is cut off after the write time', async () => {
    const { server } = await start({ writeTimeoutMs: 200 });
    const slow = rawClient(server.port);
    slow.send('CONNECT {"verbose":false}\r\nSUB s 1\r\nPING\r\n');
    await slow.until(() => slow.text().includes('PONG'));
    slow.socket.pause();
    const local = server.connect();
    for (let i = 0; i < 40; i++) local.publish('s', new Uint8Array(1_000_000));
    await until(() => server.stats().slowConsumers === 1);
    slow.socket.destroy();
  });

  test('silence is asked twice, then the connection is stale; who answers stays', async () => {
    const { server, faults } = await start({ pingIntervalMs: 60, pingMax: 2 });
    const mute = rawClient(server.port);
    const alive = rawClient(server.port);
    let answered = 0;
    alive.socket.on('data', (chunk) => {
      if (String(chunk).includes('PING')) {
        answered++;
        alive.send('PONG\r\n');
      }
    });
    alive.send('CONNECT {"verbose":false}\r\n');
    mute.send('CONNECT {"verbose":false}\r\n');
    await until(() => mute.closed());
    expect(mute.text().match(/PING\r\n/g)).toHaveLength(2);
    expect(mute.text()).toMatch(/-ERR 'Stale Connection'\r\n$/);
    await until(() => answered >= 4);
    expect(alive.closed()).toBe(false);
    expect(faults).toEqual(['Stale Connection']);
    alive.socket.destroy();
  });

  test('no CONNECT in time, or anything else before it', async () => {
    const { server } = await start({ token: 'secret', authTimeoutMs: 80 });
    const mute = rawClient(server.port);
    await until(() => mute.closed());
    expect(mute.text()).toMatch(/"auth_required":true.*-ERR 'Authentication Timeout'\r\n$/s);
    const { server: patient } = await start({ token: 'secret' });
    const early = rawClient(patient.port);
    early.send('SUB > 1\r\n');
    await until(() => early.closed());
    expect(early.text()).toMatch(/-ERR 'Authorization Violation'\r\n$/);
    expect(patient.stats().subscriptions).toBe(0);
  });

  test('TLS required: a plain client is told, one that never shakes hands is cut off', async () => {
    const { server: patient } = await start({ tls: { cert, key } });
    const plain = rawClient(patient.port);
    plain.send('CONNECT {}\r\n');
    await until(() => plain.closed());
    expect(plain.text()).toMatch(/"tls_required":true.*-ERR 'Secure Connection - TLS Required'\r\n$/s);
    const { server } = await start({ tls: { cert, key }, authTimeoutMs: 100 });
    const broken = rawClient(server.port);
    broken.send('\x16\x03\x01 this is no handshake at all'.padEnd(200, '.'));
    const mute = rawClient(server.port);
    await until(() => mute.closed() && broken.closed());
    expect(server.stats().connections).toBe(0);
  });

  test('a version that clients cannot read is refused at the start', async () => {
    await expect(startNatsServer({ port: 0, version: 'dev' })).rejects.toThrow(
      '"dev" is not a semantic version',
    );
  });

  test('clients that do not read have one budget together', async () => {
    const { server, faults } = await start({ maxPendingTotal: 8 * 1024 * 1024 });
    const slow = Array.from({ length: 6 }, () => rawClient(server.port));
    for (const client of slow) {
      client.send('CONNECT {"verbose":false}\r\nSUB s 1\r\nPING\r\n');
      await client.until(() => client.text().includes('PONG'));
      client.socket.pause();
    }
    const good = rawClient(server.port);
    good.send('CONNECT {"verbose":false}\r\nSUB t 1\r\n');
    const block = `PUB s 500000\r\n${'x'.repeat(500_000)}\r\n`;
    for (let i = 0; i < 60; i++) good.send(block);
    good.send('PUB t 2\r\nok\r\n');
    await good.until(() => good.text().endsWith('MSG t 1 2\r\nok\r\n'));
    await until(() => faults.length === 6);
    expect(faults.every((text) => text.includes('for all clients'))).toBe(true);
    good.socket.destroy();
    for (const client of slow) client.socket.destroy();
  });

  test('who wants more subscriptions than allowed is cut off, by itself or with all others', async () => {
    const { server } = await start({ maxSubscriptions: 3, maxSubscriptionsTotal: 5 });
    const greedy = rawClient(server.port);
    greedy.send('CONNECT {"verbose":false}\r\nSUB a 1\r\nSUB b 2\r\nSUB c 3\r\nSUB d 4\r\n');
    await until(() => greedy.closed());
    expect(greedy.text()).toMatch(/-ERR 'maximum subscriptions exceeded'\r\n$/);
    const first = rawClient(server.port);
    first.send('CONNECT {"verbose":false}\r\nSUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPING\r\n');
    await first.until(() => first.text().includes('PONG'));
    const second = rawClient(server.port);
    second.send('CONNECT {"verbose":false}\r\nSUB a 1\r\nSUB b 2\r\nSUB c 3\r\n');
    await until(() => second.closed());
    expect(server.stats().subscriptions).toBe(3);
    first.socket.destroy();
  });

  test('one connection too many is refused', async () => {
    const { server } = await start({ maxConnections: 1 });
    const first = rawClient(server.port);
    first.send('PING\r\n');
    await first.until(() => first.text().includes('PONG'));
    const second = rawClient(server.port);
    await until(() => second.closed());
    expect(second.text()).toMatch(/-ERR 'maximum connections exceeded'\r\n$/);
    first.send('PING\r\n');
    await first.until(() => first.text().endsWith('PONG\r\nPONG\r\n'));
    first.socket.destroy();
  });

  test('a client that breaks off in the middle leaves nothing behind', async () => {
    const { server } = await start({});
    for (const part of ['CONNECT {"verb', 'SUB a.* 1\r\nPUB a 100\r\nhalf', 'SUB a 1\r\nSUB b.> 2\r\n', '']) {
      const client = rawClient(server.port);
      client.send(part);
      await client.until(() => client.text().includes('INFO'));
      client.socket.resetAndDestroy();
    }
    await until(() => server.stats().totalConnections === 4 && server.stats().connections === 0);
    expect(server.stats().subscriptions).toBe(0);
  });
});
