/** How far a pull is, told from the engine's events. */
import type { PullProgress } from '../../../../runtime/docker/mod.ts';
import type { StringMap } from '../../../model/mod.ts';

interface Layer {
  readonly done: boolean;
  readonly bytes: number;
  readonly total: number;
}

const COMPLETE = ['Pull complete', 'Already exists'];

export class PullMeter {
  readonly #layers = new Map<string, Layer>();

  take({ status, id, current = 0, total = 0 }: PullProgress): void {
    // Lines about the whole bear the tag as id.
    if (id === undefined || /^(Pulling from|Retrying)/.test(status)) return;
    const before = this.#layers.get(id) ?? { done: false, bytes: 0, total: 0 };
    if (COMPLETE.includes(status)) this.#layers.set(id, { ...before, done: true, bytes: before.total });
    else if (status === 'Downloading') {
      this.#layers.set(id, { ...before, bytes: current, total: Math.max(total, before.total) });
    } else if (status === 'Extracting' || status === 'Download complete') {
      // Amounts of extraction are the same bytes again; small layers are never seen downloading.
      const whole = Math.max(before.total, status === 'Extracting' ? total : 0);
      this.#layers.set(id, { ...before, bytes: whole, total: whole });
    } else if (!this.#layers.has(id)) this.#layers.set(id, before);
  }

  /** Bytes fetched so far. */
  get bytes(): number {
    return this.#sum((layer) => layer.bytes);
  }

  /** `2 of 5 layers, 12.5 of 80.1 MiB` */
  text(): string {
    const amount = `${mebibytes(this.bytes)} of ${mebibytes(this.#sum((layer) => layer.total))} MiB`;
    return `${this.#done()} of ${this.#layers.size} layers, ${amount}`;
  }

  details(): StringMap {
    return {
      Layers: String(this.#layers.size),
      LayersDone: String(this.#done()),
      BytesDone: String(this.bytes),
      BytesTotal: String(this.#sum((layer) => layer.total)),
    };
  }

  #done(): number {
    return this.#sum((layer) => Number(layer.done));
  }

  #sum(of: (layer: Layer) => number): number {
    let sum = 0;
    for (const layer of this.#layers.values()) sum += of(layer);
    return sum;
  }
}

export function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
