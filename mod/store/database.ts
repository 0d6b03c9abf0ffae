/**
 * The durable core under every store: transactions, snapshot reads and wake-ups over a typed schema, with nothing of
 * SQLite in it. `sqlite.ts` implements it on a file; one on Postgres follows. Queries are Kysely's; hot ones go through
 * `statement.ts`, which compiles them once.
 */
import type { Kysely } from 'kysely';
import type { BacalhauError } from '../model/mod.ts';

/**
 * What a write operation works on. It is valid only while the operation runs; `db.transaction()` is refused, since the
 * operation already is one.
 */
export interface Transaction<Schema> {
  readonly db: Kysely<Schema>;
  /** Wakes all that wait for `key` once the transaction is durable; repeated keys wake once. */
  notify(key: string): void;
  /**
   * Where an operation changes memory. `effect` runs once what the operation wrote is durable and before its caller hears
   * of it, in order of the operations; never when that is undone. It must not throw.
   */
  afterCommit(effect: () => void): void;
  /**
   * Where an operation read its own writes, or those of its neighbours, into memory: `effect` runs when they have been
   * undone, of this operation alone or with its whole group, before anything else runs. It must not throw.
   */
  afterRollback(effect: () => void): void;
}

/** Waits for changes of one key without missing any: a change between two calls of `next` makes the second return at once. */
export interface Watch extends Disposable {
  /** Resolves after a change since the last call (since `watch()` the first time). Rejects with the signal's reason. */
  next(signal?: AbortSignal): Promise<void>;
}

/** How soon a write is to be durable. */
export interface WriteOptions {
  /**
   * Nobody waits for this one: it joins the next commit, and makes one of its own only when none comes for a while. For
   * bookkeeping that does no harm when a crash forgets it, such as what was acknowledged.
   */
  readonly relaxed?: boolean;
}

/** Counters since the database was opened. */
export interface DatabaseStats {
  /** Write operations answered with success. */
  readonly operations: number;
  /** Transactions committed, each with one fsync. Fewer than operations when they share. */
  readonly commits: number;
}

/** A transactional database; SQLite is one. */
export interface Database<Schema> extends AsyncDisposable {
  /**
   * Runs `operation` in a transaction and resolves with its result when it is durable. Operations that wait at the same
   * time share one commit; each has a savepoint of its own, so one that throws is rolled back alone and rejects with what
   * it threw. They run one after the other, in order of the calls. An operation must await only `tx` (nothing else moves
   * while it runs) and must have no effects outside: it may be run again.
   *
   * A lock of somebody else, a full disk or a passing error of the disk makes operations wait and their group run again.
   * @throws BacalhauError `StoreFailed` when the fsync failed, or the file cannot be trusted: nothing of it is acknowledged
   *   and the database takes no more calls; `StoreBusy` when passing trouble lasts too long: nothing of the operation is
   *   stored; `StoreClosed` after `close`
   */
  write<T>(operation: (tx: Transaction<Schema>) => Promise<T>, options?: WriteOptions): Promise<T>;
  /**
   * Runs `operation` on one consistent snapshot of what has been committed, never waiting for a commit. It must await
   * only `db`. Writing in it fails.
   * @throws BacalhauError `StoreBusy` when the file cannot be read for too long
   */
  read<T>(operation: (db: Kysely<Schema>) => Promise<T>): Promise<T>;
  /** Resolves at the next change of `key`. To read in a loop use `watch`, or a change in between is missed. */
  changed(key: string, signal?: AbortSignal): Promise<void>;
  watch(key: string): Watch;
  /** Resolves with the cause when the fsync of a commit has failed. The process has to end then (invariants.md section 4). */
  readonly failed: Promise<BacalhauError>;
  stats(): DatabaseStats;
  /** Runs what is waiting, then closes; idempotent. */
  close(): Promise<void>;
  /** As a crash leaves it: the open transaction is rolled back, the file is free, no pending call ever settles. */
  abandon(): void;
}

/**
 * One step of a schema, never changed after a release (its checksum is stored and compared). Statements keep to what
 * SQLite and Postgres both read: TEXT, BIGINT, partial indexes.
 */
export interface Migration {
  /** `0001-first`; names sort in the order of application. */
  readonly name: string;
  readonly statements: readonly string[];
}
