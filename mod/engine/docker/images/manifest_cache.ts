/**
 * What registries said, by image (config.md 20): least recently used goes first, an entry is never served beyond its
 * time, a failure is remembered only briefly, and callers that ask at the same time share one request.
 */
import type { DistributionInspect } from '../../../../runtime/docker/mod.ts';
import type { World } from '../../../../runtime/world.ts';

export interface ManifestCacheOptions {
  /** Entries; 0 = nothing is remembered. Default 1000. */
  readonly size?: number;
  /** Default 1 h. */
  readonly ttlMs?: number;
  /** How often expired entries are thrown out; 0 means the default, 1 h. */
  readonly refreshMs?: number;
}

const HOUR = 3_600_000;
/** Long enough for the burst of bids of one job, short enough for a person who just pushed or logged in. */
const FAILURE_MS = 5_000;

type Entry =
  & { readonly until: number }
  & (
    | { readonly kind: 'found'; readonly manifest: DistributionInspect }
    | { readonly kind: 'failed'; readonly error: unknown }
  );

export class ManifestCache {
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<string, Promise<DistributionInspect>>();
  readonly #size: number;
  readonly #ttlMs: number;
  readonly #refreshMs: number;
  #swept: number;

  constructor(
    private readonly world: World,
    { size = 1000, ttlMs = HOUR, refreshMs = HOUR }: ManifestCacheOptions,
  ) {
    this.#size = size;
    this.#ttlMs = ttlMs;
    this.#refreshMs = refreshMs || HOUR;
    this.#swept = world.elapsed();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param fresh asks again although an answer is remembered; a request under way is joined all the same */
  get(image: string, ask: () => Promise<DistributionInspect>, fresh = false): Promise<DistributionInspect> {
    this.#sweep();
    const known = this.#entries.get(image);
    if (known && !fresh && known.until > this.world.elapsed()) {
      this.#entries.delete(image);
      this.#entries.set(image, known);
      return known.kind === 'found' ? Promise.resolve(known.manifest) : Promise.reject(known.error);
    }
    const underWay = this.#underWay.get(image);
    if (underWay) return underWay;
    const request = this.#ask(image, ask).finally(() => this.#underWay.delete(image));
    this.#underWay.set(image, request);
    return request;
  }

  async #ask(image: string, ask: () => Promise<DistributionInspect>): Promise<DistributionInspect> {
    try {
      const manifest = await ask();
      this.#put(image, { kind: 'found', manifest, until: this.world.elapsed() + this.#ttlMs });
      return manifest;
    } catch (error) {
      const until = this.world.elapsed() + Math.min(FAILURE_MS, this.#ttlMs);
      this.#put(image, { kind: 'failed', error, until });
      throw error;
    }
  }

  #put(image: string, entry: Entry): void {
    this.#entries.delete(image);
    this.#entries.set(image, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#size) break;
      this.#entries.delete(oldest);
    }
  }

  /** In passing, so that nothing ticks on an idle node. */
  #sweep(): void {
    const now = this.world.elapsed();
    if (now - this.#swept < this.#refreshMs) return;
    this.#swept = now;
    for (const [image, { until }] of this.#entries) if (until <= now) this.#entries.delete(image);
  }
}
