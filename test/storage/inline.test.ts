import { Buffer } from 'node:buffer';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { inlineSource } from '../../mod/storage/mod.ts';
import { never, request } from './support.ts';

const source = inlineSource();
const spec = (url: unknown, more = {}) => ({ Type: 'inline', Params: { URL: url, ...more } });

async function archive(files: Record<string, string>): Promise<string> {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name }, content);
  pack.finalize();
  const bytes = gzipSync(Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Buffer>)));
  return `data:application/gzip;base64,${bytes.toString('base64')}`;
}

describe('an inline input', () => {
  test.each([
    ['data:,hello%20world%0A', 'hello world\n'],
    ['data:text/plain;charset=utf-8,gr%C3%BC%C3%9Fe', 'grüße'],
    ['data:text/plain;base64,aGVsbG8=', 'hello'],
    ['data:;base64,aGVsbG8', 'hello'],
    ['DATA:Text/Plain;BASE64,aGVsbG8%3D', 'hello'],
    ['data:,', ''],
    ['data:,a,b', 'a,b'],
  ])('%s is one file', async (url, content) => {
    const { hostPath, readOnly } = await source.prepare(await request(spec(url)));
    expect(await readFile(hostPath, 'utf8')).toBe(content);
    expect(readOnly).toBe(true);
    expect(await source.size(spec(url), never)).toBe(Buffer.byteLength(content));
    expect(await source.check(spec(url))).toBeNull();
  });

  test('any bytes survive', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (
      const data of [
        `;base64,${bytes.toString('base64')}`,
        `,${[...bytes].map((b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`,
      ]
    ) {
      const { hostPath } = await source.prepare(await request(spec(`data:application/octet-stream${data}`)));
      expect((await readFile(hostPath)).equals(bytes)).toBe(true);
    }
  });

  test('an archive becomes a folder', async () => {
    const url = await archive({ 'top/a': 'A', 'top/sub/b': 'BB' });
    const { hostPath } = await source.prepare(await request(spec(url)));
    expect((await readdir(join(hostPath, 'top'))).sort()).toEqual(['a', 'sub']);
    expect(await readFile(join(hostPath, 'top/sub/b'), 'utf8')).toBe('BB');
    expect(await source.size(spec(url), never)).toBe(3);
  });

  test('keys ignore case; writable where the spec says so', async () => {
    const writable = { Type: 'inline', Params: { url: 'data:,x', writable: 'true' } };
    expect((await source.prepare(await request(writable))).readOnly).toBe(false);
    expect((await source.prepare(await request(spec('data:,x')))).readOnly).toBe(true);
  });

  test.each([
    [undefined, /no URL/],
    [7, /URL must be a text/],
    ['http://x/', /does not begin with "data:"/],
    ['data:text/plain', /no ","/],
    ['data:;base64,a%b', /not a valid escape/],
    ['data:,100%', /not a valid escape/],
    ['data:;base64,####', /not valid base64/],
  ])('%s is refused with its reason', async (url, reason) => {
    expect(await source.check(spec(url))).toMatchObject({
      reason: expect.stringMatching(reason),
      retryable: false,
    });
    const failure = source.prepare(await request(spec(url)));
    await expect(failure).rejects.toMatchObject({
      message: expect.stringMatching(reason),
      details: { class: 'user' },
    });
  });

  test('an archive that leads outside or grows too large is refused, by size too', async () => {
    const evil = spec(await archive({ '../evil': 'x' }));
    await expect(source.prepare(await request(evil))).rejects.toMatchObject({
      message: 'Cannot unpack an inline input: "../evil" in the archive would lie outside the folder',
      details: { class: 'user' },
    });
    await expect(source.size(evil, never)).rejects.toThrow(/outside/);
    const bomb = spec(await archive({ zeros: '\0'.repeat(2_000_000) }));
    const small = inlineSource({ maxBytes: 1_000_000 });
    await expect(small.prepare(await request(bomb))).rejects.toThrow(/more than 1000000 bytes/);
    await expect(small.size(bomb, never)).rejects.toThrow(/more than 1000000 bytes/);
    const noArchive = spec('data:application/gzip;base64,aGVsbG8=');
    await expect(source.prepare(await request(noArchive))).rejects.toThrow(/not a whole tar.gz/);
  });
});
