/**
 * {@link Database} on one SQLite file: WAL, synchronous=FULL (each commit is an fsync), one writing connection under
 * group commit and a second, read-only one, so that reads never see what is not durable and never wait for the disk.
 */
import { chmodSync } from 'node:fs';
import { setImmediate } from 'node:timers';
import type { Kysely } from 'kysely';
import { BacalhauError } from '../model/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { Database, DatabaseStats, Migration, Transaction, Watch, WriteOptions } from './database.ts';
import { GroupCommit, storeBusy } from './group_commit.ts';
import { migrate } from './migrate.ts';
import { SqliteConnection } from './sqlite_connection.ts';
import { Wakeups } from './wakeups.ts';

/** Which file, and how it is opened. */
export interface SqliteOptions {
  /** The file; its folder exists. Two more files appear beside it (`-wal`, `-shm`). */
  readonly path: string;
  readonly migrations: readonly Migration[];
  readonly world: World;
  /**
   * Lets the event loop go round once before a transaction opens, so that requests which have arrived share its commit.
   * Default: `setImmediate`. A simulation passes one that its scheduler controls.
   */
  readonly turn?: () => Promise<void>;
  /** Called when the disk is full: makes room and says whether it could; then what did not fit is tried again. */
  readonly makeRoom?: () => boolean;
  /**
   * How long an operation waits while somebody else holds the file, the disk is full or a read or write fails; then it is
   * refused with `StoreBusy`. Infinity: for ever. 30 s.
   */
  readonly waitMs?: number;
}

/** Another process may hold the file while it is opened, which blocks the event loop; later, operations wait instead. */
const OPEN_BUSY_MS = 1000;
const WAIT_MS = 30_000;
const RETRY_READ_MS = 50;
/** Pages in the WAL before a commit copies them into the file: 16 MiB. */
const CHECKPOINT_PAGES = 4096;

const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/**
 * Opens or creates the file and brings its schema up to date.
 * @throws BacalhauError `StoreVersion` when another version of the program wrote it, `StoreOpen` when it cannot be opened
 */
export async function openSqlite<Schema>(options: SqliteOptions): Promise<Database<Schema>> {
  const { path, world } = options;
  let writer: SqliteConnection<Schema> | undefined;
  try {
    writer = new SqliteConnection<Schema>(path, { readOnly: false, busyTimeoutMs: OPEN_BUSY_MS });
    // Stored work may hold secrets: for its owner only, whatever the umask.
    chmodSync(path, 0o600);
    writer.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
      pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}; pragma journal_size_limit = 67108864`);
    await writer.control('begin');
    await migrate(writer.db, options.migrations, { path, now: world.now() });
    await writer.control('commit');
    const reader = new SqliteConnection<Schema>(path, { readOnly: true, busyTimeoutMs: OPEN_BUSY_MS });
    for (const connection of [writer, reader]) connection.exec('pragma busy_timeout = 0');
    return new SqliteDatabase(writer, reader, options);
  } catch (cause) {
    writer?.close();
    if (cause instanceof BacalhauError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BacalhauError('StoreOpen', `Cannot open store "${path}": ${why}`, {
      component: 'Store',
      hint: 'Check that the data directory exists, is writable and is not used by another process.',
      cause,
    });
  }
}

class SqliteDatabase<Schema> implements Database<Schema> {
  readonly failed: Promise<BacalhauError>;
  readonly #wakeups = new Wakeups();
  readonly #commits: GroupCommit<Schema>;
  #reads: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #abandoned = false;

  constructor(
    readonly writer: SqliteConnection<Schema>,
    readonly reader: SqliteConnection<Schema>,
    readonly options: Omit<SqliteOptions, 'path' | 'migrations'>,
  ) {
    const { turn = nextTurn, waitMs = WAIT_MS } = options;
    const committed = (keys: ReadonlySet<string>) => this.#wakeups.notify(keys);
    this.#commits = new GroupCommit({ ...options, connection: writer, turn, committed, waitMs });
    this.failed = this.#commits.failed;
  }

  write<T>(operation: (tx: Transaction<Schema>) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    return this.#abandoned ? new Promise(() => {}) : this.#commits.write(operation, options.relaxed);
  }

  read<T>(operation: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    if (this.#abandoned) return new Promise(() => {});
    if (this.#closed) return Promise.reject(closedError());
    const result = this.#reads.then(() => this.#snapshot(operation));
    this.#reads = result.then(done, done);
    return result;
  }

  changed(key: string, signal?: AbortSignal): Promise<void> {
    return this.#wakeups.changed(key, signal);
  }

  watch(key: string): Watch {
    return this.#wakeups.watch(key);
  }

  stats(): DatabaseStats {
    return this.#commits.stats();
  }

  close(): Promise<void> {
    if (this.#abandoned) return Promise.resolve();
    return this.#closed ??= (async () => {
      await this.#commits.stop(closedError());
      await this.#reads;
      this.reader.close();
      this.writer.close();
    })();
  }

  abandon(): void {
    if (this.#abandoned || this.#closed) return;
    this.#abandoned = true;
    this.reader.abandon();
    this.writer.abandon();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #snapshot<T>(operation: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    await this.#beginRead();
    try {
      return await operation(this.reader.db);
    } finally {
      await this.reader.control('commit');
    }
  }

  /** Takes the snapshot, or waits until that is possible. The operation itself is never run twice. */
  async #beginRead(): Promise<void> {
    const { reader, options: { world, waitMs = WAIT_MS } } = this;
    const since = world.elapsed();
    for (;;) {
      await reader.control('begin deferred');
      try {
        return await reader.control('snapshot');
      } catch (error) {
        const { trouble } = reader;
        await reader.mend();
        if (trouble?.kind !== 'passing') throw error;
        const waited = world.elapsed() - since;
        if (waited >= waitMs || this.#closed) throw storeBusy(error, waited);
        await world.sleep(RETRY_READ_MS);
      }
    }
  }
}

function done(): void {}

function closedError(): BacalhauError {
  return new BacalhauError('StoreClosed', 'Cannot use the store: it has been closed', { component: 'Store' });
}
