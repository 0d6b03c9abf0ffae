import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ArchiveError, measureArchive, packFolder, unpackArchive } from '../../runtime/archive.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'archive-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const LIMITS = { maxBytes: 10_000_000 };

async function folder(name: string, files: Record<string, string | Uint8Array> = {}): Promise<string> {
  const path = join(base, name);
  await mkdir(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), content);
  }
  return path;
}

type Entry = Parameters<tar.Pack['entry']>[0] & { content?: string };

/** A tar.gz with exactly these entries, whatever they are. */
async function archive(...entries: Entry[]): Promise<Buffer> {
  const pack = tar.pack();
  for (const { content = '', ...header } of entries) pack.entry(header, content);
  pack.finalize();
  return gzipSync(Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Buffer>)));
}

const packFolderToFile = (from: string, file: string) => packFolder(from, createWriteStream(file));

const unpack = (bytes: Uint8Array, into: string, limits = LIMITS) =>
  unpackArchive(Readable.from([bytes]), into, limits);

describe('packing', () => {
  test('gives what GNU tar reads: first `.`, sorted, files and folders alone', async () => {
    const from = await folder('results', { stdout: 'out', 'b/deep/x': 'x', 'a b/ü': 'ü', empty: '' });
    await mkdir(join(from, 'nothing'));
    await symlink('/etc/passwd', join(from, 'link'));
    await symlink('/etc', join(from, 'b', 'folder-link'));
    execFileSync('mkfifo', [join(from, 'pipe')]);
    await packFolderToFile(from, join(base, 'r.tar.gz'));
    const listed = execFileSync('tar', ['--quoting-style=literal', '-tzf', join(base, 'r.tar.gz')], {
      encoding: 'utf8',
      env: { LC_ALL: 'C.UTF-8', PATH: process.env.PATH ?? '' },
    });
    expect(listed.trim().split('\n').map((name) => name.replace(/\/$/, ''))).toEqual(
      ['.', 'a b', 'a b/ü', 'b', 'b/deep', 'b/deep/x', 'empty', 'nothing', 'stdout'],
    );
    expect((await readdir(base)).sort()).toEqual(['r.tar.gz', 'results']);
  });

  test('the same content gives the same bytes, whenever and in whatever order it was made', async () => {
    const big = Buffer.alloc(3_000_000, 'some text. ');
    const a = await folder('a', { one: '1', two: big, 'd/three': '3' });
    const b = await folder('b', { 'd/three': '3', two: big, one: '1' });
    await utimes(join(b, 'one'), 1, 1);
    await chmod(join(b, 'one'), 0o600);
    await packFolderToFile(a, join(base, 'a.tgz'));
    await packFolderToFile(b, join(base, 'b.tgz'));
    expect((await readFile(join(base, 'a.tgz'))).equals(await readFile(join(base, 'b.tgz')))).toBe(true);
  });

  test('unpacks to what was packed, executables included', async () => {
    const from = await folder('from', { 'bin/run': '#!/bin/sh', data: Buffer.from([0, 255, 10]), empty: '' });
    await chmod(join(from, 'bin/run'), 0o755);
    const file = join(base, 'x.tar.gz');
    await packFolderToFile(from, file);
    const to = await folder('to');
    expect(await unpackArchive(createReadStream(file), to, LIMITS)).toEqual({ files: 3, bytes: 12 });
    expect(await measureArchive(createReadStream(file), LIMITS)).toEqual({ files: 3, bytes: 12 });
    expect([...await readFile(join(to, 'data'))]).toEqual([0, 255, 10]);
    expect((await stat(join(to, 'bin/run'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(to, 'data'))).mode & 0o777).toBe(0o644);
    expect((await stat(join(to, 'empty'))).size).toBe(0);
  });

  test('a folder that is not there is an error', async () => {
    await expect(packFolderToFile(join(base, 'absent'), join(base, 'x.tgz'))).rejects.toThrow(/ENOENT/);
  });
});

describe('unpacking what others made', () => {
  test.each(['../evil', 'a/../../evil', '/evil', 'a\\..\\evil', 'C:/evil', 'x/..'])(
    'refuses the name %s',
    async (name) => {
      const to = await folder('to');
      const error = await unpack(await archive({ name, content: 'x' }), to).catch((e) => e);
      expect(error).toBeInstanceOf(ArchiveError);
      expect(error).toMatchObject({ kind: 'path', message: expect.stringContaining(name) });
      expect(await readdir(base)).toEqual(['to']);
      expect(await readdir(to)).toEqual([]);
    },
  );

  test('names with dots that stay inside are names', async () => {
    const to = await folder('to');
    await unpack(await archive({ name: './a..b', content: 'x' }, { name: '...', content: 'y' }), to);
    expect((await readdir(to)).sort()).toEqual(['...', 'a..b']);
  });

  test('leaves out links and devices, and writes through none', async () => {
    const to = await folder('to');
    const outside = await folder('outside');
    await unpack(
      await archive(
        { name: 'sym', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'hard', type: 'link', linkname: '/etc/passwd' },
        { name: 'dev', type: 'character-device' },
        { name: 'pipe', type: 'fifo' },
        { name: 'dir', type: 'symlink', linkname: outside },
        { name: 'dir/file', content: 'inside' },
      ),
      to,
    );
    expect(await readdir(to)).toEqual(['dir']);
    expect(await readFile(join(to, 'dir', 'file'), 'utf8')).toBe('inside');
    expect(await readdir(outside)).toEqual([]);
  });

  test('does not follow links that were there before', async () => {
    const outside = await folder('outside', { secret: 'old' });
    const to = await folder('to');
    await symlink(outside, join(to, 'dir'));
    await symlink(join(outside, 'secret'), join(to, 'file'));
    await expect(unpack(await archive({ name: 'dir/x', content: 'new' }), to)).rejects.toThrow(
      /leads outside/,
    );
    await expect(unpack(await archive({ name: 'dir', type: 'directory' }), to)).rejects.toThrow();
    await expect(unpack(await archive({ name: 'file', content: 'new' }), to)).rejects.toThrow();
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('old');
    expect(await readdir(outside)).toEqual(['secret']);
  });

  test('stops at its limits before the disk is full', async () => {
    const to = await folder('to');
    const bomb = await archive({ name: 'zeros', content: '\0'.repeat(5_000_000) });
    expect(bomb.length).toBeLessThan(10_000);
    await expect(unpack(bomb, to, { maxBytes: 100_000 })).rejects.toMatchObject({ kind: 'limit' });
    expect((await stat(join(to, 'zeros')).catch(() => ({ size: 0 }))).size).toBeLessThanOrEqual(100_000);
    const limits = { ...LIMITS, maxFileBytes: 1000 };
    await expect(unpack(bomb, await folder('b'), limits)).rejects.toMatchObject({ kind: 'limit' });
    expect(await readdir(join(base, 'b'))).toEqual([]);
    const many = await archive(...Array.from({ length: 50 }, (_, i) => ({ name: `f${i}` })));
    await expect(unpack(many, to, { ...LIMITS, maxEntries: 49 } as typeof LIMITS)).rejects.toMatchObject({
      kind: 'limit',
    });
  });

  test('what is no archive, or cut short, is told as such', async () => {
    const to = await folder('to');
    const whole = await archive({
      name: 'f',
      content: 'x'.repeat(100_000).replace(/x/g, () => String(Math.random())),
    });
    const tarCut = gzipSync(Buffer.alloc(700, 'x'));
    for (
      const bytes of [
        Buffer.from('not gzip at all'),
        whole.subarray(0, whole.length / 2),
        tarCut,
        Buffer.alloc(0),
      ]
    ) {
      await expect(unpack(bytes, to)).rejects.toMatchObject({ name: 'ArchiveError', kind: 'format' });
    }
  });

  test('can be stopped', async () => {
    const to = await folder('to');
    const never = new Readable({ read() {} });
    const stop = new AbortController();
    const done = unpackArchive(never, to, LIMITS, stop.signal);
    stop.abort(new Error('stopped by the test'));
    await expect(done).rejects.toThrow('stopped by the test');
  });
});
