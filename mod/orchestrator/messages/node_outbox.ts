/** The outbox of a node session: rows of the store, rendered when they are sent, deleted when acknowledged. */
import type { BacalhauError } from '../../model/mod.ts';
import { changes, type OutboxRow, type StoreReader } from '../../store/mod.ts';
import type { InMessage, Outbox, SessionKey } from '../../transport/mod.ts';
import type { Transactor } from '../work/transactor.ts';
import { onceStopped, refused } from './ends.ts';
import { cancelOf, renderMessage } from './render.ts';

/** Acknowledged rows are deleted together, this long after the first of them. */
const FLUSH_MS = 50;

export class NodeOutbox implements Outbox<InMessage>, Disposable {
  readonly #watch;
  /** Rows handed out and not acknowledged. */
  #sent: OutboxRow[] = [];
  #acked = 0n;
  #timer: Disposable | undefined;

  /** @param cancelled told of the executions whose cancel the node has acknowledged */
  constructor(
    readonly transactor: Transactor,
    readonly session: SessionKey,
    readonly cancelled: (executionIds: readonly string[]) => void,
    readonly failed: (error: unknown) => void,
  ) {
    this.#watch = transactor.store.watch(changes.outbox(session.nodeId));
  }

  async pending(after: bigint, limit: number): Promise<{ seq: bigint; message: InMessage }[]> {
    const messages = await this.transactor.store.read(async (reader) => {
      const rows = await reader.outbox.list(this.session.nodeId, after, limit);
      const rendered: { row: OutboxRow; message: InMessage }[] = [];
      for (const row of rows) rendered.push({ row, message: await this.#render(reader, row) });
      return rendered;
    });
    this.#sent = this.#sent.filter(({ seq }) => seq <= after);
    this.#sent.push(...messages.map(({ row }) => row));
    return messages.map(({ row: { seq }, message }) => ({ seq, message }));
  }

  /** An execution that cannot be read is not asked for, and keeps nobody from the node's other messages. */
  async #render(reader: StoreReader, row: OutboxRow): Promise<InMessage> {
    try {
      return await renderMessage(reader, row);
    } catch (error) {
      this.failed(error);
      return cancelOf(row.executionId);
    }
  }

  changed(_after: bigint, signal: AbortSignal): Promise<void> {
    return this.#watch.next(signal);
  }

  /** Deleted soon: what a crash leaves in between is sent again, and does no harm. */
  acknowledged(seq: bigint): Promise<void> {
    this.#acked = seq;
    this.#timer ??= this.transactor.context.world.after(FLUSH_MS, () => {
      this.#timer = undefined;
      this.#flush();
    });
    const done = this.#sent.filter((row) => row.seq <= seq);
    this.#sent = this.#sent.filter((row) => row.seq > seq);
    const cancelled = done.filter(({ kind }) => kind === 'cancel').map(({ executionId }) => executionId);
    if (cancelled.length > 0) this.cancelled(cancelled);
    return Promise.resolve();
  }

  #flush(): void {
    const [{ nodeId, epoch }, seq] = [this.session, this.#acked];
    const write = this.transactor.store.write(async (tx) => {
      // Rows of a later session are numbered on, and none of them is meant.
      const current = await tx.nodes.session(nodeId);
      if (current?.epoch === epoch) await tx.outbox.acknowledge(nodeId, seq);
    });
    write.catch(this.failed);
  }

  /** The ask of a job that no message can hold fails that execution for good; nothing else can grow so large. */
  async undeliverable(seq: bigint, error: BacalhauError): Promise<void> {
    const row = this.#sent.find((sent) => sent.seq === seq);
    if (row?.kind !== 'ask') return;
    await this.transactor.commit(async (work) => {
      const execution = await work.tx.executions.get(row.executionId);
      if (execution?.phase === 'stopping') return await onceStopped(work, execution);
      if (execution?.phase !== 'asked') return;
      const unit = (await work.unit(execution.jobId))!;
      await unit.change(execution, refused(error.message, 'BidRejected'), {
        events: [{ Topic: 'Exec Scanning', Message: error.message, Details: { IsError: 'true' } }],
      });
      work.reported(execution, unit);
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#watch[Symbol.dispose]();
  }
}
