/** The beginnings of both streams of a log, without writing anything; reads no further than it has to. */
import { statSync } from 'node:fs';
import { cutText } from './log_extract.ts';
import { FILE_HEADER_SIZE, LogStream, readLog } from './log_file.ts';

export interface LogHeads {
  readonly stdout: string;
  readonly stdoutTruncated: boolean;
  readonly stderr: string;
  readonly stderrTruncated: boolean;
}

const EMPTY: LogHeads = Object.freeze({
  stdout: '',
  stdoutTruncated: false,
  stderr: '',
  stderrTruncated: false,
});

/** @param cap bytes of text per stream as it stands in JSON, escapes counted */
export async function readHeads(path: string, cap: number): Promise<LogHeads> {
  // Most short runs say nothing; one look at the file spares them the reading.
  if (sizeOf(path) <= FILE_HEADER_SIZE) return EMPTY;
  const stdout = new Head(cap);
  const stderr = new Head(cap);
  let marked = false;
  for await (const { stream, bytes } of readLog(path)) {
    if (stream === LogStream.mark) marked = true;
    else (stream === LogStream.stdout ? stdout : stderr).add(bytes);
    if (stdout.more && stderr.more) break;
  }
  const out = stdout.text();
  const err = stderr.text();
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

class Head {
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  /** Whether there is more than was kept. */
  more = false;

  constructor(readonly cap: number) {}

  add(bytes: Uint8Array): void {
    const part = bytes.slice(0, this.cap - this.#length);
    this.#length += part.length;
    if (part.length > 0) this.#parts.push(part);
    if (part.length < bytes.length) this.more = true;
  }

  text(): { text: string; cut: boolean } {
    return cutText(Buffer.concat(this.#parts), this.cap, this.more);
  }
}
