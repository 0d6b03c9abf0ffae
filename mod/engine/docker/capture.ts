/**
 * From the engine's output into the log of a run (runtime/log/mod.ts): live from the attached connection; after a break
 * from the engine's own log, see engine_log.ts.
 */
import { type LogCount, LogWriter } from '../../../runtime/log/mod.ts';
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
