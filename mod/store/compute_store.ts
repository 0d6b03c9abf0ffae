/**
 * The durable state of a compute node (invariants.md section 1, "Compute"). Each method is one operation: it resolves
 * when its effect is durable, and shares its commit with others that wait at the same time.
 *
 * Phases change only here and only by compare-and-set: {@link ComputeStore.advance} names the phases from which it may
 * leave, so that a cancel, a bid and a run that meet are ordered by the store. The report that a phase owes to the
 * orchestrator goes into the outbox in the same transaction.
 */
import { decodeExecution, parseJson, stringifyJson } from '../model/mod.ts';
import type { DesiredState, Event, Execution, PortMapping, Resources, StringMap } from '../model/mod.ts';
import type {
  Assignment,
  ComputePhase,
  HeldExecution,
  Peer,
  PhaseChange,
  ReportKind,
  StoredIdentity,
  StoredMessage,
  Unconfirmed,
} from './compute_rows.ts';
import type { ComputeSchema } from './compute_schema.ts';
import { advanceOf, sql } from './compute_sql.ts';
import type { Database, Transaction, Watch, WriteOptions } from './database.ts';

type Row = ComputeSchema['executions'];
type Tx = Transaction<ComputeSchema>;

/** Key that wakes the sender of the outbox. */
export const OUTBOX_KEY = 'compute-outbox';

export interface Advanced {
  readonly rev: bigint;
}

/** A phase that only the node's memory knew until now, with the report of it. */
export interface StatusChange {
  readonly id: string;
  readonly from: readonly ComputePhase[];
  readonly phase: ComputePhase;
  /** Makes the report for the revision that the change gives; null = none is owed. */
  readonly message: ((revision: bigint) => StoredMessage) | null;
  /** A notice carries events, so that a newer status does not replace it. */
  readonly kind: 'status' | 'notice';
}

/** The durable state of a node. */
export class ComputeStore {
  constructor(readonly db: Database<ComputeSchema>) {}

  /** Counts this start of the installation. @returns its number, from 1 */
  boot(): Promise<bigint> {
    return this.db.write(async ({ db }) => {
      const boot = BigInt((await sql.meta.first(db, 'boot'))?.value ?? '0') + 1n;
      await sql.setMeta.run(db, 'boot', String(boot));
      return boot;
    });
  }

  /** The peer of the last session; one that was never met is `''` at 0. */
  async peer(id?: string): Promise<Peer> {
    return await this.db.read(async (db) => {
      const wanted = id ?? (await sql.meta.first(db, 'peer'))?.value ?? '';
      const row = await sql.peer.first(db, wanted);
      return { id: wanted, inSeq: BigInt(row?.in_seq ?? 0), extended: Number(row?.extended ?? 0) === 1 };
    });
  }

  savePeer(peer: Peer, options?: WriteOptions): Promise<void> {
    return this.db.write(async ({ db }) => {
      await sql.setPeer.run(db, peer.id, peer.inSeq, peer.extended ? 1n : 0n);
      await sql.setMeta.run(db, 'peer', peer.id);
    }, options);
  }

  /** All executions that are not confirmed and not ended. */
  async open(): Promise<readonly HeldExecution[]> {
    return (await this.db.read((db) => sql.open.all(db))).map(held);
  }

  unconfirmed(): Promise<readonly Unconfirmed[]> {
    return this.db.read((db) => sql.unconfirmed.all(db)) as Promise<readonly Unconfirmed[]>;
  }

  async find(id: string): Promise<HeldExecution | null> {
    const row = await this.db.read((db) => sql.execution.first(db, id));
    return row ? held(row) : null;
  }

  /**
   * Stores a new execution in phase `received`, or says why not: `known` for a repeated message, `pruned` for one that
   * ended here long ago (invariants.md section 0, row 9). For those nothing is written.
   */
  insert(execution: Execution, cluster: string): Promise<'new' | 'known' | 'pruned'> {
    const row: Row = {
      id: execution.ID,
      cluster,
      job_id: execution.JobID,
      body: stringifyJson(execution),
      desired: BigInt(execution.DesiredState.StateType),
      phase: 'received',
      run_no: 1n,
      allocated: '{}',
      identity: '',
      exit_code: '',
      report: '',
      events: '[]',
      create_time: BigInt(execution.CreateTime),
      queued_at: 0n,
      deadline: 0n,
      ended: 0n,
      confirmed_at: 0n,
      rev: 1n,
      pinned: '',
      ports: '',
      verdict: '',
    };
    return this.db.write(async ({ db }) => {
      if (await sql.tombstone.first(db, row.id)) return 'pruned';
      const prune = await sql.prunedThrough.first(db, cluster);
      if (prune && row.create_time <= BigInt(prune.pruned_through) && !(await sql.phase.first(db, row.id))) {
        return 'pruned';
      }
      return await sql.insert.run(db, row) > 0 ? 'new' : 'known';
    });
  }

  /**
   * Moves an execution to another phase if it is in one of `from`.
   * @returns null when it is not; nothing is written then
   */
  advance(id: string, from: readonly ComputePhase[], change: PhaseChange): Promise<Advanced | null> {
    const { report } = change;
    const { message, kind } = report ?? {};
    const isKept = kind !== undefined && kind !== 'notice';
    // One that is made for its revision comes after it.
    const fixed = typeof message === 'object' ? stringifyJson(message) : null;
    const row = { ...changed(change), ...(isKept && fixed !== null ? { report: fixed } : {}) };
    const update = advanceOf(row, from);
    return this.db.write(async (tx) => {
      const updated = await update.first(tx.db, row, id);
      if (!updated) return null;
      const rev = BigInt(updated.rev);
      if (kind === undefined) return { rev };
      const body = typeof message === 'function' ? stringifyJson(message(rev)) : fixed!;
      if (isKept && fixed === null) await sql.setReport.run(tx.db, id, body);
      await post(tx, id, kind, body);
      return { rev };
    });
  }

  /**
   * Stores which ports and devices a run is to have, before its object is made (invariants.md C4).
   * @returns whether the execution still is to be run
   */
  assign(id: string, { allocated, ports }: Assignment): Promise<boolean> {
    const text = ports.length > 0 ? stringifyJson(ports) : '';
    return this.db.write(async ({ db }) => await sql.assign.run(db, id, stringifyJson(allocated), text) > 0);
  }

  /** An approval that comes before the bid is decided: the bid will queue at once. */
  desire(id: string, desired: DesiredState): Promise<void> {
    return this.db.write(async ({ db }) => {
      await sql.desire.run(db, id, BigInt(desired));
    });
  }

  /** The orchestrator has taken notice of the end. @returns whether that was news */
  confirm(id: string, now: bigint): Promise<boolean> {
    return this.db.write(async ({ db }) => await sql.confirm.run(db, id, now) > 0);
  }

  /**
   * Makes phases durable that were reached in memory, with one status report each; see {@link StatusChange}.
   * @returns the executions that were in a phase to leave
   */
  status(changes: readonly StatusChange[]): Promise<ReadonlySet<string>> {
    return this.db.write(async (tx) => {
      const done = new Set<string>();
      for (const { id, from, phase, message, kind } of changes) {
        const updated = await advanceOf({ phase }, from).first(tx.db, { phase }, id);
        if (!updated) continue;
        if (message) await post(tx, id, kind, stringifyJson(message(BigInt(updated.rev))));
        done.add(id);
      }
      return done;
    });
  }

  /** Puts a message into the outbox that is not tied to a change of phase. */
  post(id: string, kind: ReportKind, message: StoredMessage): Promise<void> {
    const body = stringifyJson(message);
    return this.db.write((tx) => post(tx, id, kind, body));
  }

  /**
   * Sends the stored reports of these executions again where none of theirs waits in the outbox.
   * @returns those that are still not confirmed
   */
  resend(ids: readonly string[]): Promise<readonly string[]> {
    return this.db.write(async (tx) => {
      const owed: string[] = [];
      for (const id of ids) {
        const row = await sql.report.first(tx.db, id);
        if (!row || row.report === '') continue;
        owed.push(id);
        if (!await sql.posted.first(tx.db, id)) await post(tx, id, 'result', row.report);
      }
      return owed;
    });
  }

  /**
   * After a handshake with a peer that knows the extension: the inventory goes first, then what waits, under new
   * numbers; ends without a report get one.
   * @param render makes the messages from all executions that are not confirmed
   */
  inventory(
    render: (
      rows: readonly {
        readonly id: string;
        readonly jobId: string;
        readonly phase: ComputePhase;
        readonly rev: bigint;
      }[],
    ) => readonly StoredMessage[],
  ): Promise<void> {
    return this.db.write(async (tx) => {
      const rows = (await sql.inventory.all(tx.db)).map((row) => ({
        id: row.id,
        jobId: row.job_id,
        phase: row.phase as ComputePhase,
        rev: BigInt(row.rev),
      }));
      const waiting = (await sql.pending.all(tx.db, 0n, -1n)).filter((row) => row.kind !== 'inventory');
      await sql.clearOutbox.run(tx.db);
      for (const message of render(rows)) await post(tx, '', 'inventory', stringifyJson(message));
      for (const row of waiting) await post(tx, row.execution_id, row.kind as ReportKind, row.body);
      const posted = new Set(waiting.map((row) => row.execution_id));
      for (const row of rows) {
        if (row.phase !== 'cancelled' || posted.has(row.id)) continue;
        const stored = await sql.report.first(tx.db, row.id);
        if (stored && stored.report !== '') await post(tx, row.id, 'status', stored.report);
      }
    });
  }

  /** A peer without the extension must not see what belongs to it, nor will it confirm what it cannot hear of. */
  forgetExtension(now: bigint): Promise<void> {
    return this.db.write(async ({ db }) => {
      await sql.dropExtension.run(db);
      await sql.confirmCancelled.run(db, now);
    });
  }

  /** @param limit -1 = all */
  async pending(after: bigint, limit: number): Promise<readonly { seq: bigint; message: StoredMessage }[]> {
    const rows = await this.db.read((db) => sql.pending.all(db, after, BigInt(limit)));
    return rows.map((row) => ({ seq: BigInt(row.seq), message: parseJson(row.body) as StoredMessage }));
  }

  /**
   * Forgets what was acknowledged.
   * @param confirms whether the acknowledgement of a refusal or of a stop confirms it: a peer with the extension
   *   acknowledges after its commit
   */
  acknowledged(seq: bigint, confirms: boolean, now: bigint): Promise<void> {
    return this.db.write(async ({ db }) => {
      if (confirms) await sql.confirmAcknowledged.run(db, seq, now);
      await sql.deleteAcknowledged.run(db, seq);
    }, { relaxed: true });
  }

  watchOutbox(): Watch {
    return this.db.watch(OUTBOX_KEY);
  }

  /** Ended executions that may be forgotten: confirmed before the first time, or ended before the second. */
  prunable(confirmedBefore: bigint, endedBefore: bigint, limit: number): Promise<readonly string[]> {
    return this.db.read(async (db) =>
      (await sql.prunable.all(db, confirmedBefore, endedBefore, BigInt(limit))).map((row) => row.id)
    );
  }

  /** Rows become tombstones; their files are gone already (invariants.md C15). */
  prune(ids: readonly string[]): Promise<void> {
    return this.db.write(async ({ db }) => {
      for (const id of ids) {
        await sql.bury.run(db, id);
        await sql.remove.run(db, id);
      }
    });
  }

  /** Old tombstones become one mark per orchestrator: what was created up to it has been here. */
  pruneTombstones(endedBefore: bigint, limit: number): Promise<number> {
    return this.db.write(async ({ db }) => {
      const rows = await sql.oldTombstones.all(db, endedBefore, BigInt(limit));
      for (const row of rows) {
        await sql.raisePrune.run(db, row.cluster, BigInt(row.create_time));
        await sql.exhume.run(db, row.execution_id);
      }
      return rows.length;
    });
  }
}

/** Adds to the outbox; only the latest status of an execution is worth sending, and none beside its end. */
async function post(tx: Tx, id: string, kind: ReportKind, body: string): Promise<void> {
  if (id !== '' && kind !== 'bid') await sql.dropStatus.run(tx.db, id);
  await sql.post.run(tx.db, id, kind, body);
  tx.notify(OUTBOX_KEY);
}

/** The columns that a change touches. */
function changed(change: PhaseChange): Partial<Row> {
  const {
    desired,
    runNo,
    allocated,
    identity,
    pinned,
    exitCode,
    verdict,
    events,
    queuedAt,
    deadline,
    ended,
    confirmedAt,
  } = change;
  return {
    phase: change.phase,
    ...(desired === undefined ? {} : { desired: BigInt(desired) }),
    ...(runNo === undefined ? {} : { run_no: BigInt(runNo) }),
    ...(allocated === undefined ? {} : { allocated: stringifyJson(allocated) }),
    ...(identity === undefined ? {} : { identity: identity ? stringifyJson(identity) : '' }),
    ...(pinned === undefined ? {} : { pinned: stringifyJson(pinned) }),
    ...(exitCode === undefined ? {} : { exit_code: exitCode === null ? '' : String(exitCode) }),
    ...(verdict === undefined ? {} : { verdict: stringifyJson(verdict) }),
    ...(events === undefined ? {} : { events: stringifyJson(events) }),
    ...(queuedAt === undefined ? {} : { queued_at: queuedAt }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(ended === undefined ? {} : { ended }),
    ...(confirmedAt === undefined ? {} : { confirmed_at: confirmedAt }),
  };
}

function held(row: Row): HeldExecution {
  return Object.freeze({
    id: row.id,
    cluster: row.cluster,
    execution: decodeExecution(parseJson(row.body)),
    desired: Number(row.desired) as DesiredState,
    phase: row.phase as ComputePhase,
    runNo: Number(row.run_no),
    allocated: parseJson(row.allocated) as Resources,
    identity: row.identity ? parseJson(row.identity) as StoredIdentity : null,
    pinned: row.pinned ? parseJson(row.pinned) as StringMap : {},
    ports: row.ports ? parseJson(row.ports) as readonly PortMapping[] : [],
    exitCode: row.exit_code === '' ? null : Number(row.exit_code),
    verdict: row.verdict ? parseJson(row.verdict) as Event : null,
    events: parseJson(row.events) as readonly Event[],
    queuedAt: BigInt(row.queued_at),
    deadline: BigInt(row.deadline),
    ended: BigInt(row.ended),
    confirmedAt: BigInt(row.confirmed_at),
    rev: BigInt(row.rev),
  });
}
