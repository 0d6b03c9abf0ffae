/** The same two ends over a real nats-server: token, no-responders, limits, a restart of the server. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BacalhauError } from '../../mod/model/mod.ts';
import { startComputeLink, startOrchestratorLink } from '../../mod/transport/mod.ts';
import type { Bus, ComputeLink } from '../../mod/transport/mod.ts';
import { natsConnect } from '../../mod/transport/bus/nats_bus.ts';
import { bid, cancel, ComputeRig, numbered, OrchestratorRig } from './rig.ts';
import { until } from '../support/until.ts';

const SERVER = '/usr/sbin/nats-server';
const present = existsSync(SERVER) || process.env.CI === 'true';
if (!present) console.warn(`skipped: ${SERVER} is not installed (apt-get install nats-server)`);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.skipIf(!present)('over nats-server', () => {
  let port = 0;
  let server: ChildProcess | undefined;
  const open: { close(): Promise<void> }[] = [];

  async function start(): Promise<void> {
    const child = spawn(SERVER, ['-a', '127.0.0.1', '-p', String(port), '--auth', 'secret'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server = child;
    await new Promise<void>((resolve, reject) => {
      let log = '';
      child.stderr!.on('data', (chunk) => (log += chunk).includes('Server is ready') && resolve());
      child.once('exit', () => reject(new Error(`nats-server ended: ${log}`)));
    });
  }
  async function stop(): Promise<void> {
    const child = server!;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  const url = (token = 'secret'): string => `nats://${token}@127.0.0.1:${port}`;
  async function bus(): Promise<Bus> {
    const connection = await natsConnect({ servers: [url()] })({ name: 'test' });
    open.push(connection);
    return connection;
  }
  async function orchestrate(): Promise<OrchestratorRig> {
    const rig = new OrchestratorRig(await bus());
    const link = startOrchestratorLink(rig.options);
    open.push(link);
    return rig;
  }
  function compute(nodeId: string): { rig: ComputeRig; link: ComputeLink } {
    const rig = new ComputeRig(nodeId, natsConnect({ servers: [`127.0.0.1:${port}`], token: 'secret' }));
    const link = startComputeLink(rig.options);
    open.push(link);
    return { rig, link };
  }

  beforeAll(async () => {
    port = await freePort();
    await start();
  });
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });
  afterAll(() => stop());

  it('names what goes wrong', async () => {
    const connect = (server: string) => natsConnect({ servers: [server] })({ name: 'x' });
    await expect(connect(url('wrong'))).rejects.toMatchObject({ code: 'Unauthorized' });
    await expect(connect(`127.0.0.1:${await freePort()}`)).rejects.toMatchObject({
      code: 'ServiceUnavailable',
      retryable: true,
    });
    const connection = await bus();
    await expect(connection.request('nobody', new Uint8Array(), { timeoutMs: 1000 }))
      .rejects.toMatchObject({ code: 'NoResponders' });
    connection.subscribe('silence', () => undefined);
    await expect(connection.request('silence', new Uint8Array(), { timeoutMs: 20 }))
      .rejects.toMatchObject({ code: 'TimeOut' });
    expect(connection.maxPayload).toBe(1_048_576);
    expect(() => connection.publish('x', new Uint8Array(connection.maxPayload + 1)))
      .toThrow(expect.objectContaining({ code: 'PayloadTooLarge' }));
    const statuses: (number | undefined)[] = [];
    const inbox = connection.newInbox();
    connection.subscribe(`${inbox}.*`, ({ status }) => void statuses.push(status));
    connection.publish('nobody', new Uint8Array([1]), { reply: `${inbox}.1`, headers: { A: 'b' } });
    await until(() => statuses.length === 1, 'notice');
    expect(statuses).toEqual([503]);
    await connection.close();
    expect(() => connection.publish('x', new Uint8Array())).toThrow(BacalhauError);
    await expect(connection.flush()).rejects.toMatchObject({ code: 'ConnectionClosed' });
    await expect(connection.request('x', new Uint8Array(), { timeoutMs: 100 }))
      .rejects.toMatchObject({ code: 'ConnectionClosed' });
  });

  it('tries several servers in turn', async () => {
    const connection = await natsConnect({ servers: [`127.0.0.1:${await freePort()}`, url()] })({
      name: 'x',
    });
    await connection.flush();
    await connection.close();
  });

  it('carries headers and ordered messages both ways', async () => {
    const orch = await orchestrate();
    const { rig } = compute('n-1');
    await until(() => rig.connections === 1, 'connected');
    const ids = numbered(2000);
    orch.outbox('n-1').add(...ids.map(cancel));
    rig.outbox.add(...ids.map(bid));
    await until(
      () => rig.outbox.rows.length === 0 && orch.outbox('n-1').rows.length === 0,
      'all acknowledged',
    );
    // On a busy machine an acknowledgement may come late, and what it was for a second time.
    expect([...new Set(rig.ids)]).toEqual(ids);
    expect([...new Set(orch.ids)]).toEqual(ids);
  });

  it('both ends are together again after a restart of the server, and nothing is lost', async () => {
    const before = await orchestrate();
    const { rig } = compute('n-1');
    await until(() => rig.connections === 1, 'connected');
    rig.outbox.add(bid('e-1'));
    await until(() => rig.outbox.rows.length === 0, 'sent');
    await stop();
    await until(() => before.drops.length === 1, 'session dropped');
    expect(before.drops[0]).toContain('connection');
    rig.outbox.add(bid('e-2'));
    await start();
    const after = await orchestrate();
    await until(() => rig.outbox.rows.length === 0, 'sent after the restart');
    expect(after.ids).toEqual(['e-2']);
  });
});
