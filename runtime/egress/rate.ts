/** A shared budget of bytes per second (token bucket), and a stream that counts what passes and waits for budget. */
import { Transform, type TransformCallback } from 'node:stream';
import { realWorld } from '../world.ts';

/** Holds a stream to so many bytes a second. */
export class TokenBucket {
  #tokens: number;
  #last = performance.now();

  /**
   * @param rate bytes a second; 0 = no limit
   * @param burst bytes that may pass at once after a pause; default one second's worth
   */
  constructor(private readonly rate: number, private readonly burst: number = rate) {
    this.#tokens = burst;
  }

  /** Takes `bytes` at once, into debt if need be; milliseconds to wait before they may pass. */
  take(bytes: number): number {
    if (this.rate === 0) return 0;
    const now = performance.now();
    this.#tokens = Math.min(this.burst, this.#tokens + (now - this.#last) / 1000 * this.rate);
    this.#last = now;
    this.#tokens -= bytes;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.rate * 1000;
  }
}

/** Passes bytes on at the rate of a bucket that several streams share. */
export class Meter extends Transform {
  bytes = 0;
  /** How long bytes were held back. */
  waitedMs = 0;
  #timer: Disposable | undefined;

  constructor(private readonly bucket: TokenBucket) {
    super();
  }

  override _transform(chunk: Uint8Array, _encoding: string, done: TransformCallback): void {
    this.bytes += chunk.length;
    const wait = this.bucket.take(chunk.length);
    if (wait < 1) return done(null, chunk);
    this.waitedMs += wait;
    this.#timer = realWorld.after(wait, () => done(null, chunk));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#timer?.[Symbol.dispose]();
    done(error);
  }
}
