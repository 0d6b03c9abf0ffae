/**
 * From the engine's output streams into the log of a run (runtime/log_file.ts): live from the attached connection, or,
 * after a break, from the engine's own log with exactly those bytes left out that ours holds already.
 */
import { countLog, type LogCount, LogWriter } from '../../../runtime/log_file.ts';
import type { OutputFrame, OutputStream } from '../../../runtime/docker/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { RunRequest } from '../engine.ts';

type LogTarget = Pick<RunRequest, 'logPath' | 'logLimit'>;

/** One writer to the log, from opening to closing. */
export class Capture {
  readonly #writer: LogWriter;
  readonly #joined = new Uint8Array(65_536);
  readonly #world: World;
  /** Monotonic milliseconds of the last bytes. */
  lastByteAt: number;

  /** @throws the error of the file system */
  constructor(world: World, { logPath, logLimit }: LogTarget, held?: LogCount) {
    this.#world = world;
    this.lastByteAt = world.elapsed();
    this.#writer = new LogWriter(logPath, {
      bytes: logLimit,
      now: () => world.now(),
      ...(held && { written: held.stdout + held.stderr }),
    });
  }

  /** Whether the limit is reached: nothing more is kept, so nothing more need be read. */
  get full(): boolean {
    return this.#writer.truncated;
  }

  /**
   * Pieces of one stream that came together become one record.
   * @throws the error of the file system
   */
  write(frames: readonly OutputFrame[]): void {
    this.lastByteAt = this.#world.elapsed();
    for (let at = 0; at < frames.length;) {
      const { stream } = frames[at]!;
      let length = frames[at]!.bytes.length;
      let end = at + 1;
      while (end < frames.length && frames[end]!.stream === stream) {
        const next = length + frames[end]!.bytes.length;
        if (next > this.#joined.length) break;
        length = next;
        end++;
      }
      this.#writer.write(stream, end === at + 1 ? frames[at]!.bytes : this.#join(frames, at, end, length));
      at = end;
    }
  }

  mark(text: string): void {
    this.#writer.mark(text);
  }

  /** Idempotent. */
  close(): void {
    this.#writer.close();
  }

  #join(frames: readonly OutputFrame[], from: number, to: number, length: number): Uint8Array {
    let used = 0;
    for (let at = from; at < to; at++) {
      this.#joined.set(frames[at]!.bytes, used);
      used += frames[at]!.bytes.length;
    }
    return this.#joined.subarray(0, length);
  }
}

/** Writes all that comes. Resolves when the stream has ended, or the log is full. */
export async function pumpLive(output: OutputStream, capture: Capture): Promise<void> {
  for await (const frames of output.batches()) {
    capture.write(frames);
    if (capture.full) return;
  }
}

/** Clocks of log records: the engine stamps a line just before it hands it on, or, under load, just after. */
const STAMP_TOLERANCE_NANOS = 2_000_000_000n;

export interface EngineLog {
  /**
   * Opens the engine's log, each record led by its time: the whole, or from a time on.
   * @param since seconds since 1970 with nine decimals
   */
  open(since?: string): OutputStream;
}

/**
 * Reads the engine's log from its beginning and writes what ours lacks, counted per stream. Where the engine has thrown
 * away the beginning (rotation), counting is impossible: the log goes on with what is newer than our last record, after
 * a mark that says so.
 */
export async function resumeLog(log: EngineLog, capture: Capture, held: LogCount): Promise<void> {
  if (capture.full) return;
  const rotated = await pumpFrom(log.open(), capture, held);
  if (!rotated) return;
  const since = held.lastNanos ?? 0n;
  capture.mark('output may be missing here: the engine rotated its log while the node was away');
  await pumpFrom(log.open(secondsText(since)), capture, NOTHING, since);
}

const NOTHING: LogCount = { stdout: 0, stderr: 0, firstNanos: null, lastNanos: null };

/** @returns true, before anything is written, when the log does not begin where ours does */
async function pumpFrom(
  output: OutputStream,
  capture: Capture,
  held: LogCount,
  after = 0n,
): Promise<boolean> {
  const skip = { 1: held.stdout, 2: held.stderr };
  let first = true;
  for await (const batch of output.batches()) {
    const fresh: OutputFrame[] = [];
    for (const { stream, bytes } of batch) {
      const at = bytes.indexOf(0x20) + 1;
      if (first || after > 0n) {
        const time = nanosOf(bytes.subarray(0, at - 1));
        if (first && held.firstNanos !== null && time > held.firstNanos + STAMP_TOLERANCE_NANOS) return true;
        first = false;
        if (time <= after) continue;
      }
      const known = Math.min(skip[stream], bytes.length - at);
      skip[stream] -= known;
      if (at + known < bytes.length) fresh.push({ stream, bytes: bytes.subarray(at + known) });
    }
    if (fresh.length > 0) capture.write(fresh);
    if (capture.full) return false;
  }
  return false;
}

/** Nanoseconds since the epoch of an RFC 3339 time with up to nine decimals; 0 when it is none. */
function nanosOf(text: Uint8Array): bigint {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(new TextDecoder().decode(text));
  const ms = match ? Date.parse(`${match[1]}${match[3]}`) : NaN;
  if (Number.isNaN(ms)) return 0n;
  return BigInt(ms) * 1_000_000n + BigInt((match?.[2] ?? '').padEnd(9, '0'));
}

function secondsText(nanos: bigint): string {
  return `${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, '0')}`;
}

/** Counts what the log of a run holds. */
export function countHeld({ logPath }: LogTarget): Promise<LogCount> {
  return countLog(logPath);
}
