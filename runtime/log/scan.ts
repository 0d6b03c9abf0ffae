/** Reads a whole log as it stands, block by block, and what an adopting writer has to know of it. */
import { closeSync, openSync, readSync } from 'node:fs';
import {
  BLOCK_SIZE,
  FILE_HEADER_SIZE,
  isLogHeader,
  type LogRecord,
  LogStream,
  nextBlock,
  parseRecord,
} from './format.ts';

/** Blocks handled before others get a turn. */
const BLOCKS_PER_TURN = 16;

/**
 * Calls back for each whole record, in order; the record is valid during the call. A log that is absent has none.
 * @throws Error when the file is no log; the error of the file system otherwise
 */
export async function scanLog(path: string, onRecord: (record: LogRecord) => void): Promise<void> {
  const log = openIfThere(path);
  if (log === null) return;
  try {
    const block = new Uint8Array(BLOCK_SIZE);
    let known = block.subarray(0, readSync(log, block, 0, BLOCK_SIZE, 0));
    if (known.length > 0 && !isLogHeader(known)) {
      throw new Error(`Cannot read the log "${path}": the file is not a log of this version`);
    }
    let base = 0;
    for (let blocks = 1; known.length > 0; blocks++) {
      let offset = Math.max(base, FILE_HEADER_SIZE);
      for (;;) {
        const parsed = parseRecord(known.subarray(offset - base), offset);
        if (parsed.kind !== 'record') break;
        onRecord(parsed.record);
        offset = parsed.record.offset;
        if (offset === nextBlock(base)) break;
      }
      base = nextBlock(base);
      if (known.length < BLOCK_SIZE) break;
      if (blocks % BLOCKS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      known = block.subarray(0, readSync(log, block, 0, BLOCK_SIZE, base));
    }
  } finally {
    closeSync(log);
  }
}

/** What a log holds, without its bytes. */
export interface LogCount {
  /** Bytes of payload by stream. */
  readonly stdout: number;
  readonly stderr: number;
  /** Times of the first and the last record, nanoseconds since the epoch; null when there is none. */
  readonly firstNanos: bigint | null;
  readonly lastNanos: bigint | null;
  /** Whether there is a mark of ours between the output. */
  readonly marked: boolean;
}

/** How much of a program's output a log holds. */
export async function countLog(path: string): Promise<LogCount> {
  const bytes = { [LogStream.stdout]: 0, [LogStream.stderr]: 0, [LogStream.mark]: 0 };
  let firstNanos: bigint | null = null;
  let lastNanos: bigint | null = null;
  await scanLog(path, (record) => {
    bytes[record.stream] += record.bytes.length;
    if (record.stream === LogStream.mark) return;
    firstNanos ??= record.timeNanos;
    lastNanos = record.timeNanos;
  });
  return {
    stdout: bytes[LogStream.stdout],
    stderr: bytes[LogStream.stderr],
    firstNanos,
    lastNanos,
    marked: bytes[LogStream.mark] > 0,
  };
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
