import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LocalPublisher, noopPublisher, startLocalPublisher } from '../../mod/publisher/mod.ts';
import { unpackArchive } from '../../runtime/archive.ts';

let base: string;
let publisher: LocalPublisher;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'publisher-'));
  publisher = await startLocalPublisher({ directory: join(base, 'store'), host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await publisher.close();
  await rm(base, { recursive: true, force: true });
});

async function results(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(base, 'results-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

const request = (directory: string, executionId = 'e-1') => ({
  spec: { Type: 'local' },
  nodeId: 'n-1',
  jobId: 'j-1',
  executionId,
  directory,
  signal: new AbortController().signal,
});

async function publish(files: Record<string, string>, executionId = 'e-1'): Promise<string> {
  const { Type, Params } = await publisher.publish(request(await results(files), executionId));
  expect(Type).toBe('urlDownload');
  return Params!.URL as string;
}

/** The path as it is written, without the tidying that fetch does. */
function rawGet(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: publisher.port, path, method }, async (response) => {
      const body = Buffer.concat(await Array.fromAsync(response)).toString('latin1');
      resolve({ status: response.statusCode!, body });
    }).on('error', reject).end();
  });
}

describe('the local publisher', () => {
  test('what was published is fetched from the URL of the result', async () => {
    const url = await publish({
      stdout: 'out\n',
      stderr: '',
      exitCode: '0',
      'outputs/deep/data': 'x'.repeat(100_000),
    });
    expect(url).toBe(`http://127.0.0.1:${publisher.port}/e-1.tar.gz`);
    const response = await fetch(url);
    expect(response.headers.get('content-type')).toBe('application/gzip');
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(response.headers.get('content-length')).toBe(String(bytes.length));
    const to = await results({});
    await unpackArchive(Readable.from([bytes]), to, { maxBytes: 1_000_000 });
    expect((await readdir(to)).sort()).toEqual(['exitCode', 'outputs', 'stderr', 'stdout']);
    expect(await readFile(join(to, 'stdout'), 'utf8')).toBe('out\n');
    expect((await readFile(join(to, 'outputs/deep/data'))).length).toBe(100_000);
    expect(await readdir(join(base, 'store'))).toEqual(['e-1.tar.gz']);
  });

  test('published again: the same bytes at the same place', async () => {
    const digest = async (url: string) =>
      createHash('sha256').update(new Uint8Array(await (await fetch(url)).arrayBuffer())).digest('hex');
    const files = { stdout: 'out', 'a/b': 'c' };
    const first = await publish(files);
    const before = await digest(first);
    expect(await publish(files)).toBe(first);
    expect(await digest(first)).toBe(before);
  });

  test('a link that the job left in its results is not followed', async () => {
    const folder = await results({ stdout: 'out' });
    await symlink('/etc/passwd', join(folder, 'link'));
    const { Params } = await publisher.publish(request(folder));
    const to = await results({});
    const bytes = new Uint8Array(await (await fetch(Params!.URL as string)).arrayBuffer());
    await unpackArchive(Readable.from([Buffer.from(bytes)]), to, { maxBytes: 1_000_000 });
    expect(await readdir(to)).toEqual(['stdout']);
  });

  test('HEAD and ranges', async () => {
    const url = await publish({ data: Array.from({ length: 5000 }, Math.random).join() });
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), (await head.arrayBuffer()).byteLength])
      .toEqual([200, String(whole.length), 0]);
    const n = whole.length;
    for (
      const [range, start, end] of [['0-9', 0, 10], [`${n - 5}-`, n - 5, n], ['-7', n - 7, n], [
        `5-${n * 2}`,
        5,
        n,
      ], [
        `-${n * 2}`,
        0,
        n,
      ]] as const
    ) {
      const part = await fetch(url, { headers: { range: `bytes=${range}` } });
      expect(part.status, range).toBe(206);
      expect(part.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${n}`);
      expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(start, end)), range).toBe(true);
    }
    for (const range of [`${n}-`, '-0']) {
      const response = await fetch(url, { headers: { range: `bytes=${range}` } });
      expect([response.status, response.headers.get('content-range')]).toEqual([416, `bytes */${n}`]);
      await response.body?.cancel();
    }
    for (const range of ['bytes=0-1,5-6', 'bytes=9-2', 'lines=0-1', 'bytes=-']) {
      const response = await fetch(url, { headers: { range } });
      expect([response.status, (await response.arrayBuffer()).byteLength], range).toEqual([200, n]);
    }
  });

  test('nothing but archives of the folder can be read', async () => {
    await publish({ stdout: 'out' });
    const store = join(base, 'store');
    await writeFile(join(base, 'outside.tar.gz'), 'secret');
    await writeFile(join(store, 'plain.txt'), 'secret');
    await writeFile(join(store, '.hidden.tar.gz'), 'secret');
    await mkdir(join(store, 'sub.tar.gz'));
    await writeFile(join(store, 'sub.tar.gz', 'x.tar.gz'), 'secret');
    await symlink(join(base, 'outside.tar.gz'), join(store, 'link.tar.gz'));
    for (
      const path of [
        '/',
        '/e-1',
        '/none.tar.gz',
        '/../outside.tar.gz',
        '/%2e%2e/outside.tar.gz',
        '/..%2foutside.tar.gz',
        '/..\\outside.tar.gz',
        `/${base}/outside.tar.gz`,
        '/plain.txt',
        '/.hidden.tar.gz',
        '/sub.tar.gz',
        '/sub.tar.gz/x.tar.gz',
        '/link.tar.gz',
        '/e-1.tar.gz%00',
        '/e-1.tar.gz/',
      ]
    ) {
      const { status, body } = await rawGet(path);
      expect(status, path).toBe(404);
      expect(body).not.toContain('secret');
    }
    expect((await rawGet('/e-1.tar.gz?x=/../y')).status).toBe(200);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect((await rawGet('/e-1.tar.gz', method)).status).toBe(405);
    }
  });

  test('an id that is no id, and results that are not there, leave nothing behind', async () => {
    const folder = await results({ stdout: 'out' });
    for (const id of ['../e', 'a/b', '', '.e']) {
      await expect(publisher.publish(request(folder, id))).rejects.toThrow(/not an execution id/);
    }
    await expect(publisher.publish(request(join(base, 'absent')))).rejects.toMatchObject({
      message: expect.stringMatching(/^Cannot publish results of "e-1": /),
      details: { class: 'infrastructure' },
    });
    const stop = new AbortController();
    stop.abort(new Error('stopped by the test'));
    await expect(publisher.publish({ ...request(folder), signal: stop.signal })).rejects.toThrow(
      'stopped by the test',
    );
    expect(await readdir(join(base, 'store'))).toEqual([]);
  });

  test('the URL names the address of the configuration; a port in use is told with its key', async () => {
    const directory = join(base, 'other');
    await mkdir(directory);
    await writeFile(join(directory, '.0123456789abcdef.tmp'), 'left by a crash');
    const other = await startLocalPublisher({
      directory,
      host: '127.0.0.1',
      port: 0,
      address: 'node.example.org',
    });
    const { Params } = await other.publish(request(await results({ stdout: 'x' })));
    expect(Params!.URL).toBe(`http://node.example.org:${other.port}/e-1.tar.gz`);
    await expect(startLocalPublisher({ directory, host: '127.0.0.1', port: other.port })).rejects
      .toMatchObject({
        message: expect.stringContaining(`port "${other.port}"`),
        hint: expect.stringContaining('Publishers.Types.Local.Port'),
      });
    await other.close();
    await other.close();
    expect(await readdir(directory)).toEqual(['e-1.tar.gz']);
  });

  test('closing cuts off who is still reading', async () => {
    await writeFile(join(base, 'store', 'large.tar.gz'), Buffer.alloc(30_000_000));
    const reader = net.connect(publisher.port, '127.0.0.1');
    reader.on('error', () => {});
    let received = 0;
    const begun = new Promise<void>((resolve) =>
      reader.on('data', (chunk) => {
        received += chunk.length;
        reader.pause();
        resolve();
      })
    );
    reader.write('GET /large.tar.gz HTTP/1.1\r\nHost: x\r\n\r\n');
    await begun;
    await publisher.close();
    const ended = new Promise((resolve) => reader.once('close', resolve));
    reader.removeAllListeners('data');
    reader.on('data', (chunk) => void (received += chunk.length));
    reader.resume();
    await ended;
    expect(received).toBeLessThan(30_000_000);
    await expect(fetch(`http://127.0.0.1:${publisher.port}/e-1.tar.gz`)).rejects.toThrow();
  });
});

test('the noop publisher gives an empty result', async () => {
  const noop = noopPublisher();
  expect(await noop.available()).toBeNull();
  expect(await noop.publish(request('/absent'))).toEqual({ Type: '', Params: {} });
  await noop.close();
});
