/**
 * A token bucket per client address (rest-api.md section 2, stage 5). Buckets are filled by the time that passed, so an
 * idle server has no timer for it; a full bucket says nothing and is dropped.
 */
import type { IncomingMessage } from 'node:http';

interface Bucket {
  tokens: number;
  filledAt: number;
}

const SWEEP_AT = 10_000;

export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = SWEEP_AT;

  /** @param perSecond refill rate and burst; 0 = no limit. @param now monotonic milliseconds */
  constructor(readonly perSecond: number, readonly now: () => number = () => performance.now()) {}

  /** Whether a request of that address may go on. */
  take(address: string): boolean {
    if (this.perSecond === 0) return true;
    const now = this.now();
    const bucket = this.#buckets.get(address) ?? { tokens: this.perSecond, filledAt: now };
    bucket.tokens = Math.min(this.perSecond, bucket.tokens + (now - bucket.filledAt) * this.perSecond / 1000);
    bucket.filledAt = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > this.#sweepAt) this.#sweep(now);
    return true;
  }

  #sweep(now: number): void {
    // A bucket is full again after one second without requests.
    for (const [address, { filledAt }] of this.#buckets) {
      if (now - filledAt > 1000) this.#buckets.delete(address);
    }
    this.#sweepAt = Math.max(SWEEP_AT, this.#buckets.size * 2);
  }
}

/**
 * The client behind a connection. The forwarded-for header counts only when a configured proxy sent it; then its last
 * entry that is not itself a configured proxy (compatibility.md B).
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const peer = normalise(request.socket?.remoteAddress ?? '');
  if (trustedProxies.length === 0 || !trustedProxies.includes(peer)) return peer;
  const header = request.headers['x-forwarded-for'];
  const forwarded = (Array.isArray(header) ? header.join(',') : header ?? '').split(',').map((entry) =>
    normalise(entry.trim())
  ).filter(Boolean);
  return forwarded.findLast((entry) => !trustedProxies.includes(entry)) ?? peer;
}

function normalise(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** A process on this machine can do worse than send requests, and several share the address: it is not limited. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
