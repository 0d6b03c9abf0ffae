/** What nodes send: reports are applied in order, those that arrived together in one transaction (invariants.md O4). */
import { BacalhauError, type Compatibility, toBacalhauError } from '../../model/mod.ts';
import type { SchedulePolicy } from '../../schedule/mod.ts';
import type { OutMessage, Received, SessionKey } from '../../transport/mod.ts';
import { onInventory } from '../messages/inventory.ts';
import type { Sender } from '../messages/report.ts';
import { onBidResult, onComputeError, onExecutionStatus, onRunResult } from '../messages/reports.ts';
import type { Transactor } from '../work/transactor.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import type { LiveSession, Sessions } from './sessions.ts';

export interface InboxOptions {
  readonly transactor: Transactor;
  readonly sessions: Sessions;
  readonly policy: SchedulePolicy;
  readonly compatibility: Compatibility;
  /** Told of messages that could not be applied. */
  report(error: unknown): void;
}

/** Nothing was applied, and nothing may be acknowledged. */
const FATAL: readonly string[] = ['SessionReplaced', 'StoreFailed', 'StoreClosed'];

export class Inbox {
  constructor(readonly options: InboxOptions) {}

  /**
   * All of the batch counts, or none of it.
   * @throws BacalhauError `SessionReplaced`; nothing was applied, and nothing may be acknowledged (S9)
   */
  async receive(key: SessionKey, batch: readonly Received<OutMessage>[]): Promise<void> {
    const session = this.options.sessions.current(key.nodeId, key.epoch);
    if (!session) throw replaced(key);
    const seq = batch.reduce((highest, { seq }) => (seq > highest ? seq : highest), session.reportedSeq);
    try {
      await this.#commit(key, session, seq, batch.map(({ message }) => message));
    } catch (thrown) {
      if (FATAL.includes(toBacalhauError(thrown).code)) throw thrown;
      if (batch.length > 1) { for (const one of batch) await this.receive(key, [one]); }
      else await this.#passOver(key, session, seq, thrown);
    }
  }

  async #commit(
    key: SessionKey,
    session: LiveSession,
    seq: bigint,
    messages: readonly OutMessage[],
  ): Promise<void> {
    const sender: Sender = { ...key, extended: session.extended };
    const inventory = await this.options.transactor.commit(async (work) => {
      const row = await work.tx.nodes.updateSession(key.nodeId, key.epoch, { reportedSeq: seq });
      if (!row) throw replaced(key);
      let inventory = session.inventory;
      for (const message of messages) inventory = await this.#apply(work, sender, message, inventory);
      return inventory;
    });
    session.inventory = inventory;
    session.reportedSeq = seq;
  }

  /**
   * A message that can never be applied must not keep the node's others from being so. It stays without effect: an end
   * comes again, since it is not confirmed, and a bid has a deadline.
   */
  async #passOver(key: SessionKey, session: LiveSession, seq: bigint, why: unknown): Promise<void> {
    this.options.report(why);
    await this.#commit(key, session, seq, []);
  }

  /** @returns the parts of the node's inventory so far, null once it has been settled */
  async #apply(
    work: UnitOfWork,
    sender: Sender,
    { type, payload }: OutMessage,
    inventory: LiveSession['inventory'],
  ): Promise<LiveSession['inventory']> {
    const { compatibility, policy } = this.options;
    switch (type) {
      case 'BidResult':
        await onBidResult(work, sender, payload);
        return inventory;
      case 'RunResult':
        await onRunResult(work, sender, payload, compatibility);
        return inventory;
      case 'ComputeError':
        await onComputeError(work, sender, payload);
        return inventory;
      case 'ExecutionStatus':
        await onExecutionStatus(work, sender, payload, policy.timeoutGrace);
        return inventory;
      case 'ExecutionInventory': {
        if (!inventory) return null;
        // Sent again after a handshake that the node knows nothing of, as of a request that came twice.
        if (payload.Epoch && payload.Epoch !== sender.epoch) return inventory;
        const entries = [...inventory, ...payload.Executions];
        if (payload.More) return entries;
        await onInventory(work, sender, entries, this.options.report);
        return null;
      }
    }
  }
}

function replaced({ nodeId, epoch }: SessionKey): BacalhauError {
  return new BacalhauError(
    'SessionReplaced',
    `Cannot take messages of node "${nodeId}": session ${epoch} is over`,
  );
}
