/**
 * Now and then: jobs whose executions have passed a deadline are evaluated, and what is no longer needed is deleted. The
 * deadlines stand on the rows behind an index, so this costs nothing while none has passed.
 */
import { type BacalhauError, toBacalhauError } from '../model/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { OrchestratorSettings } from './options.ts';
import type { Transactor } from './work/transactor.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** Rows that one pass takes. */
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
    const overdue = await transactor.store.read((reader) => reader.executions.overdue(world.now(), LIMIT));
    if (overdue.length > 0) {
      await transactor.commit(async (work) => {
        for (const jobId of new Set(overdue.map((row) => row.jobId))) {
          const job = await work.tx.jobs.get(jobId);
          if (job) await work.enqueue(job, 'exec-timeout');
        }
      });
    }
    await transactor.store.write(async (tx) => {
      const keep = BigInt(settings.evaluationRetentionMs) * NANOS_PER_MILLI;
      await tx.evaluations.prune(tx.now - keep, LIMIT);
      await tx.idempotency.prune(LIMIT);
      await tx.wants.prune();
    });
    await transactor.serve();
  }
}
