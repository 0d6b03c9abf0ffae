import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gzip } from '../../runtime/gzip.ts';

const MIB = 1 << 20;
const random = randomBytes(2 * MIB + 12345);
const text = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${i * 7919 % 10007}\n`).join(''));

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const zipped = async (bytes: Uint8Array, size = 100_000) =>
  Buffer.concat(await Array.fromAsync(gzip(chunks(bytes, size))));

test.each([
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['a block', text.subarray(0, MIB)],
  ['what does not shrink', random],
  ['both in turns', Buffer.concat([text, random, text])],
])('%s is read by every reader of gzip', async (_name, bytes) => {
  const packed = await zipped(bytes);
  expect(gunzipSync(packed).equals(bytes)).toBe(true);
  const file = join(await mkdtemp(join(tmpdir(), 'gzip-')), 'packed.gz');
  await writeFile(file, packed);
  expect(execFileSync('gzip', ['-dc', file], { maxBuffer: 1e9 }).equals(bytes)).toBe(true);
});

test('text shrinks, what does not shrink grows by its block headers only', async () => {
  expect((await zipped(text)).length).toBeLessThan(text.length / 2);
  expect((await zipped(random)).length).toBeLessThan(random.length * 1.0002 + 100);
});

test('the same bytes give the same output, in whatever pieces they came', async () => {
  const bytes = Buffer.concat([text, random]);
  expect((await zipped(bytes, 1000)).equals(await zipped(bytes, 3 * MIB))).toBe(true);
});

test('a failure of the input is told', async () => {
  async function* broken() {
    yield random;
    throw new Error('broken');
  }
  await expect(Array.fromAsync(gzip(broken()))).rejects.toThrow('broken');
});
