/** What the memories of all modules of a run have come to, and whether more was refused to one. */
import { REFUSED_EXPORT } from './growth_flag.ts';
import { PAGE } from './memory_limit.ts';

export class MemoryUse {
  readonly #memories = new Set<WebAssembly.Memory>();
  readonly #flags: WebAssembly.Global[] = [];
  #silent = 0;
  #pages = 0;

  /** A memory that the run has. */
  add(memory: WebAssembly.Memory): void {
    this.#memories.add(memory);
  }

  /** Memories that may come to so many pages. */
  allow(pages: number): void {
    this.#pages += pages;
  }

  /** A module is about to run; call what this returns once there is its instance. */
  begin(): (instance: WebAssembly.Instance, flagged: boolean) => void {
    this.#silent++;
    return (instance, flagged) => {
      const flag = instance.exports[REFUSED_EXPORT];
      if (flag instanceof WebAssembly.Global) this.#flags.push(flag);
      if (flagged) this.#silent--;
    };
  }

  /** Bytes now. Memories that no module exports or imports are not seen. */
  get bytes(): number {
    return [...this.#memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  }

  /** Bytes that they may come to, by the limit of the task and by what the modules say of themselves. */
  get most(): number {
    return this.#pages * PAGE;
  }

  /** Whether a module asked for more than it may have; null when not all of them would tell. */
  get refused(): boolean | null {
    if (this.#flags.some(({ value }) => value === 1)) return true;
    return this.#silent > 0 ? null : false;
  }
}
