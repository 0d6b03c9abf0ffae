/** A connection in large chunks: all bytes in order, none ahead of the reader, fewer wakes than pieces. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readChunks } from '../../../runtime/docker/read_chunks.ts';

let server: Server;
let client: Socket;
let engine: Socket;
beforeEach(async () => {
  const accepted = Promise.withResolvers<Socket>();
  server = createServer((socket) => accepted.resolve(socket.on('error', () => undefined)));
  const port = await new Promise<number>((done) =>
    server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port))
  );
  client = connect({ host: '127.0.0.1', port });
  client.on('error', () => undefined);
  engine = await accepted.promise;
});
afterEach(() => {
  client.destroy();
  engine.destroy();
  server.close();
});

/** Resolves when the connection has taken it. */
const write = (bytes: Uint8Array) => new Promise((done) => engine.write(bytes, done));

it('gives all bytes in order, many small pieces in fewer chunks', async () => {
  const pieces = 3000;
  const sending = (async () => {
    for (let i = 0; i < pieces; i++) {
      await write(new Uint8Array(4096).fill(i % 251));
      if (i % 8 === 0) await new Promise((next) => setImmediate(next));
    }
    engine.end();
  })();
  let at = 0;
  let count = 0;
  for await (const chunk of readChunks(client)) {
    count++;
    for (let i = 0; i < chunk.length; i += 512) {
      if (chunk[i] !== Math.floor((at + i) / 4096) % 251) throw new Error(`wrong byte at ${at + i}`);
    }
    at += chunk.length;
  }
  await sending;
  expect(at).toBe(pieces * 4096);
  expect(count).toBeLessThan(pieces / 2);
});

it('reads no further than it is asked, and closes when its reader leaves', async () => {
  const closed = new Promise((done) => engine.once('close', done));
  const reader = readChunks(client);
  await write(new Uint8Array(1000));
  expect((await reader.next()).value).toHaveLength(1000);
  let taken = 0;
  engine.on('error', () => undefined);
  for (let i = 0; i < 400 && taken === i; i++) {
    const sent = write(new Uint8Array(65_536)).then(() => taken++);
    await Promise.race([sent, new Promise((next) => setTimeout(next, 200))]);
  }
  expect(taken).toBeLessThan(400);
  await reader.return();
  await closed;
});

it('throws when the connection breaks, also before it was asked', async () => {
  await write(new Uint8Array(10));
  const reader = readChunks(client);
  await reader.next();
  engine.resetAndDestroy();
  await expect(reader.next()).rejects.toThrow();
  await expect(readChunks(client).next()).rejects.toThrow('closed');
});
