/** The beginnings of both streams, whatever was written, and without reading what they do not show. */
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogWriter, previewLog } from '../../../runtime/log/mod.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-preview-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const limit = (bytes = 2 ** 40) => ({ bytes, now: () => 1_700_000_000_000_000_000n });

test('both streams to their caps, whatever the order and the lengths', async () => {
  const write = fc.record({
    stream: fc.constantFrom(1 as const, 1 as const, 2 as const),
    length: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 90_000 })),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 40 }),
      fc.constantFrom(0, 1, 100, 5000, 65_536, 200_000),
      fc.boolean(),
      async (writes, cap, torn) => {
        const file = join(directory, `log-${run++}`);
        const log = new LogWriter(file, limit());
        const wanted = { 1: '', 2: '' };
        for (const [index, { stream, length }] of writes.entries()) {
          const text = String.fromCharCode(97 + index % 26).repeat(length);
          log.write(stream, Buffer.from(text));
          wanted[stream] += text;
        }
        if (torn) {
          // A writer that was killed over its last record.
          const { size } = statSync(file);
          log.write(2, Buffer.from('lost'));
          truncateSync(file, Math.max(size, statSync(file).size - 1));
        }
        log.close();
        expect(await previewLog(file, cap)).toEqual({
          stdout: wanted[1].slice(0, cap),
          stdoutTruncated: wanted[1].length > cap,
          stderr: wanted[2].slice(0, cap),
          stderrTruncated: wanted[2].length > cap,
        });
      },
    ),
    { numRuns: 150 },
  );
});

test('no log is no output; another file is refused', async () => {
  expect(await previewLog(join(directory, 'absent'), 10)).toMatchObject({
    stdout: '',
    stdoutTruncated: false,
  });
  await expect(previewLog(process.execPath, 10)).rejects.toThrow('not a log of this version');
});

test('a mark at the end of a long log is seen', async () => {
  const file = join(directory, 'log');
  const log = new LogWriter(file, limit(3_000_000));
  const piece = Buffer.alloc(40_000, 'x');
  for (let i = 0; i < 100; i++) log.write(1, piece);
  log.close();
  expect(await previewLog(file, 10)).toEqual({
    stdout: 'xxxxxxxxxx',
    stdoutTruncated: true,
    stderr: '',
    stderrTruncated: true,
  });
});

test('100 MB, and 300 000 short records, are passed over in no time', async () => {
  const shapes = [
    { name: 'large', count: 1600, piece: Buffer.alloc(65_000, 'x') },
    { name: 'small', count: 300_000, piece: Buffer.alloc(100, 'x') },
  ];
  for (const { name, count, piece } of shapes) {
    const file = join(directory, name);
    const log = new LogWriter(file, limit());
    for (let i = 0; i < count; i++) log.write(1, piece);
    log.write(2, Buffer.from('late'));
    log.close();
    expect((await previewLog(file, 1000)).stderr).toBe('late');
  }
});
