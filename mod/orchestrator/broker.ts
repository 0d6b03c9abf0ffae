/**
 * Takes up evaluations that are rows: delayed ones whose time has come, those of many jobs at once (a node vanished), and
 * those that failed inside the transaction that caused them. Woken by commits and by one timer to the next due time.
 *
 * Lease, plan and end of the lease are one transaction (invariants.md O2): a crash in between leaves nothing behind.
 */
import { type BacalhauError, EventTopic, toBacalhauError } from '../model/mod.ts';
import { changes, type Lease } from '../store/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { OrchestratorSettings } from './options.ts';
import type { Transactor } from './work/transactor.ts';
import type { UnitOfWork } from './work/unit_of_work.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** First wait after a failed try; doubles. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface BrokerOptions {
  readonly transactor: Transactor;
  readonly world: World;
  readonly settings: OrchestratorSettings;
  /** Name of this process in leases. */
  readonly owner: string;
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
    const { batch } = this.#options.settings;
    const taken: Lease[] = [];
    try {
      await this.#take(batch, taken);
    } catch (thrown) {
      // One of them cannot be evaluated: taken one by one, it alone is put off.
      if (taken.length === 0) throw thrown;
      for (const { evaluation: { ID } } of [...taken]) {
        await this.#take(1, [], ID).catch((error) => this.#putOff(ID, toBacalhauError(error)));
      }
    }
    return taken.length === batch;
  }

  #lease(work: UnitOfWork, limit: number, id?: string): Promise<readonly Lease[]> {
    const { settings, owner } = this.#options;
    const until = work.tx.now + BigInt(settings.leaseMs) * NANOS_PER_MILLI;
    return work.tx.evaluations.lease({ owner, until, limit, ...(id === undefined ? {} : { id }) });
  }

  /** @param taken filled, also when it fails */
  #take(limit: number, taken: Lease[], id?: string): Promise<void> {
    return this.#options.transactor.commitWhole(async (work) => {
      taken.splice(0, taken.length, ...await this.#lease(work, limit, id));
      for (const lease of taken) {
        work.evaluate(lease.evaluation.JobID, lease.evaluation.TriggeredBy);
        await work.tx.evaluations.complete(lease);
      }
    });
  }

  /** It failed: later again (a job is never barred). People are told when that has gone on for a while. */
  async #putOff(id: string, error: BacalhauError): Promise<void> {
    const { transactor, settings, onError } = this.#options;
    onError(error);
    const lease = await transactor.commitWhole(async (work) => {
      const [lease] = await this.#lease(work, 1, id);
      if (!lease) return undefined;
      const at = work.tx.now + BigInt(backoff(lease.tries)) * NANOS_PER_MILLI;
      await work.tx.evaluations.release(lease, at, error.message);
      return lease;
    });
    if (lease?.tries !== settings.maxTries) return;
    await transactor.commitWhole(async (work) => {
      (await work.unit(lease.evaluation.JobID))?.note({
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
