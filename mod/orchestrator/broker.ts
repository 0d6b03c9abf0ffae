/**
 * Takes up evaluations that are rows: delayed ones whose time has come, those of many jobs at once (a node vanished), and
 * those that failed inside the transaction that caused them. Woken by commits and by one timer to the next due time.
 *
 * A plan and the end of its evaluation are one transaction (invariants.md O2): a crash in between leaves nothing behind.
 */
import { type BacalhauError, EventTopic, toBacalhauError } from '../model/mod.ts';
import { changes, type EvaluationRow } from '../store/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { OrchestratorSettings } from './options.ts';
import type { Transactor } from './work/transactor.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** First wait after a failed try; doubles. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Errors that say nothing of the evaluation. */
const STORE_IS_DOWN: readonly string[] = ['StoreBusy', 'StoreFailed', 'StoreClosed'];

export interface BrokerOptions {
  readonly transactor: Transactor;
  readonly world: World;
  readonly settings: OrchestratorSettings;
  onError(error: BacalhauError): void;
}

export class Broker {
  readonly #options: BrokerOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { transactor, world, onError } = this.#options;
    const { signal } = this.#stopping;
    using watch = transactor.store.watch(changes.evaluations);
    for (let failures = 0; !signal.aborted;) {
      try {
        if (!await this.#takeSome()) await this.#wait(watch);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) return;
        const error = toBacalhauError(thrown);
        if (error.code === 'StoreFailed' || error.code === 'StoreClosed') return;
        onError(error);
        await world.sleep(backoff(++failures), signal).catch(() => undefined);
      }
    }
  }

  /** @returns whether there may be more */
  async #takeSome(): Promise<boolean> {
    const { transactor: { store }, world, settings: { batch } } = this.#options;
    const due = await store.read((reader) => reader.evaluations.due(world.now(), batch));
    try {
      if (due.length > 0) await this.#carryOut(due);
    } catch (thrown) {
      if (STORE_IS_DOWN.includes(toBacalhauError(thrown).code)) throw thrown;
      // One of them cannot be evaluated: one by one, it alone is put off.
      for (const one of due) {
        await this.#carryOut([one]).catch((error) => this.#putOff(one, toBacalhauError(error)));
      }
    }
    return due.length >= batch;
  }

  #carryOut(due: readonly EvaluationRow[]): Promise<void> {
    return this.#options.transactor.commitWhole(async (work) => {
      for (const { id, jobId, trigger } of due) {
        if (await work.tx.evaluations.remove(id)) work.evaluate(jobId, trigger);
      }
    });
  }

  /** It failed: later again (a job is never barred). People are told when that has gone on for a while. */
  async #putOff({ id, jobId }: EvaluationRow, error: BacalhauError): Promise<void> {
    const { transactor, settings, onError } = this.#options;
    onError(error);
    const delay = (failures: number) => BigInt(backoff(failures)) * NANOS_PER_MILLI;
    const failures = await transactor.store.write((tx) => tx.evaluations.postpone(id, delay));
    if (failures !== settings.maxTries) return;
    await transactor.commitWhole(async (work) => {
      (await work.unit(jobId))?.note({
        Topic: EventTopic.Scheduling,
        Message: `Cannot schedule: ${error.message}`,
        Details: { IsError: 'true', Retryable: 'true', ErrorCode: `Scheduler:${error.code}` },
      });
    });
  }

  async #wait(watch: { next(signal?: AbortSignal): Promise<void> }): Promise<void> {
    const { transactor, world } = this.#options;
    const { signal } = this.#stopping;
    const due = await transactor.store.read((reader) => reader.evaluations.nextDueAt());
    if (signal.aborted || due === 0n) return;
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    const left = due === null ? 0 : Number((due - world.now()) / NANOS_PER_MILLI) + 1;
    using _timer = due === null ? null : world.after(Math.max(0, left), stop);
    try {
      await watch.next(waiting.signal);
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

/** Milliseconds to wait after the n-th failure in a row. */
function backoff(failures: number): number {
  return Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MAX_MS);
}
