/**
 * Goes on with a run's log from the engine's own copy of the output, after the node or its connection was away: exactly
 * those bytes are left out that ours holds already, counted per stream. The engine gives records (a line, or 16 KiB of a
 * longer one), each led by its time.
 */
import type { LogCount } from '../../../runtime/log/mod.ts';
import type { OutputFrame, OutputStream } from '../../../runtime/docker/mod.ts';
import type { Capture } from './capture.ts';

export interface EngineLog {
  /**
   * Opens the engine's log: the whole, or from a time on.
   * @param since seconds since 1970 with nine decimals
   */
  open(since?: string): OutputStream;
  /** Whether the engine may forget the newline after a line that took several records (`local` of 20.10 does). */
  readonly losesNewlines: boolean;
}

/** The engine stamps a line just before it hands it on, or, under load, just after. */
const STAMP_TOLERANCE_NANOS = 2_000_000_000n;
/** Longest piece of a line in one record. */
const RECORD_BYTES = 16_384;
const ROTATED = 'output may be missing here: the engine rotated its log while the node was away';
const NEWLINE = Uint8Array.of(0x0a);

/**
 * Writes what our log lacks. Where the engine has thrown away the beginning (rotation), counting is impossible: it goes
 * on with what is newer than our last record, after a mark that says so.
 */
export async function resumeLog(log: EngineLog, capture: Capture, held: LogCount): Promise<void> {
  if (capture.full) return;
  if (!await copyRest(log, capture, held)) return;
  if (!held.marked) capture.mark(ROTATED);
  await copyNewer(log, capture, held.lastNanos ?? 0n);
}

/** @returns true, before anything is written, when the engine's log does not begin where ours does */
async function copyRest(log: EngineLog, capture: Capture, held: LogCount): Promise<boolean> {
  const streams = { 1: new Stream(held.stdout), 2: new Stream(held.stderr) };
  let first = held.firstNanos !== null;
  for await (const batch of log.open().batches()) {
    const fresh: OutputFrame[] = [];
    for (const { stream, bytes } of batch) {
      const at = bytes.indexOf(0x20) + 1;
      if (first) {
        const time = nanosOf(bytes.subarray(0, at - 1));
        if (time > held.firstNanos! + STAMP_TOLERANCE_NANOS) return true;
        first = false;
      }
      for (const part of streams[stream].take(bytes.subarray(at), log.losesNewlines)) {
        fresh.push({ stream, bytes: part });
      }
    }
    if (fresh.length > 0) capture.write(fresh);
    if (capture.full) return false;
  }
  if (streams[1].endsOpen) capture.write([{ stream: 1, bytes: NEWLINE }]);
  if (streams[2].endsOpen) capture.write([{ stream: 2, bytes: NEWLINE }]);
  return false;
}

async function copyNewer(log: EngineLog, capture: Capture, after: bigint): Promise<void> {
  for await (const batch of log.open(secondsText(after)).batches()) {
    const fresh = batch.flatMap(({ stream, bytes }) => {
      const at = bytes.indexOf(0x20) + 1;
      return nanosOf(bytes.subarray(0, at - 1)) > after ? [{ stream, bytes: bytes.subarray(at) }] : [];
    });
    capture.write(fresh);
    if (capture.full) return;
  }
}

/** What one stream still has to leave out, and whether a newline is owed to it. */
class Stream {
  #skip: number;
  /** The last record was a whole piece of a line that goes on. */
  #inside = false;
  /** The last record ended such a line, without the newline that was there. */
  #owed = false;
  /** Something of the present line was new. */
  #wrote = false;

  /** @param skip bytes that our log holds */
  constructor(skip: number) {
    this.#skip = skip;
  }

  /** The parts of a record that are new. */
  *take(bytes: Uint8Array, losesNewlines: boolean): Iterable<Uint8Array> {
    if (this.#owed) yield* this.#new(NEWLINE);
    this.#owed = false;
    if (!this.#inside) this.#wrote = false;
    if (losesNewlines && bytes.at(-1) !== NEWLINE[0]) {
      const whole = bytes.length === RECORD_BYTES;
      this.#owed = this.#inside && !whole;
      this.#inside = whole;
    } else {
      this.#inside = false;
    }
    yield* this.#new(bytes);
  }

  /**
   * At the end nobody can tell a long last line with a newline from one without. Where our log holds all of it already
   * and no newline, there was none.
   */
  get endsOpen(): boolean {
    return this.#owed && this.#skip === 0 && this.#wrote;
  }

  *#new(bytes: Uint8Array): Iterable<Uint8Array> {
    const known = Math.min(this.#skip, bytes.length);
    this.#skip -= known;
    if (known === bytes.length) return;
    this.#wrote = true;
    yield bytes.subarray(known);
  }
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
