/** Appends to a log (format: README.md). Synchronous, since the writer is a process whose only work is the program. */
import { closeSync, constants, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { openNow } from '../files/mod.ts';
import {
  BLOCK_SIZE,
  blockStart,
  FILE_HEADER_SIZE,
  fileHeader,
  isLogHeader,
  LogStream,
  nextBlock,
  parseRecord,
  RECORD_HEADER_SIZE,
} from './format.ts';

/** How much a log may hold. */
export interface LogLimit {
  /** Bytes of payload after which a mark is written and the rest is dropped. */
  readonly bytes: number;
  /** Bytes of payload that the log holds already, where they were counted. Default: as its length tells. */
  readonly written?: number;
  /** Nanoseconds since the epoch. */
  readonly now: () => bigint;
}

/** Shared by all writers of this thread: no call of one is interrupted by another. */
const scratch = new Uint8Array(BLOCK_SIZE);
const view = new DataView(scratch.buffer);

/** Appends to one log; the only writer that it may have at a time. */
export class LogWriter {
  readonly #fd: number;
  readonly #limit: LogLimit;
  #position: number;
  #left: number;
  #open = true;
  #truncated = false;

  /**
   * Opens or continues the log at `path`. What an earlier writer left is kept, except for a torn last record; its
   * bytes count towards the limit.
   * @throws the error of the file system; Error when the file is something else
   */
  constructor(path: string, limit: LogLimit) {
    this.#limit = limit;
    this.#fd = openNow(path, constants.O_RDWR | constants.O_CREAT);
    const size = fstatSync(this.#fd).size;
    // Less than a header: its writer was killed over it.
    this.#position = size < FILE_HEADER_SIZE ? 0 : this.#findEnd(size);
    if (this.#position < size) ftruncateSync(this.#fd, this.#position);
    const written = limit.written ?? Math.max(0, this.#position - FILE_HEADER_SIZE);
    this.#left = Math.max(0, limit.bytes - written);
    // Before the limit a mark says something else.
    this.#truncated &&= this.#left === 0;
    if (this.#position === 0) this.#flush(fileHeader(), FILE_HEADER_SIZE);
  }

  /** Whether the limit was reached and the rest dropped. */
  get truncated(): boolean {
    return this.#truncated;
  }

  /**
   * Appends what the program wrote; from the limit on it is dropped, after a visible mark.
   * @throws the error of the file system (disk full); the log stays readable and can be tried again
   */
  write(stream: 1 | 2, bytes: Uint8Array): void {
    if (this.#truncated || bytes.length === 0) return;
    const kept = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#append(stream, kept);
    this.#left -= kept.length;
    if (kept.length < bytes.length) {
      this.#truncated = true;
      this.mark(`output cut: the limit of ${this.#limit.bytes} bytes is reached, the rest is not kept`);
    }
  }

  /** Appends a sentence of ours that readers see between the program's output; it does not count. */
  mark(text: string): void {
    this.#append(LogStream.mark, new TextEncoder().encode(`${text}\n`));
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  #append(stream: LogStream, bytes: Uint8Array): void {
    const time = this.#limit.now();
    let done = 0;
    while (done < bytes.length) {
      let start = 0;
      let room = nextBlock(this.#position) - this.#position;
      if (room <= RECORD_HEADER_SIZE) {
        scratch.fill(0, 0, room);
        start = room;
        room = BLOCK_SIZE;
      }
      const length = Math.min(
        bytes.length - done,
        room - RECORD_HEADER_SIZE,
        BLOCK_SIZE - start - RECORD_HEADER_SIZE,
      );
      scratch[start] = stream;
      scratch[start + 1] = 0;
      view.setUint16(start + 2, length, true);
      view.setBigUint64(start + 4, time, true);
      scratch.set(bytes.subarray(done, done + length), start + RECORD_HEADER_SIZE);
      this.#flush(scratch, start + RECORD_HEADER_SIZE + length);
      done += length;
    }
  }

  /** Moves on only when all is written, so a failed write is overwritten by the next. */
  #flush(bytes: Uint8Array, length: number): void {
    let written = 0;
    while (written < length) {
      written += writeSync(this.#fd, bytes, written, length - written, this.#position + written);
    }
    this.#position += length;
  }

  #findEnd(size: number): number {
    const header = new Uint8Array(FILE_HEADER_SIZE);
    readSync(this.#fd, header, 0, FILE_HEADER_SIZE, 0);
    if (!isLogHeader(header)) {
      throw new Error('Cannot continue the log: the file is not a log of this version');
    }
    let offset = blockStart(size - 1);
    const block = scratch.subarray(0, readSync(this.#fd, scratch, 0, size - offset, offset));
    for (let at = 0;;) {
      const parsed = parseRecord(block.subarray(at), offset);
      if (parsed.kind !== 'record') return offset;
      if (parsed.record.stream === LogStream.mark) this.#truncated = true;
      at += parsed.record.offset - offset;
      offset = parsed.record.offset;
    }
  }
}
