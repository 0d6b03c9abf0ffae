/**
 * Holds a task to the disk that it asked for, by measuring: results, log, and what its engine says of the rest. A task
 * that asks for none is not measured.
 */
import { EventTopic, parseResources } from '../model/mod.ts';
import type { Run } from '../engine/engine.ts';
import { RunFailure } from './failure.ts';
import type { Held } from './held.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

export class DiskWatch implements Disposable {
  readonly #limit: number;
  #timer: Disposable | null = null;
  #closed = false;
  #warned = false;

  constructor(readonly shop: Workshop, readonly held: Held, readonly paths: RunPaths, readonly run: Run) {
    // What was promised may be more: it covers the inputs, too.
    this.#limit = parseResources(held.task.Resources ?? {}).Disk ?? 0;
  }

  /** @param exceeded called once, with the failure of a task that took more than it asked for */
  start(exceeded: (failure: RunFailure) => void): void {
    if (this.#limit === 0 || this.#closed) return;
    this.#timer = this.shop.world.after(this.shop.timings.diskMs, () => {
      void this.check().then((failure) => {
        if (this.#closed) return;
        if (failure) exceeded(failure);
        else this.start(exceeded);
      });
    });
  }

  /** Null when all is well, or nothing can be measured now. */
  async check(): Promise<RunFailure | null> {
    if (this.#limit === 0) return null;
    try {
      const used = await this.#used();
      return used > this.#limit ? tooMuch(this.held.task.Name, used, this.#limit) : null;
    } catch (thrown) {
      const fields = { execution: this.held.id, error: String(thrown) };
      if (!this.#warned) this.shop.log('warn', 'cannot measure the disk of a run', fields);
      this.#warned = true;
      return null;
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #used(): Promise<number> {
    const { files } = this.shop;
    const parts = await Promise.all([
      files.usage(this.paths.results),
      files.usage(this.paths.log),
      this.run.usage?.() ?? 0,
    ]);
    return parts.reduce((sum, bytes) => sum + bytes, 0);
  }
}

function tooMuch(task: string, used: number, limit: number): RunFailure {
  return new RunFailure({
    topic: EventTopic.RunningExecution,
    class: 'user',
    component: 'Executor',
    code: 'DiskLimit',
    message: `Cannot go on with task "${task}": it wrote ${used} bytes to disk and asked for ${limit}`,
    hint: 'Raise Resources.Disk of the task, or let it write less; outputs, logs and its own files count',
  });
}
