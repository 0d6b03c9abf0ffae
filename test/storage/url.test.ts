import { Buffer } from 'node:buffer';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realWorld, type World } from '../../runtime/world.ts';
import { urlSource } from '../../mod/storage/mod.ts';
import { fileNameOf } from '../../mod/storage/file_name.ts';
import { never, request } from './support.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let base: string;
let handler: Handler;
let asked: string[];
let waits: number[];
/** Time passes at once; how long it would have been is noted. */
let world: World;

beforeEach(async () => {
  asked = [];
  waits = [];
  world = { ...realWorld, sleep: (ms) => (waits.push(ms), Promise.resolve()) };
  server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    handler(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

const spec = (url: unknown) => ({ Type: 'urlDownload', Params: { URL: url } });
const sends =
  (body: string | Buffer, headers: Record<string, string> = {}): Handler => (_request, response) => {
    response.writeHead(200, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body);
  };

async function download(url: string, options = {}): Promise<Record<string, string>> {
  const { hostPath } = await urlSource({ world, ...options }).prepare(await request(spec(url)));
  const names = await readdir(hostPath);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(hostPath, name), 'latin1')])),
  );
}

describe('a URL input', () => {
  test('lands in the folder under its name, byte for byte', async () => {
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i & 255));
    handler = sends(body);
    expect(await download(`${base}/some/dir/data%20set.bin?x=1`)).toEqual({
      'data set.bin': body.toString('latin1'),
    });
    const source = urlSource({ world });
    expect(await source.size(spec(`${base}/f`), never)).toBe(300_000);
    expect((await source.prepare(await request(spec(`${base}/f`)))).readOnly).toBe(true);
  });

  test('blanks and quotes around the address are ignored', async () => {
    handler = sends('x');
    expect(await download(` "${base}/f" `)).toEqual({ f: 'x' });
  });

  test('after a redirect the last address names the file, or the server does', async () => {
    handler = (req, res) => {
      if (req.url === '/a') return void res.writeHead(302, { location: '/b/final.txt' }).end();
      if (req.url === '/c') return void res.writeHead(307, { location: '/named' }).end();
      const named = req.url === '/named' || req.url === '/direct';
      sends('x', named ? { 'content-disposition': 'attachment; filename="../../report.csv"' } : {})(req, res);
    };
    expect(await download(`${base}/a`)).toEqual({ 'final.txt': 'x' });
    expect(await download(`${base}/c`)).toEqual({ 'report.csv': 'x' });
    expect(await download(`${base}/direct`)).toEqual({ direct: 'x' });
    expect(Object.keys(await download(`${base}/`))).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  });

  test('404 is final and names address and status', async () => {
    handler = (_req, res) => void res.writeHead(404).end('gone');
    const source = urlSource({ world });
    const wanted = await request(spec(`${base}/none`));
    await expect(source.prepare(wanted)).rejects.toMatchObject({
      code: 'NotFound',
      message: `Cannot download "${base}/none": the server answered 404 Not Found`,
      hint: expect.stringMatching(/address/),
      retryable: false,
      details: { class: 'user', status: '404' },
    });
    expect(asked).toEqual(['GET /none']);
    expect(await readdir(wanted.directory)).toEqual([]);
    await expect(source.size(spec(`${base}/none`), never)).rejects.toMatchObject({
      details: { class: 'user' },
    });
  });

  test.each([408, 429, 500, 503])('%i is tried again, with growing waits, then told', async (status) => {
    let refusals = 2;
    handler = (req, res) =>
      refusals-- > 0 ? void res.writeHead(status).end('busy') : sends('at last')(req, res);
    expect(await download(`${base}/f`)).toEqual({ f: 'at last' });
    expect(waits).toEqual([100, 200]);
    refusals = Infinity;
    await expect(download(`${base}/f`, { maxRetryCount: 5 })).rejects.toMatchObject({
      message: expect.stringContaining(`the server answered ${status}`),
      retryable: true,
      details: { class: 'infrastructure' },
    });
    expect(waits).toEqual([100, 200, 100, 200, 400, 800, 1000]);
  });

  test('an answer that is cut short is fetched again, and never taken for the file', async () => {
    let cuts = 1;
    handler = (req, res) => {
      if (cuts-- <= 0) return sends('0123456789')(req, res);
      res.writeHead(200, { 'content-length': '10' });
      res.write('01234', () => res.destroy());
    };
    expect(await download(`${base}/f`)).toEqual({ f: '0123456789' });
    expect(asked).toHaveLength(2);
    cuts = Infinity;
    const wanted = await request(spec(`${base}/f`));
    await expect(urlSource({ world }).prepare(wanted)).rejects.toMatchObject({
      details: { class: 'infrastructure' },
    });
    expect(await readdir(wanted.directory)).toEqual([]);
  });

  test('nobody listening: one sentence with the address, no password in it', async () => {
    const { port } = server.address() as AddressInfo;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const error = await download(`http://user:geheim@127.0.0.1:${port}/f`).catch((e) => e);
    expect(error.message).toMatch(`Cannot download "http://user:***@127.0.0.1:${port}/f": `);
    expect(`${error.message}${JSON.stringify(error.details)}`).not.toContain('geheim');
    expect(waits).toHaveLength(3);
    server = createServer().listen(0);
  });

  test('credentials in the address are sent as such', async () => {
    let seen: string | undefined;
    handler = (req, res) => {
      seen = req.headers.authorization;
      sends('x')(req, res);
    };
    await download(base.replace('//', '//us%40er:p%3Aw@') + '/f');
    expect(Buffer.from(seen!.replace('Basic ', ''), 'base64').toString()).toBe('us@er:p:w');
  });

  test('the size without HEAD, without length', async () => {
    const source = urlSource({ world });
    handler = (req, res) => req.method === 'HEAD' ? void res.writeHead(405).end() : sends('12345')(req, res);
    expect(await source.size(spec(`${base}/f`), never)).toBe(5);
    handler = (_req, res) => void res.writeHead(200).end('chunked');
    expect(await source.size(spec(`${base}/f`), never)).toBe(0);
  });

  test('a try that takes too long ends; one that is stopped ends at once', async () => {
    handler = (_req, res) => void res.writeHead(200, { 'content-length': '10' }).write('01234');
    await expect(download(`${base}/f`, { readTimeoutMs: 50, maxRetryCount: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/no end after 50 ms/),
      details: { class: 'infrastructure' },
    });
    expect(waits).toEqual([100]);
    const stop = new AbortController();
    handler = (_req, res) => {
      res.writeHead(200, { 'content-length': '10' }).write('01234');
      stop.abort(new Error('stopped by the test'));
    };
    const wanted = await request(spec(`${base}/f`), stop.signal);
    await expect(urlSource({ world }).prepare(wanted)).rejects.toThrow('stopped by the test');
    expect(await readdir(wanted.directory)).toEqual([]);
  });

  test('a body over the limit is refused, told or not', async () => {
    const options = { maxBytes: 1000 };
    handler = sends('x'.repeat(1001));
    await expect(download(`${base}/f`, options)).rejects.toThrow(/larger than 1000 bytes/);
    handler = (_req, res) => void res.writeHead(200).end('x'.repeat(100_000));
    await expect(download(`${base}/f`, options)).rejects.toThrow(/larger than 1000 bytes/);
    expect(asked).toHaveLength(2);
  });

  test.each([
    ['', /no URL/],
    ['nonsense', /not a URL/],
    ['ftp://h/x', /neither http: nor https:/],
    ['https://h', /no path/],
    ['https://h?x=/', /no path/],
  ])('"%s" is refused at bid time', async (url, reason) => {
    expect(await urlSource().check(spec(url))).toMatchObject({ reason: expect.stringMatching(reason) });
  });
});

test.each([
  ['http://h/a/b.txt', null, 'b.txt'],
  ['http://h/a/', null, 'a'],
  ['http://h/', null, null],
  ['http://h/%2e%2e', null, null],
  ['http://h/..%2f..%2fetc%2fpasswd', null, 'passwd'],
  ['http://h/%ff', null, '%ff'],
  ['http://h/x', 'attachment; filename=plain.txt', 'plain.txt'],
  ['http://h/x', `attachment; filename="a"; filename*=UTF-8''%e2%82%ac%20r.txt`, '€ r.txt'],
  ['http://h/x', 'attachment; filename=".."', 'x'],
  ['http://h/x', 'inline', 'x'],
  ['http://h/c%3a%5cboot.ini', null, 'boot.ini'],
])('the name of %s with %s', (url, disposition, name) => {
  expect(fileNameOf(url, { redirected: true, disposition })).toBe(name);
});
