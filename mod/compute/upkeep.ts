/**
 * What happens later: unconfirmed results are sent again (a peer of the original acknowledges what it failed to apply,
 * invariants.md section 0, row 10), and what is confirmed and past its retention is removed, files first (C15).
 */
import type { ComputePhase } from '../store/mod.ts';
import { removeFolder } from './access.ts';
import type { Workshop } from './workshop.ts';

interface Owed {
  dueAt: number;
  waitMs: number;
}

const PRUNE_BATCH = 100;
/** Phases whose report asks for a confirmation. */
const REPORTED: readonly ComputePhase[] = ['completed', 'failed', 'refused'];

export class Upkeep {
  readonly #owed = new Map<string, Owed>();
  #resend: Disposable | null = null;
  #prune: Disposable | null = null;
  #closed = false;

  /** @param connected whether sending has any sense now */
  constructor(readonly shop: () => Workshop, readonly connected: () => boolean) {}

  start(): void {
    this.#prune = this.shop().world.after(this.shop().timings.pruneMs, () => void this.#round());
  }

  /** The report of an end has gone into the outbox. */
  ended(id: string, phase: ComputePhase): void {
    if (!REPORTED.includes(phase) || this.#closed) return;
    const { world, timings } = this.shop();
    this.#owed.set(id, { dueAt: world.elapsed() + timings.resendMs, waitMs: timings.resendMs });
    this.#arm();
  }

  confirmed(id: string): void {
    this.#owed.delete(id);
  }

  close(): void {
    this.#closed = true;
    this.#resend?.[Symbol.dispose]();
    this.#prune?.[Symbol.dispose]();
  }

  /** One timer for all: it looks once per first wait as long as anything is owed. */
  #arm(): void {
    if (this.#resend || this.#closed || this.#owed.size === 0) return;
    const { world, timings } = this.shop();
    this.#resend = world.after(timings.resendMs, () => void this.#sendAgain());
  }

  async #sendAgain(): Promise<void> {
    this.#resend = null;
    const { world, timings, store, log } = this.shop();
    if (this.connected()) {
      const now = world.elapsed();
      const due = [...this.#owed].filter(([, owed]) => owed.dueAt <= now);
      for (const [, owed] of due) {
        owed.waitMs = Math.min(owed.waitMs * 2, timings.resendMaxMs);
        owed.dueAt = now + owed.waitMs;
      }
      try {
        // An acknowledgement may have confirmed some of them.
        const owed = new Set(due.length > 0 ? await store.resend(due.map(([id]) => id)) : []);
        for (const [id] of due) if (!owed.has(id)) this.#owed.delete(id);
      } catch (thrown) {
        log('error', 'cannot send results again', { error: String(thrown) });
      }
    }
    this.#arm();
  }

  async #round(): Promise<void> {
    try {
      await this.prune();
    } catch (thrown) {
      this.shop().log('error', 'cannot remove what is past its retention', { error: String(thrown) });
    }
    if (!this.#closed) this.start();
  }

  async prune(): Promise<void> {
    const shop = this.shop();
    const { world, timings, store, executionsFolder } = shop;
    const before = (ms: number) => world.now() - BigInt(ms) * 1_000_000n;
    for (;;) {
      const ids = await store.prunable(
        before(timings.retentionMs),
        before(timings.unconfirmedRetentionMs),
        PRUNE_BATCH,
      );
      if (ids.length === 0 || this.#closed) break;
      for (const id of ids) await removeFolder(shop, `${executionsFolder}/${id}`);
      await store.prune(ids);
      for (const id of ids) this.#owed.delete(id);
    }
    while (!this.#closed && await store.pruneTombstones(before(timings.tombstoneMs), PRUNE_BATCH) > 0);
  }
}
