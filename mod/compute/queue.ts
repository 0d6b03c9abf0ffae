/**
 * The local queue: work that was promised and waits for room. Higher priority first, then the older. What does not fit
 * may be overtaken by smaller work behind it, but only so often: then nothing behind it starts until it has its room.
 */
import { fitsInto } from '../model/mod.ts';
import type { Resources } from '../model/mod.ts';

/** How far behind the first to look for smaller work; bounds the cost of each look on a long queue. */
const LOOK_AHEAD = 64;

export interface Waiting {
  readonly id: string;
  readonly priority: number;
  /** When it was queued first, nanoseconds. */
  readonly queuedAt: bigint;
  readonly resources: Resources;
}

interface Entry {
  readonly waiting: Waiting;
  readonly order: number;
  overtaken: number;
}

/** What waits for room on this node: by priority, then age; smaller ones may pass a few times. */
export class LocalQueue {
  readonly #entries: Entry[] = [];
  #order = 0;

  /** @param overtakes how many may start before a larger one that was there first */
  constructor(readonly overtakes: number) {}

  get length(): number {
    return this.#entries.length;
  }

  /** In the order in which they are to start. */
  waiting(): readonly Waiting[] {
    return this.#entries.map((entry) => entry.waiting);
  }

  add(waiting: Waiting): void {
    const entry = { waiting, order: this.#order++, overtaken: 0 };
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(entry, this.#entries[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.#entries.splice(low, 0, entry);
  }

  /** @returns whether it was there */
  remove(id: string): boolean {
    const index = this.#entries.findIndex((entry) => entry.waiting.id === id);
    if (index >= 0) this.#entries.splice(index, 1);
    return index >= 0;
  }

  /** Takes the next that may start in what is `free`, or null. */
  take(free: Resources): Waiting | null {
    const last = Math.min(this.#entries.length, LOOK_AHEAD);
    for (let index = 0; index < last; index++) {
      const entry = this.#entries[index]!;
      if (fitsInto(entry.waiting.resources, free)) {
        for (const passed of this.#entries.slice(0, index)) passed.overtaken++;
        this.#entries.splice(index, 1);
        return entry.waiting;
      }
      if (entry.overtaken >= this.overtakes) return null;
    }
    return null;
  }
}

function before(a: Entry, b: Entry): boolean {
  if (a.waiting.priority !== b.waiting.priority) return a.waiting.priority > b.waiting.priority;
  if (a.waiting.queuedAt !== b.waiting.queuedAt) return a.waiting.queuedAt < b.waiting.queuedAt;
  return a.order < b.order;
}
