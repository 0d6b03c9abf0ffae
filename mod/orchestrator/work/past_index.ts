/**
 * What jobs have learned about nodes, kept between transactions and followed change by change: read from rows once, it costs
 * the same for a job of a thousand executions as for one. What a transaction that is undone has shown is forgotten.
 */
import { PastRecord } from '../../schedule/mod.ts';
import { type ExecutionRow, Lru, type StoreTx } from '../../store/mod.ts';
import { executionView } from './views.ts';

/** Entries per node and job that are kept, about 100 bytes each. */
const CAPACITY = 100_000;

export class PastIndex {
  readonly #known = new Lru<PastRecord>(CAPACITY);

  /** @param weight nodes that the job may have used, at most */
  async of(tx: StoreTx, jobId: string, version: number, weight: number): Promise<PastRecord> {
    const key = `${jobId}@${version}`;
    let record = this.#known.get(key);
    if (!record) {
      const { executions } = tx;
      record = new PastRecord(
        await executions.tallies(jobId, version),
        await executions.setbacks(jobId, version),
      );
      this.#known.set(key, record, weight);
      tx.afterRollback(() => this.#known.delete(key));
    }
    return record;
  }

  /** An execution is new (`before` is null), or has changed its phase. */
  follow(tx: StoreTx, before: ExecutionRow | null, after: ExecutionRow): void {
    const key = `${after.jobId}@${after.jobVersion}`;
    const record = this.#known.get(key);
    if (!record) return;
    record.changed(before?.phase ?? null, executionView(after));
    tx.afterRollback(() => this.#known.delete(key));
  }
}
