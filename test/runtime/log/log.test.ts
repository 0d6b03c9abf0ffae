/** Logs: what is written comes back, from any offset, torn or not, while it is written and afterwards. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  BLOCK_SIZE,
  type LogRecord,
  LogStream,
  LogWriter,
  previewLog,
  readLog,
  type ReadLogOptions,
  splitLog,
  tailLog,
} from '../../../runtime/log/mod.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'log-test-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const path = (name = 'log') => join(directory, name);
const encode = (text: string) => new TextEncoder().encode(text);
let clock = 1_700_000_000_000_000_000n;
const limit = (bytes = 2 ** 40) => ({ bytes, now: () => ++clock });

async function read(file: string, options: ReadLogOptions = {}): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of readLog(file, options)) records.push({ ...record, bytes: record.bytes.slice() });
  return records;
}

function text(records: readonly LogRecord[], stream?: number): string {
  const bytes = records.filter((record) => stream === undefined || record.stream === stream).map((
    { bytes },
  ) => bytes);
  return new TextDecoder().decode(Buffer.concat(bytes));
}

test('any writes come back in order, by stream, and from every offset', async () => {
  const write = fc.record({
    stream: fc.constantFrom(1 as const, 2 as const),
    length: fc.integer({ min: 0, max: 90_000 }),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
      const file = path(`log-${run++}`);
      const log = new LogWriter(file, limit());
      const expected: Record<number, string> = { 1: '', 2: '' };
      writes.forEach(({ stream, length }, index) => {
        const content = String.fromCharCode(97 + index).repeat(length);
        log.write(stream, encode(content));
        expected[stream] += content;
      });
      log.close();
      const records = await read(file);
      expect(text(records, 1)).toBe(expected[1]);
      expect(text(records, 2)).toBe(expected[2]);
      expect(records.map(({ timeNanos }) => timeNanos)).toEqual(
        records.map(({ timeNanos }) => timeNanos).sort((a, b) => Number(a - b)),
      );
      for (const [index, { offset }] of records.entries()) {
        expect(text(await read(file, { offset }))).toBe(text(records.slice(index + 1)));
      }
      await splitLog(file, path('out'), path('err'));
      expect(readFileSync(path('out'), 'utf8')).toBe(expected[1]);
      expect(readFileSync(path('err'), 'utf8')).toBe(expected[2]);
    }),
    { numRuns: 30 },
  );
});

test('a log torn at any byte gives what is whole, and a later writer goes on there', async () => {
  const log = new LogWriter(path(), limit());
  const ends: number[] = [];
  for (const part of ['one\n', 'two\n', 'three\n']) {
    log.write(1, encode(part));
    ends.push(statSync(path()).size);
  }
  log.close();
  const whole = readFileSync(path());
  for (let size = 0; size <= whole.length; size++) {
    writeFileSync(path('torn'), whole.subarray(0, size));
    const kept = ['one\n', 'two\n', 'three\n'].filter((_, index) => ends[index]! <= size).join('');
    expect(text(await read(path('torn')))).toBe(kept);
    const again = new LogWriter(path('torn'), limit());
    again.write(2, encode('again\n'));
    again.close();
    expect(text(await read(path('torn')))).toBe(`${kept}again\n`);
  }
});

test('zeros at the end, as a crash of the machine leaves them, end the log', async () => {
  const log = new LogWriter(path(), limit());
  log.write(1, encode('good'));
  log.close();
  appendFileSync(path(), new Uint8Array(100));
  expect(text(await read(path()))).toBe('good');
});

test('an offset that was never given is moved to the next record', async () => {
  const log = new LogWriter(path(), limit());
  // The payload looks like records itself.
  for (let index = 0; index < 20_000; index++) {
    log.write(1, Uint8Array.of(1, 0, 3, 0, 9, 9, 9, 9, 9, 9, 9, 9, 65, 66, 67));
  }
  log.close();
  const size = statSync(path()).size;
  expect(size).toBeGreaterThan(3 * BLOCK_SIZE);
  const all = await read(path());
  const starts = [16, ...all.map(({ offset }) => offset)].slice(0, -1);
  for (
    const offset of [1, 17, 40, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 5, 2 * BLOCK_SIZE + 777, size - 3]
  ) {
    const first = starts.findIndex((start) => start >= offset);
    expect(await read(path(), { offset })).toEqual(first < 0 ? [] : all.slice(first));
  }
  expect(await read(path(), { offset: size + 1000 })).toEqual([]);
});

test('what is no log is refused; what does not exist is empty', async () => {
  writeFileSync(path(), 'a text file of some length');
  await expect(read(path())).rejects.toThrow('not a log of this version');
  await expect(splitLog(path(), path('o'), path('e'))).rejects.toThrow('not a log of this version');
  expect(() => new LogWriter(path(), limit())).toThrow('not a log of this version');
  expect(readFileSync(path(), 'utf8')).toBe('a text file of some length');
  expect(await read(path('none'))).toEqual([]);
  await splitLog(path('none'), path('o'), path('e'));
  expect(readFileSync(path('o'), 'utf8') + readFileSync(path('e'), 'utf8')).toBe('');
});

test('the limit cuts between bytes, once, with a mark that a later writer respects', async () => {
  const log = new LogWriter(path(), limit(10));
  for (const part of ['12345', '6789', 'abc', 'more']) log.write(1, encode(part));
  expect(log.truncated).toBe(true);
  log.close();
  const again = new LogWriter(path(), limit(10));
  again.write(1, encode('more'));
  again.close();
  const records = await read(path());
  expect(text(records, 1)).toBe('123456789a');
  expect(text(records, LogStream.mark)).toBe(
    'output cut: the limit of 10 bytes is reached, the rest is not kept\n',
  );
  expect(await previewLog(path(), 100)).toMatchObject({ stdout: '123456789a', stdoutTruncated: true });
  await splitLog(path(), path('o'), path('e'));
  expect(readFileSync(path('o'), 'utf8')).toBe('123456789a');
});

test('following waits for the file, its folder and each write, and ends after the writer', async () => {
  const file = join(directory, 'later', 'still', 'log');
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const records = readLog(file, { follow: true, ended });
  const next = async () => {
    const { value, done } = await records.next();
    return done ? null : new TextDecoder().decode(value.bytes);
  };
  let pending = next();
  mkdirSync(join(directory, 'later', 'still'), { recursive: true });
  await new Promise((resolve) => setImmediate(resolve));
  const log = new LogWriter(file, limit());
  log.write(1, encode('first'));
  expect(await pending).toBe('first');
  for (const part of ['second', 'third']) {
    pending = next();
    await new Promise((resolve) => setImmediate(resolve));
    log.write(2, encode(part));
    expect(await pending).toBe(part);
  }
  // Two followers of one folder, one of which leaves, and a last write right before the end.
  const abort = new AbortController();
  const other = read(file, { follow: true, signal: abort.signal });
  pending = next();
  abort.abort();
  expect(text(await other)).toMatch(/^(firstsecondthird)?$/);
  log.write(1, encode('last'));
  end();
  expect(await pending).toBe('last');
  expect(await next()).toBeNull();
  log.close();
});

test('tail gives the last lines, however long the log and whatever the records', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30_000 });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 12 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 50_000 }),
      fc.integer({ min: 0, max: 8 }),
      async (lines, closed, piece, count) => {
        const file = path(`tail-${run++}`);
        const whole = lines.join('\n') + (closed ? '\n' : '');
        const log = new LogWriter(file, limit());
        for (let at = 0; at < whole.length; at += piece) log.write(1, encode(whole.slice(at, at + piece)));
        log.close();
        const all = whole.match(/[^\n]*\n|[^\n]+$/g) ?? [];
        const expected = count === 0 ? '' : all.slice(-count).join('');
        expect(text(await read(file, await tailLog(file, count)))).toBe(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('text is cut between characters and measured as JSON', async () => {
  const cases: [string | Uint8Array, number, string, boolean][] = [
    ['hello', 5, 'hello', false],
    ['hello!', 5, 'hello', true],
    ['aéé', 3, 'aé', true],
    ['aéé', 4, 'aé', true],
    ['aéé', 5, 'aéé', false],
    ['\u0000\u0000\u0000', 13, '\u0000\u0000', true],
    ['a"\n', 4, 'a"', true],
    ['😀😀', 7, '😀', true],
    [Uint8Array.of(0x61, 0xff), 4, 'a\ufffd', false],
    [Uint8Array.of(0xff, 0xff), 4, '\ufffd', true],
  ];
  for (const [index, [content, encoded, expected, cut]] of cases.entries()) {
    const file = path(`cut-${index}`);
    const log = new LogWriter(file, limit());
    log.write(1, typeof content === 'string' ? encode(content) : content);
    log.close();
    const { stdout, stdoutTruncated } = await previewLog(file, encoded);
    expect([stdout, stdoutTruncated]).toEqual([expected, cut]);
  }
});

test('a full block of padding is never taken for an end while the next block exists', async () => {
  const log = new LogWriter(path(), limit());
  log.write(1, new Uint8Array(BLOCK_SIZE - 16 - 12 - 5).fill(97));
  log.write(1, encode('b'));
  log.close();
  expect((await read(path())).map(({ bytes }) => bytes.length)).toEqual([BLOCK_SIZE - 33, 1]);
  truncateSync(path(), BLOCK_SIZE - 2);
  expect((await read(path())).length).toBe(1);
});
