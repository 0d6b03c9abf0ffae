/**
 * Measures what a run takes while it runs. Disk: inputs, results, log and what its engine says of the rest; a task that
 * takes more than it was granted is ended. Memory: what its process holds beyond its grant is charged to the node, so that
 * nothing more is started in it.
 */
import { EventTopic } from '../model/mod.ts';
import type { Run } from '../engine/mod.ts';
import { withAccess } from './access.ts';
import { RunFailure } from './failure.ts';
import type { Held } from './held.ts';
import type { RunPaths } from './results.ts';
import type { Workshop } from './workshop.ts';

export interface RunWatchOptions {
  readonly shop: Workshop;
  readonly held: Held;
  readonly paths: RunPaths;
  readonly run: Run;
  /** Called at most once, with the failure of a task that took more disk than it was granted. */
  readonly exceeded: (failure: RunFailure) => void;
  /** Called when its process holds more memory than it was granted. */
  readonly grown: (memory: number) => void;
}

export class RunWatch implements Disposable {
  readonly #limit: number;
  #timer: Disposable | null = null;
  #closed = false;
  #warned = false;

  constructor(readonly options: RunWatchOptions) {
    this.#limit = options.shop.diskLimit(options.held);
    this.#later();
  }

  /**
   * Null when all is well, or nothing can be measured now.
   * @param over whether the program has ended: then also what it has hidden from the node counts
   */
  async check(over = false): Promise<RunFailure | null> {
    if (this.#limit === 0) return null;
    const { shop, held, paths } = this.options;
    try {
      const used = over ? await withAccess(shop, paths.folder, () => this.#used()) : await this.#used();
      return used > this.#limit ? tooMuch(held.task.Name, used, this.#limit) : null;
    } catch (thrown) {
      const fields = { execution: held.id, error: String(thrown) };
      if (!this.#warned) shop.log('warn', 'cannot measure the disk of a run', fields);
      this.#warned = true;
      return null;
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  #later(): void {
    const { shop, run, held, exceeded, grown } = this.options;
    this.#timer = shop.world.after(shop.timings.usageMs, () => {
      const memory = run.memory?.() ?? 0;
      if (memory > (held.resources.Memory ?? 0)) grown(memory);
      void this.check().then((failure) => {
        if (this.#closed) return;
        if (failure) exceeded(failure);
        else this.#later();
      });
    });
  }

  async #used(): Promise<number> {
    const { shop: { files }, held: { task }, paths, run } = this.options;
    const parts = await Promise.all([
      task.InputSources?.length ? files.usage(paths.inputs) : 0,
      files.usage(paths.results),
      files.usage(paths.log),
      run.usage?.() ?? 0,
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
    message: `Cannot go on with task "${task}": it takes ${used} bytes of disk and may take ${limit}`,
    hint:
      'Raise Resources.Disk of the task, or let it write less; inputs, outputs, logs and its own files count',
  });
}
