/**
 * What runs here and how much it holds. The sum is kept over the runs themselves, never stored, so nothing can leak it
 * (invariants.md S10). Adopted runs may exceed a total that was lowered meanwhile; nothing new starts then.
 */
import { addResources, subtractResources } from '../model/mod.ts';
import type { Resources } from '../model/mod.ts';

/** What of a node is promised to executions, and what is left. */
export class Capacity {
  readonly #held = new Map<string, Resources>();
  #used: Resources = Object.freeze({});

  constructor(readonly total: Resources) {}

  get used(): Resources {
    return this.#used;
  }

  get available(): Resources {
    return subtractResources(this.total, this.#used);
  }

  get count(): number {
    return this.#held.size;
  }

  /** Idempotent per id. */
  hold(id: string, resources: Resources): void {
    if (this.#held.has(id)) return;
    this.#held.set(id, resources);
    this.#used = addResources(this.#used, resources);
  }

  /** It takes more than it was granted: so much less is free. */
  grow(id: string, resources: Resources): void {
    if (this.release(id)) this.hold(id, resources);
  }

  /** Idempotent. @returns whether it was held */
  release(id: string): boolean {
    const resources = this.#held.get(id);
    if (!resources) return false;
    this.#held.delete(id);
    this.#used = subtractResources(this.#used, resources);
    return true;
  }

  ids(): readonly string[] {
    return [...this.#held.keys()];
  }
}
