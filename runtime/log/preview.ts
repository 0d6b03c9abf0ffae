/**
 * The beginnings of both streams of a log, without writing anything. What is not shown is not read: once a stream has
 * enough, only the headers of its records are looked at, so the end of a job that printed 1 GB is told at once.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { cutText } from './cut_text.ts';
import {
  BLOCK_SIZE,
  FILE_HEADER_SIZE,
  isLogHeader,
  LogStream,
  nextBlock,
  parseHeader,
  RECORD_HEADER_SIZE,
} from './format.ts';

/** The beginnings of both outputs, as results carry them. */
export interface LogPreview {
  readonly stdout: string;
  readonly stdoutTruncated: boolean;
  readonly stderr: string;
  readonly stderrTruncated: boolean;
}

const EMPTY: LogPreview = Object.freeze({
  stdout: '',
  stdoutTruncated: false,
  stderr: '',
  stderrTruncated: false,
});

/** Headers of short records come by the dozen with one read. */
const PEEK_BYTES = 4096;
/** Reads of the file before others get a turn. */
const READS_PER_TURN = 1024;

/**
 * @param cap bytes of text per stream as it stands in JSON, escapes counted
 * @throws Error when the file is no log; the error of the file system otherwise
 */
export async function previewLog(path: string, cap: number): Promise<LogPreview> {
  // Most short runs say nothing; one look at the file spares them the reading.
  if (sizeOf(path) <= FILE_HEADER_SIZE) return EMPTY;
  const beginnings = { [LogStream.stdout]: new Beginning(cap), [LogStream.stderr]: new Beginning(cap) };
  let marked = false;
  const file = new Peek(path);
  try {
    if (!isLogHeader(file.at(0, FILE_HEADER_SIZE))) {
      throw new Error(`Cannot read the log "${path}": the file is not a log of this version`);
    }
    for (let offset = FILE_HEADER_SIZE; offset < file.size;) {
      const header = parseHeader(file.at(offset, RECORD_HEADER_SIZE), offset);
      if (header === 'end') break;
      if (header === 'padding') {
        offset = nextBlock(offset);
        continue;
      }
      const { stream, length } = header;
      const body = offset + RECORD_HEADER_SIZE;
      offset = body + length;
      if (offset > file.size) break;
      if (stream === LogStream.mark) marked = true;
      else {
        const beginning = beginnings[stream];
        beginning.add(beginning.full ? null : file.at(body, length));
      }
      if (file.reads >= READS_PER_TURN) {
        file.reads = 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    file.close();
  }
  const out = beginnings[LogStream.stdout].text();
  const err = beginnings[LogStream.stderr].text();
  return {
    stdout: out.text,
    stdoutTruncated: out.cut || marked,
    stderr: err.text,
    stderrTruncated: err.cut || marked,
  };
}

/** Synchronous, as the reading of logs is: cheaper than a round through the thread pool for each short run. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A file by small reads, one after the other. */
class Peek {
  readonly size: number;
  reads = 0;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(BLOCK_SIZE);
  #start = 0;
  #length = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  /** As many of these bytes as there are, at most a block; valid until the next call. */
  at(offset: number, length: number): Uint8Array {
    if (offset < this.#start || offset + length > this.#start + this.#length) {
      this.reads++;
      this.#start = offset;
      this.#length = readSync(this.#fd, this.#buffer, 0, Math.max(length, PEEK_BYTES), offset);
    }
    const from = offset - this.#start;
    return this.#buffer.subarray(from, Math.min(from + length, this.#length));
  }

  close(): void {
    closeSync(this.#fd);
  }
}

class Beginning {
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  #more = false;

  constructor(readonly cap: number) {}

  /** Nothing more of the stream is shown. */
  get full(): boolean {
    return this.#length === this.cap;
  }

  /** @param bytes null where they are not looked at any more */
  add(bytes: Uint8Array | null): void {
    const part = bytes?.slice(0, this.cap - this.#length) ?? null;
    if (part) this.#parts.push(part);
    this.#length += part?.length ?? 0;
    if (!bytes || part!.length < bytes.length) this.#more = true;
  }

  text(): { text: string; cut: boolean } {
    return cutText(Buffer.concat(this.#parts), this.cap, this.#more);
  }
}
