/**
 * The log of one execution: one file that the running program's process appends to and that anybody may read at any
 * time, from any offset, before, during and after the run.
 *
 * ```
 * file   = header block*
 * header = 89 "BCLLOG" 0A, u32 version (1), u32 block size (65536)      16 bytes, all integers little-endian
 * block  = record* padding         the file is cut into blocks of 64 KiB; the header lies in the first one
 * record = u8 stream, u8 0, u16 length, u64 time, length bytes          never crosses the end of a block
 * ```
 *
 * - `stream`: 1 stdout, 2 stderr, 3 mark (a sentence of ours: output was cut). 0 is padding: the rest of the block is
 *   empty. `time`: nanoseconds since the epoch.
 * - A record is written with one call. A writer that is killed leaves at most one torn record, the last; readers stop
 *   before it, since its length reaches beyond the file.
 * - Blocks make every multiple of 64 KiB a place where a record begins: `tail` starts near the end of a 1 GB file, and
 *   an offset that a client made up is moved to the next true record instead of reading garbage.
 */
export { type LogLimit, LogWriter } from './log_writer.ts';
export { readLog, type ReadLogOptions, tailLog, type TailStart } from './log_reader.ts';
export { type ExtractCaps, type ExtractedStreams, extractStreams } from './log_extract.ts';

export const BLOCK_SIZE = 65_536;
export const FILE_HEADER_SIZE = 16;
export const RECORD_HEADER_SIZE = 12;

export const LogStream = { stdout: 1, stderr: 2, mark: 3 } as const;
export type LogStream = (typeof LogStream)[keyof typeof LogStream];

export interface LogRecord {
  readonly stream: LogStream;
  /** Nanoseconds since the epoch. */
  readonly timeNanos: bigint;
  /** A view; copy it to keep it beyond the next step of the iterator. */
  readonly bytes: Uint8Array;
  /** Where the next record begins: continue from here. */
  readonly offset: number;
}

const MAGIC = Uint8Array.of(0x89, 0x42, 0x43, 0x4c, 0x4c, 0x4f, 0x47, 0x0a);
const VERSION = 1;

export function fileHeader(): Uint8Array {
  const header = new Uint8Array(FILE_HEADER_SIZE);
  header.set(MAGIC);
  const view = new DataView(header.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, BLOCK_SIZE, true);
  return header;
}

/** Whether these bytes begin a log of this version. */
export function isLogHeader(bytes: Uint8Array): boolean {
  const expected = fileHeader();
  return bytes.length >= FILE_HEADER_SIZE && expected.every((byte, index) => bytes[index] === byte);
}

/** First byte of the block after the one that holds `offset`. */
export function nextBlock(offset: number): number {
  return (Math.floor(offset / BLOCK_SIZE) + 1) * BLOCK_SIZE;
}

/** Where the first record of the block that holds `offset` lies. */
export function blockStart(offset: number): number {
  return Math.max(FILE_HEADER_SIZE, Math.floor(offset / BLOCK_SIZE) * BLOCK_SIZE);
}

export type Parsed =
  | { readonly kind: 'record'; readonly record: LogRecord }
  /** The rest of the block is empty. */
  | { readonly kind: 'padding' }
  /** Nothing whole here (yet). */
  | { readonly kind: 'end' };

const END: Parsed = { kind: 'end' };
const PADDING: Parsed = { kind: 'padding' };

/**
 * The record at file offset `offset`, of which `bytes` holds what is known, up to the end of its block at most.
 */
export function parseRecord(bytes: Uint8Array, offset: number): Parsed {
  const room = nextBlock(offset) - offset;
  if (room < RECORD_HEADER_SIZE) return PADDING;
  if (bytes.length < RECORD_HEADER_SIZE) return END;
  const stream = bytes[0]!;
  if (stream === 0) return PADDING;
  const length = bytes[2]! | (bytes[3]! << 8);
  const end = RECORD_HEADER_SIZE + length;
  if (stream > LogStream.mark || end > room || end > bytes.length) return END;
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_HEADER_SIZE);
  return {
    kind: 'record',
    record: {
      stream: stream as LogStream,
      timeNanos: view.getBigUint64(4, true),
      bytes: bytes.subarray(RECORD_HEADER_SIZE, end),
      offset: offset + end,
    },
  };
}
