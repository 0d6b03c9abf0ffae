import { connect } from '@nats-io/transport-node';
import { Buffer } from 'node:buffer';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LocalMessage, type NatsServer, startNatsServer } from '../../../runtime/nats/mod.ts';

let server: NatsServer;
beforeEach(async () => {
  server = await startNatsServer({ port: 0, token: 'secret' });
});
afterEach(() => server.close());

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe('a connection inside the process', () => {
  test('talks with network clients in both directions', async () => {
    const local = server.connect();
    const remote = await connect({ port: server.port, token: 'secret', reconnect: false });
    remote.subscribe('echo', {
      callback: (_error, m) => void m.respond(m.data, m.headers ? { headers: m.headers } : {}),
    });
    await remote.flush();
    const answer = new Promise<LocalMessage>((resolve) => local.subscribe('inbox.*', resolve));
    const headers = Buffer.from('NATS/1.0\r\nA: b\r\n\r\n');
    local.publish('echo', Buffer.from('hi'), { reply: 'inbox.1', headers });
    const message = await answer;
    expect(Buffer.from(message.data).toString()).toBe('hi');
    expect(Buffer.from(message.headers).toString()).toContain('A: b');
    local.subscribe('svc', (m) => local.publish(m.reply, m.data));
    expect((await remote.request('svc', 'x', { timeout: 5000 })).string()).toBe('x');
    await remote.close();
  });

  test('delivers in order, later than the publish, until unsubscribed', async () => {
    const local = server.connect();
    const seen: string[] = [];
    const subscription = local.subscribe('s.>', (m) => void seen.push(m.subject));
    for (const i of [1, 2, 3]) local.publish(`s.${i}`, new Uint8Array());
    expect(seen).toEqual([]);
    await tick();
    expect(seen).toEqual(['s.1', 's.2', 's.3']);
    local.publish('s.4', new Uint8Array());
    subscription.unsubscribe();
    await tick();
    expect(seen).toHaveLength(3);
  });

  test('hears that nobody listens', async () => {
    const local = server.connect();
    const answer = new Promise<LocalMessage>((resolve) => local.subscribe('inbox.*', resolve));
    local.publish('nobody', new Uint8Array(), { reply: 'inbox.1' });
    expect(Buffer.from((await answer).headers).toString()).toBe(
      'NATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n',
    );
  });

  test('refuses what would break the protocol of others', () => {
    const local = server.connect();
    for (const subject of ['a b', 'a\r\nPUB x', 'a..b', 'a.*', '', 'é']) {
      expect(() => local.publish(subject, new Uint8Array())).toThrow(/subject/);
    }
    expect(() => local.publish('a', new Uint8Array(), { reply: 'r r' })).toThrow(/subject/);
    expect(() => local.publish('a', new Uint8Array(1_048_577))).toThrow(/1048577 bytes exceed/);
    expect(() => local.subscribe('a.>.b', () => {})).toThrow(/subject/);
  });

  test('closing ends its subscriptions', async () => {
    const local = server.connect();
    const other = server.connect();
    let seen = 0;
    local.subscribe('s', () => void seen++);
    local.close();
    other.publish('s', new Uint8Array());
    await tick();
    expect(seen).toBe(0);
    expect(server.stats()).toMatchObject({ subscriptions: 0, connections: 1 });
  });
});
