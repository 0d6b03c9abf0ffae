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
import type { Desk } from './work/desk.ts';
import type { Work } from './work/work.ts';

const NANOS_PER_MILLI = 1_000_000n;
/** First wait after a failed try; doubles. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface BrokerOptions {
  readonly desk: Desk;
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
    const { desk, onError } = this.#options;
    const { signal } = this.#stopping;
    using watch = desk.store.watch(changes.evaluations);
    while (!signal.aborted) {
      try {
        if (await this.#takeSome()) continue;
        await this.#wait(watch);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = toBacalhauError(thrown);
        if (error.code === 'StoreFailed' || error.code === 'StoreClosed') return;
        onError(error);
      }
    }
  }

  /** @returns whether more may be due */
  async #takeSome(): Promise<boolean> {
    const { batch } = this.#options.settings;
    try {
      return await this.#take(batch) === batch;
    } catch (thrown) {
      if (batch === 1) throw thrown;
      // One of them cannot be evaluated: it is found by taking them one by one, and put off.
      for (let i = 0; i < batch; i++) {
        try {
          if (await this.#take(1) === 0) return false;
        } catch (error) {
          await this.#putOff(toBacalhauError(error));
        }
      }
      return true;
    }
  }

  #lease(work: Work, limit: number): Promise<readonly Lease[]> {
    const { settings, owner } = this.#options;
    const until = work.tx.now + BigInt(settings.leaseMs) * NANOS_PER_MILLI;
    return work.tx.evaluations.lease({ owner, until, limit });
  }

  #take(limit: number): Promise<number> {
    return this.#options.desk.commitWhole(async (work) => {
      const leases = await this.#lease(work, limit);
      for (const lease of leases) {
        work.evaluate(lease.evaluation.JobID, lease.evaluation.TriggeredBy);
        await work.tx.evaluations.complete(lease);
      }
      return leases.length;
    });
  }

  /** The first evaluation due failed: later again, or given up for a fresh one (a job is never barred). */
  async #putOff(error: BacalhauError): Promise<void> {
    const { desk, settings, onError } = this.#options;
    onError(error);
    await desk.commitWhole(async (work) => {
      const [lease] = await this.#lease(work, 1);
      if (!lease) return;
      const wait = Math.min(RETRY_MS * 2 ** (lease.tries - 1), RETRY_MAX_MS);
      const at = work.tx.now + BigInt(wait) * NANOS_PER_MILLI;
      if (lease.tries < settings.maxTries) {
        return await work.tx.evaluations.release(lease, at, error.message);
      }
      await work.tx.evaluations.complete(lease, { status: 'failed', comment: error.message });
      const unit = await work.unit(lease.evaluation.JobID);
      if (!unit) return;
      unit.note({
        Topic: EventTopic.Scheduling,
        Message: `Cannot schedule: ${error.message}`,
        Details: { IsError: 'true', Retryable: 'true', ErrorCode: `Scheduler:${error.code}` },
      });
      await work.enqueue(unit.job, 'job-queue', { waitUntil: at, comment: error.message });
    });
  }

  async #wait(watch: { next(signal?: AbortSignal): Promise<void> }): Promise<void> {
    const { desk, world } = this.#options;
    const { signal } = this.#stopping;
    const due = await desk.store.read((reader) => reader.evaluations.nextDueAt());
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
