/** The bytes of a log file: constants, header and records, as README.md draws them. */

/** Bytes of a block; no record crosses the border of one, so that reading can start at any. */
export const BLOCK_SIZE = 65_536;
/** Bytes before the first block. */
export const FILE_HEADER_SIZE = 16;
export const RECORD_HEADER_SIZE = 12;

/** Where a record's bytes come from; `mark` is ours, between the output. */
export const LogStream = { stdout: 1, stderr: 2, mark: 3 } as const;
export type LogStream = (typeof LogStream)[keyof typeof LogStream];

/** A piece of output as the log keeps it. */
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

/** What stands at file offset `offset`, which `bytes` begins with; of a record only its header. */
export function parseHeader(
  bytes: Uint8Array,
  offset: number,
): { readonly stream: LogStream; readonly length: number } | 'padding' | 'end' {
  const room = nextBlock(offset) - offset;
  if (room < RECORD_HEADER_SIZE) return 'padding';
  if (bytes.length < RECORD_HEADER_SIZE) return 'end';
  const stream = bytes[0]!;
  if (stream === 0) return 'padding';
  const length = bytes[2]! | (bytes[3]! << 8);
  if (stream > LogStream.mark || RECORD_HEADER_SIZE + length > room) return 'end';
  return { stream: stream as LogStream, length };
}

/**
 * The record at file offset `offset`, of which `bytes` holds what is known, up to the end of its block at most.
 */
export function parseRecord(bytes: Uint8Array, offset: number): Parsed {
  const header = parseHeader(bytes, offset);
  if (header === 'padding') return PADDING;
  if (header === 'end') return END;
  const end = RECORD_HEADER_SIZE + header.length;
  if (end > bytes.length) return END;
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_HEADER_SIZE);
  return {
    kind: 'record',
    record: {
      stream: header.stream,
      timeNanos: view.getBigUint64(4, true),
      bytes: bytes.subarray(RECORD_HEADER_SIZE, end),
      offset: offset + end,
    },
  };
}
