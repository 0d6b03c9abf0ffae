/** A set of ids of which one can be drawn at random, or all be visited, at once. */
export class Pool {
  readonly #ids: string[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#ids.length;
  }

  has(id: string): boolean {
    return this.#places.has(id);
  }

  put(id: string, member: boolean): void {
    const place = this.#places.get(id);
    if (member === (place !== undefined)) return;
    if (place === undefined) {
      this.#places.set(id, this.#ids.push(id) - 1);
      return;
    }
    const last = this.#ids.pop()!;
    this.#places.delete(id);
    if (last === id) return;
    this.#ids[place] = last;
    this.#places.set(last, place);
  }

  /** @param random in [0, 1) */
  draw(random: number): string | undefined {
    return this.#ids[Math.floor(random * this.#ids.length)];
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#ids[Symbol.iterator]();
  }
}
