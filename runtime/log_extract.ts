/** Splits a finished log into the result files `stdout` and `stderr`, and takes the first bytes of each as text. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { LogStream } from './log_format.ts';
import { scanLog } from './log_scan.ts';

export interface ExtractCaps {
  /** Bytes of text per stream as it stands in JSON (escapes counted, quotes not). Default 64 KiB. */
  readonly encoded?: number;
}

export interface ExtractedStreams {
  readonly stdout: string;
  readonly stdoutTruncated: boolean;
  readonly stderr: string;
  readonly stderrTruncated: boolean;
  /** Bytes in the file `stdout`. */
  readonly stdoutBytes: number;
  /** Bytes in the file `stderr`. */
  readonly stderrBytes: number;
  /** The log's own mark when its limit was reached, else empty. */
  readonly mark: string;
}

const DEFAULT_ENCODED = 64 * 1024;

/**
 * Writes both files (empty ones for a silent or missing log) and returns the beginnings. The text is cut between
 * characters; what is not UTF-8 becomes U+FFFD.
 * @throws the error of the file system
 */
export async function extractStreams(
  logPath: string,
  stdoutPath: string,
  stderrPath: string,
  caps: ExtractCaps = {},
): Promise<ExtractedStreams> {
  const cap = caps.encoded ?? DEFAULT_ENCODED;
  const out = new StreamFile(stdoutPath, cap);
  const err = new StreamFile(stderrPath, cap);
  let mark = '';
  try {
    await scanLog(logPath, ({ stream, bytes }) => {
      if (stream === LogStream.stdout) out.write(bytes);
      else if (stream === LogStream.stderr) err.write(bytes);
      else mark = new TextDecoder().decode(bytes);
    });
  } finally {
    out.close();
    err.close();
  }
  const stdout = out.text();
  const stderr = err.text();
  return {
    stdout: stdout.text,
    stdoutTruncated: stdout.cut || (mark !== ''),
    stderr: stderr.text,
    stderrTruncated: stderr.cut || (mark !== ''),
    stdoutBytes: out.bytes,
    stderrBytes: err.bytes,
    mark,
  };
}

/**
 * The longest beginning of `bytes` that takes at most `cap` bytes as JSON text.
 * @param more whether bytes beyond these exist, so that a character cut at the end is not shown broken
 */
export function cutText(bytes: Uint8Array, cap: number, more: boolean): { text: string; cut: boolean } {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: more });
  if (!more && Buffer.byteLength(JSON.stringify(whole)) - 2 <= cap) return { text: whole, cut: false };
  let used = 0;
  let length = 0;
  for (const character of whole) {
    used += encodedLength(character);
    if (used > cap) return { text: whole.slice(0, length), cut: true };
    length += character.length;
  }
  return { text: whole, cut: more };
}

/** Bytes of one character inside a JSON string as `JSON.stringify` writes it. */
function encodedLength(character: string): number {
  const code = character.codePointAt(0)!;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x20) return '\b\t\n\f\r'.includes(character) ? 2 : 6;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

class StreamFile {
  readonly #fd: number;
  readonly #cap: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  bytes = 0;

  constructor(path: string, cap: number) {
    this.#fd = openSync(path, 'w', 0o644);
    this.#cap = cap;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done, bytes.length - done);
    this.bytes += bytes.length;
    if (this.#headBytes >= this.#cap) return;
    const part = bytes.slice(0, this.#cap - this.#headBytes);
    this.#head.push(part);
    this.#headBytes += part.length;
  }

  text(): { text: string; cut: boolean } {
    return cutText(Buffer.concat(this.#head), this.#cap, this.bytes > this.#headBytes);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
