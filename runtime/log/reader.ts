/** Reads a log (format: README.md) from an offset, waits for more, and finds the last lines of a long one. */
import { type FileHandle, open } from 'node:fs/promises';
import {
  BLOCK_SIZE,
  blockStart,
  FILE_HEADER_SIZE,
  isLogHeader,
  type LogRecord,
  nextBlock,
  parseRecord,
} from './format.ts';
import { addMemoryPressure } from '../memory_pressure.ts';
import { FileWatch } from '../watch.ts';

/** Where to begin, and when to stop. */
export interface ReadLogOptions {
  /** Offset of a record as an earlier record gave it; any other is moved to the next record. Default: the beginning. */
  readonly offset?: number;
  /** Bytes of the first record to leave out, as {@link tailLog} gives them. */
  readonly skip?: number;
  /** Wait for more until `ended` settles or `signal` aborts. Default: stop at the end of what is there. */
  readonly follow?: boolean;
  /** Settles when nobody writes to the log any more; what was written before is still delivered. */
  readonly ended?: Promise<unknown>;
  /** Ends the iteration quietly. */
  readonly signal?: AbortSignal;
}

/** Where reading the last lines begins. */
export interface TailStart {
  readonly offset: number;
  readonly skip: number;
}

/**
 * The records from an offset on. A log that does not exist yet is empty (and waited for when following).
 * @throws Error when the file is no log; the error of the file system otherwise
 */
export async function* readLog(
  path: string,
  options: ReadLogOptions = {},
): AsyncGenerator<LogRecord, void, void> {
  const { signal } = options;
  const watch = options.follow ? new FileWatch(path) : null;
  let ended = !watch;
  const wake = () => watch?.wake();
  const onEnd = () => {
    ended = true;
    wake();
  };
  options.ended?.then(onEnd, onEnd);
  signal?.addEventListener('abort', wake);
  let file: FileHandle | null = null;
  let offset = -1;
  let skip = options.skip ?? 0;
  const room = new Uint8Array(BLOCK_SIZE);
  try {
    while (!signal?.aborted) {
      // Whether the writer had ended is asked before reading: what it wrote until then is seen by this read.
      const last = ended;
      file ??= await openLog(path);
      if (file && offset < 0) offset = await firstRecord(file, options.offset ?? 0);
      if (file && offset >= 0) {
        for await (const record of recordsFrom(file, room, offset)) {
          offset = record.offset;
          if (signal?.aborted) return;
          if (skip >= record.bytes.length) {
            skip -= record.bytes.length;
          } else {
            yield skip > 0 ? { ...record, bytes: record.bytes.subarray(skip) } : record;
            skip = 0;
          }
        }
      }
      if (last) return;
      await watch?.next();
    }
  } finally {
    signal?.removeEventListener('abort', wake);
    watch?.close();
    await file?.close();
  }
}

/**
 * Where the last `lines` lines begin, for {@link readLog}. Reads backwards by blocks, so the length of the log does not
 * matter. Lines of both streams count together; a last line without its end counts as one.
 */
export async function tailLog(path: string, lines: number): Promise<TailStart> {
  const file = await openLog(path);
  const start = { offset: FILE_HEADER_SIZE, skip: 0 };
  if (!file) return start;
  try {
    const { size } = await file.stat();
    let wanted = lines;
    let atEnd = true;
    const room = new Uint8Array(BLOCK_SIZE);
    for (let block = blockStart(Math.max(0, size - 1));; block = blockStart(block - 1)) {
      const records: LogRecord[] = [];
      const offsets: number[] = [];
      let at = block;
      for await (const record of recordsFrom(file, room, block, nextBlock(block))) {
        records.push(record);
        offsets.push(at);
        at = record.offset;
      }
      if (lines <= 0) return { offset: at, skip: 0 };
      for (let index = records.length - 1; index >= 0; index--) {
        const { bytes } = records[index]!;
        // The newline at the very end closes the last line; it does not begin another.
        let i = bytes.length - (atEnd ? 1 : 0);
        atEnd = false;
        while ((i = i > 0 ? bytes.lastIndexOf(0x0a, i - 1) : -1) >= 0) {
          if (--wanted === 0) return { offset: offsets[index]!, skip: i + 1 };
        }
      }
      if (block === FILE_HEADER_SIZE) return start;
    }
  } finally {
    await file.close();
  }
}

async function openLog(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Offset of the first record at or after `wanted`, or -1 while not even the header is there. */
async function firstRecord(file: FileHandle, wanted: number): Promise<number> {
  const header = new Uint8Array(FILE_HEADER_SIZE);
  const { bytesRead } = await file.read(header, 0, FILE_HEADER_SIZE, 0);
  if (bytesRead < FILE_HEADER_SIZE) return -1;
  if (!isLogHeader(header)) throw new Error('Cannot read the log: the file is not a log of this version');
  if (wanted <= FILE_HEADER_SIZE) return FILE_HEADER_SIZE;
  const { size } = await file.stat();
  let offset = blockStart(Math.min(wanted, size));
  for await (const record of recordsFrom(file, new Uint8Array(BLOCK_SIZE), offset, nextBlock(offset))) {
    if (offset >= wanted) return offset;
    offset = record.offset;
  }
  return offset;
}

/**
 * The whole records from `offset` (a record's beginning) to `limit` or the end of the file.
 * @param block room for one; what is yielded lies in it until the next block
 */
async function* recordsFrom(
  file: FileHandle,
  block: Uint8Array,
  offset: number,
  limit = Infinity,
): AsyncGenerator<LogRecord, void, void> {
  while (offset < limit) {
    const end = nextBlock(offset);
    const there = Math.min((await file.stat()).size, end) - offset;
    if (there <= 0) return;
    const start = offset % BLOCK_SIZE;
    const { bytesRead } = await file.read(block, start, there, offset);
    const known = block.subarray(start, start + bytesRead);
    // As text, as JSON, as base64, and as the bytes of a message.
    addMemoryPressure(4 * bytesRead);
    let at = 0;
    let parsed = parseRecord(known, offset);
    while (parsed.kind === 'record') {
      at += parsed.record.offset - offset;
      offset = parsed.record.offset;
      yield parsed.record;
      if (offset === end) break;
      parsed = parseRecord(known.subarray(at), offset);
    }
    if (offset === end) continue;
    // Padding is believed only when the next block has begun: zeros at the end may be a crash's.
    if (parsed.kind === 'end' || (await file.stat()).size <= end) return;
    offset = end;
  }
}
