/**
 * The node's side of the session: who the peer is and how far its messages were processed, and the outbox as the link
 * reads it. The position is saved a little later: if it is lost, messages come again, which does no harm.
 */
import type { ComputeStore, Peer, Watch } from '../store/mod.ts';
import { EXTENSION } from '../transport/mod.ts';
import type { HandshakeResponse, Outbox, OutMessage } from '../transport/mod.ts';
import type { World } from '../../runtime/world.ts';
import { INVENTORY_PHASE_OF } from './phase.ts';
import { inventory } from './reports.ts';

const SAVE_AFTER_MS = 5_000;

export class Session implements Outbox<OutMessage> {
  readonly #watch: Watch;
  #saving: Disposable | null = null;
  #acknowledged = 0n;
  #forgetting: Promise<void> | null = null;
  connected = false;

  constructor(readonly store: ComputeStore, readonly world: World, private peer: Peer) {
    this.#watch = store.watchOutbox();
  }

  /** Whether the peer of this (or the last) session knows our extension. */
  get extended(): boolean {
    return this.peer.extended;
  }

  get inSeq(): bigint {
    return this.peer.inSeq;
  }

  async begin(response: HandshakeResponse): Promise<void> {
    const extended = response.Extensions?.includes(EXTENSION) ?? false;
    this.peer = { id: response.StoreID ?? '', inSeq: BigInt(response.LastOrchestratorSeqNum), extended };
    await this.store.savePeer(this.peer);
    if (extended) {
      await this.store.inventory((rows) =>
        inventory(
          rows.map(({ id, jobId, phase, rev }) => ({
            ExecutionID: id,
            JobID: jobId,
            Phase: INVENTORY_PHASE_OF[phase],
            Revision: rev,
          })),
          response.Epoch ?? 0,
        )
      );
    } else {
      await this.store.forgetExtension(this.world.now());
    }
    this.connected = true;
  }

  /** A message of the peer was processed. 0 = it bore no number. Numbers may go back (wire-protocol.md 6.8). */
  processed(seq: bigint): void {
    if (seq === 0n || seq === this.peer.inSeq) return;
    this.peer = { ...this.peer, inSeq: seq };
    this.#saving ??= this.world.after(SAVE_AFTER_MS, () => void this.#save());
  }

  async pending(after: bigint, limit: number): Promise<readonly { seq: bigint; message: OutMessage }[]> {
    const from = after > this.#acknowledged ? after : this.#acknowledged;
    return await this.store.pending(from, limit) as readonly { seq: bigint; message: OutMessage }[];
  }

  async changed(_after: bigint, signal: AbortSignal): Promise<void> {
    await this.#watch.next(signal);
  }

  /** Forgetting is not waited for: what is sent again after a crash does no harm. Acknowledgements share one write. */
  async acknowledged(seq: bigint): Promise<void> {
    if (seq <= this.#acknowledged) return;
    this.#acknowledged = seq;
    this.#forgetting ??= this.#forget();
  }

  async close(): Promise<void> {
    await this.#forgetting;
    if (this.#saving) await this.#save();
    this.#watch[Symbol.dispose]();
  }

  /** Nothing is stored any more. */
  abandon(): void {
    this.#saving?.[Symbol.dispose]();
    this.#saving = null;
  }

  async #forget(): Promise<void> {
    let done = 0n;
    while (done < this.#acknowledged) {
      const seq = this.#acknowledged;
      await this.store.acknowledged(seq, this.peer.extended, this.world.now());
      done = seq;
    }
    this.#forgetting = null;
  }

  async #save(): Promise<void> {
    this.#saving?.[Symbol.dispose]();
    this.#saving = null;
    await this.store.savePeer(this.peer, { relaxed: true });
  }
}
