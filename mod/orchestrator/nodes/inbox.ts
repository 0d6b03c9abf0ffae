/** What nodes send: reports are applied in order, those that arrived together in one transaction (invariants.md O4). */
import { BacalhauError, type Compatibility } from '../../model/mod.ts';
import type { SchedulePolicy } from '../../schedule/mod.ts';
import type { OutMessage, Received, SessionKey } from '../../transport/mod.ts';
import { onInventory } from '../messages/inventory.ts';
import type { Sender } from '../messages/report.ts';
import { onBidResult, onComputeError, onExecutionStatus, onRunResult } from '../messages/reports.ts';
import type { Desk } from '../work/desk.ts';
import type { Work } from '../work/work.ts';
import type { LiveSession, Sessions } from './sessions.ts';

export interface InboxOptions {
  readonly desk: Desk;
  readonly sessions: Sessions;
  readonly policy: SchedulePolicy;
  readonly compatibility: Compatibility;
}

export class Inbox {
  constructor(readonly options: InboxOptions) {}

  /**
   * All of the batch counts, or none of it.
   * @throws BacalhauError `SessionReplaced`; nothing was applied, and nothing may be acknowledged (S9)
   */
  async receive(key: SessionKey, batch: readonly Received<OutMessage>[]): Promise<void> {
    const { desk, sessions } = this.options;
    const session = sessions.current(key.nodeId, key.epoch);
    if (!session) throw replaced(key);
    const sender: Sender = { ...key, extended: session.extended };
    const seq = batch.reduce((highest, { seq }) => (seq > highest ? seq : highest), session.reportedSeq);
    const inventory = await desk.commit(async (work) => {
      const row = await work.tx.nodes.updateSession(key.nodeId, key.epoch, { reportedSeq: seq });
      if (!row) throw replaced(key);
      let inventory = session.inventory;
      for (const { message } of batch) inventory = await this.#apply(work, sender, message, inventory);
      return inventory;
    });
    session.inventory = inventory;
    session.reportedSeq = seq;
  }

  /** @returns the parts of the node's inventory so far, null once it has been settled */
  async #apply(
    work: Work,
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
        await onInventory(work, sender, entries);
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
