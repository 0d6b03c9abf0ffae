/** The real bus over servers that fall silent: nothing may wait for ever on a connection that is gone. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { natsConnect } from '../../mod/transport/bus/nats_bus.ts';

const INFO = 'INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}\r\n';
let server: Server;
const sockets: Socket[] = [];

/** Answers the first `pongs` PINGs, then nothing. */
async function silentServer(pongs: number, greets = true): Promise<string> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (greets) socket.write(INFO);
    socket.on('data', (data) => {
      if (String(data).includes('PING') && pongs-- > 0) socket.write('PONG\r\n');
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

it('a flush ends with the connection', async () => {
  const bus = await natsConnect({ servers: [await silentServer(1)] })({ name: 'n-1' });
  const flushing = bus.flush();
  sockets[0]!.destroy();
  await expect(flushing).rejects.toMatchObject({ code: 'ConnectionClosed' });
  await bus.closed;
});

it('closing does not wait for a peer that does not read', async () => {
  const bus = await natsConnect({ servers: [await silentServer(1)] })({ name: 'n-1' });
  sockets[0]!.pause();
  for (let i = 0; i < 50; i++) bus.publish('x', new Uint8Array(1_000_000));
  await bus.close();
  await bus.closed;
});

it('connecting gives up on a server that does not greet', async () => {
  const connect = natsConnect({ servers: [await silentServer(0, false)], connectTimeoutMs: 100 });
  await expect(connect({ name: 'n-1' })).rejects.toMatchObject({ code: 'ServiceUnavailable' });
});
