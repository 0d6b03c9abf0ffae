/** Results as hostile nodes serve them, into a folder that has things of its own. */
import { Buffer } from 'node:buffer';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rawFileName, resultUrl } from '../../../cmd/job/download.ts';
import { fetchRaw, fetchResults } from '../../../cmd/job/fetch_results.ts';

type Entry = Parameters<tar.Pack['entry']>[0] & { content?: string };

let folder: string;
let web: Server;
const served = new Map<string, Buffer>();
const skipped: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'job-get-'));
  served.clear();
  skipped.length = 0;
  web = createServer((request, response) => {
    const body = served.get(request.url!);
    if (body) response.end(body);
    else response.writeHead(404).end('gone');
  });
  await new Promise<void>((listening) => web.listen(0, '127.0.0.1', listening));
});
afterEach(async () => {
  web.closeAllConnections();
  web.close();
  await rm(folder, { recursive: true, force: true });
});

async function serve(name: string, ...entries: Entry[]): Promise<string> {
  const pack = tar.pack();
  for (const { content = '', ...header } of entries) pack.entry(header, content);
  pack.finalize();
  return serveBytes(name, gzipSync(Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Buffer>))));
}

function serveBytes(name: string, bytes: Buffer): string {
  served.set(`/${name}`, bytes);
  return `http://127.0.0.1:${(web.address() as AddressInfo).port}/${name}`;
}

const options = (maxBytes = 0) => ({
  folder,
  maxBytes,
  signal: new AbortController().signal,
  skipped: (name: string, why: string) => void skipped.push(`${name}: ${why}`),
});

const names = async () => (await readdir(folder, { recursive: true })).sort();

test('what was in the folder stays, a folder raw among it; a result named raw is a result', async () => {
  await mkdir(join(folder, 'raw'));
  await writeFile(join(folder, 'raw', 'mine'), 'precious');
  await fetchResults([await serve('a.tar.gz', { name: 'raw/yours', content: 'result' })], options());
  expect(await readFile(join(folder, 'raw', 'mine'), 'utf8')).toBe('precious');
  expect(await readFile(join(folder, 'raw', 'yours'), 'utf8')).toBe('result');
  expect(await readdir(folder)).toEqual(['raw']);
});

test('bad entries are left out and named; the others arrive', async () => {
  const url = await serve(
    'a.tar.gz',
    { name: '../evil', content: 'x' },
    { name: '/absolute', content: 'x' },
    { name: 'link', type: 'symlink', linkname: '/etc/passwd' },
    { name: 'hard', type: 'link', linkname: '/etc/passwd' },
    { name: 'dev', type: 'character-device' },
    { name: 'pipe', type: 'fifo' },
    { name: 'holes', content: 'x', pax: { 'GNU.sparse.major': '1' } } as Entry,
    { name: 'good', content: 'first' },
    { name: 'good', content: 'second' },
    { name: 'good/below', content: 'x' },
    { name: `${'n'.repeat(300)}`, content: 'x' },
    { name: 'back\\slash', content: 'fine here' },
    { name: 'last', content: 'x' },
  );
  await fetchResults([url], options());
  expect(await names()).toEqual(['back\\slash', 'good', 'last']);
  expect(await readFile(join(folder, 'good'), 'utf8')).toBe('first');
  expect(skipped.map((line) => line.split(':')[0]!.slice(0, 10))).toEqual(
    ['../evil', '/absolute', 'link', 'hard', 'dev', 'pipe', 'holes', 'good', 'good/below', 'nnnnnnnnnn'],
  );
});

test('a clash leaves the folder as it was', async () => {
  await writeFile(join(folder, 'z'), 'mine');
  const url = await serve('a.tar.gz', { name: 'a', content: 'x' }, { name: 'z', content: 'x' });
  await expect(fetchResults([url], options())).rejects.toThrow(/z": it exists already/);
  const two = [
    await serve('b.tar.gz', { name: 'd/x', content: '1' }),
    await serve('c.tar.gz', { name: 'd/x', content: '2' }),
  ];
  await expect(fetchResults(two, options())).rejects.toThrow(/x": it exists already/);
  expect(await names()).toEqual(['z']);
  expect(await readFile(join(folder, 'z'), 'utf8')).toBe('mine');
});

test('stdout of several results is one, in their order', async () => {
  const urls = [
    await serve('a.tar.gz', { name: 'stdout', content: 'a' }),
    await serve('b.tar.gz', { name: 'stdout', content: 'b' }),
  ];
  await fetchResults(urls, options());
  expect(await readFile(join(folder, 'stdout'), 'utf8')).toBe('ab');
});

test('a limit is one for all results, unpacked or raw, and leaves nothing behind', async () => {
  const bomb = { name: 'zeros', content: '\0'.repeat(2_000_000) };
  const half = await serve('a.tar.gz', { ...bomb, name: 'half' });
  const urls = [half, await serve('b.tar.gz', bomb)];
  await expect(fetchResults(urls, options(3_000_000))).rejects.toThrow(/more than \d+ bytes/);
  expect(await names()).toEqual([]);
  const raw = [serveBytes('c', Buffer.alloc(2000)), serveBytes('d', Buffer.alloc(2000))];
  await expect(fetchRaw(raw, options(3000))).rejects.toThrow(/more than 1000 bytes/);
  expect(await names()).toEqual([rawFileName(raw[0]!)]);
});

test('an archive that is none, or a file that is there already, is told and removes nothing', async () => {
  const broken = serveBytes('a.tar.gz', Buffer.from('no archive'));
  await expect(fetchResults([broken], options())).rejects.toMatchObject({
    message: expect.stringContaining(broken),
    hint: expect.stringContaining('--raw'),
  });
  await writeFile(join(folder, rawFileName(broken)), 'mine');
  await expect(fetchRaw([broken], options())).rejects.toThrow();
  expect(await readFile(join(folder, rawFileName(broken)), 'utf8')).toBe('mine');
});

test.each(['file:///etc/passwd', 'data:,x', 'ftp://h/x', 'javascript:1', 'blob:http://h/x', 'http://'])(
  'the address %s of a result is not followed',
  (URL) => {
    expect(resultUrl({ Type: 'urlDownload', Params: { URL } })).toBeUndefined();
    expect(resultUrl({ Type: 's3PreSigned', Params: { PreSignedURL: URL } })).toBeUndefined();
  },
);
