/**
 * Now and then: jobs whose executions have passed a deadline are evaluated, and what is no longer needed is deleted, all of
 * it, in transactions of bounded size. The deadlines stand on the rows behind an index, so this costs nothing while none has
 * passed.
 */
import { type BacalhauError, toBacalhauError } from '../model/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { OrchestratorSettings } from './options.ts';
import type { Transactor } from './work/transactor.ts';

/** Rows of a table that one transaction deletes; others come between. */
const LIMIT = 1000;

export interface HousekeepingOptions {
  readonly transactor: Transactor;
  readonly world: World;
  readonly settings: OrchestratorSettings;
  onError(error: BacalhauError): void;
}

export class Housekeeping {
  #timer: Disposable | undefined;
  #pass: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(readonly options: HousekeepingOptions) {
    this.#arm();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#pass;
  }

  #arm(): void {
    if (this.#closed) return;
    const { world, settings, onError } = this.options;
    this.#timer = world.after(settings.housekeepingMs, () => {
      this.#pass = this.#run().catch((error) => {
        if (!this.#closed) onError(toBacalhauError(error));
      }).finally(() => this.#arm());
    });
  }

  async #run(): Promise<void> {
    const { transactor, world, settings } = this.options;
    const overdue = [...await transactor.store.read((reader) => reader.executions.overdueJobs(world.now()))];
    while (overdue.length > 0 && !this.#closed) {
      const some = overdue.splice(0, settings.batch);
      await transactor.commit(async (work) => {
        for (const jobId of some) {
          const job = await work.tx.jobs.get(jobId);
          if (job) await work.enqueue(job, 'exec-timeout');
        }
      });
    }
    while (!this.#closed && await this.#prune());
    await transactor.serve();
  }

  /** @returns whether there may be more */
  #prune(): Promise<boolean> {
    return this.options.transactor.store.write(async (tx) => {
      const answers = await tx.idempotency.prune(LIMIT);
      const requests = await tx.wants.prune(LIMIT);
      return Math.max(answers, requests) === LIMIT;
    });
  }
}
