/**
 * One connection to an SQLite file as Kysely sees it, over `node:sqlite` (built into Deno and Bun). It never waits: a
 * query is done when `executeQuery` has been called, and only the answer is asynchronous.
 *
 * Integers go in and come out as `bigint`, so that nanoseconds and sequence numbers are exact; row mappers turn the small
 * ones into numbers. The dialect hands out this one connection without a lock, since the callers (group commit and the
 * reader's queue) already run one after the other; a lock would cost more than a query.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { BacalhauError } from '../model/mod.ts';
import type { Trouble, WriteConnection } from './group_commit.ts';
import { useDirectly } from './statement.ts';

/** Statements kept compiled. Hot ones have constant texts, so a store needs about a hundred. */
const STATEMENT_CACHE = 256;

interface CachedStatement {
  readonly statement: StatementSync;
  /** Whether it answers with rows. */
  readonly reader: boolean;
}

type Bindable = null | number | bigint | string | Uint8Array;

/**
 * Result codes of SQLite after which file, disk or memory cannot be trusted: NOMEM, CORRUPT, NOTADB, and of IOERR the plain
 * one (which tells nothing), FSYNC, DIR_FSYNC, DATA and CORRUPTFS.
 */
const LASTING = [7, 11, 26, 10, 1034, 1290, 8202, 8458];
/** Lowest byte of those that may go well another time: BUSY, LOCKED, IOERR, CANTOPEN, PROTOCOL. A commit wrote nothing then. */
const PASSING = [5, 6, 10, 14, 15];
/** FULL, and IOERR_SHMSIZE: no room for the index of the log. */
const FULL = [13, 4874];
const UNIQUE_VIOLATIONS = [1555, 2067];

function bindable(value: unknown): Bindable {
  switch (typeof value) {
    case 'number':
      // A number is bound as REAL otherwise, and `limit ?` or a TEXT column would see 5.0.
      return Number.isSafeInteger(value) ? BigInt(value) : value;
    case 'boolean':
      return value ? 1n : 0n;
    case 'undefined':
      return null;
    case 'string':
    case 'bigint':
      return value;
  }
  if (value === null || value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot bind a value of type ${Object.prototype.toString.call(value)} to a query`);
}

export class SqliteConnection<Schema> implements DatabaseConnection, WriteConnection<Schema> {
  readonly db: Kysely<Schema>;
  trouble: Trouble | undefined;
  readonly #file: DatabaseSync;
  readonly #statements = new Map<string, CachedStatement>();
  #abandoned = false;

  constructor(path: string, options: { readonly readOnly: boolean; readonly busyTimeoutMs: number }) {
    this.#file = new DatabaseSync(path, { readOnly: options.readOnly, timeout: options.busyTimeoutMs });
    this.db = new Kysely<Schema>({ dialect: dialectOf(this) });
    useDirectly(this.db, this);
  }

  /** Runs SQL without parameters and results at once. */
  exec(sql: string): void {
    this.#file.exec(sql);
  }

  executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#abandoned) return new Promise(() => {});
    try {
      return Promise.resolve(this.#execute<Row>(query.sql, query.parameters));
    } catch (error) {
      return Promise.reject(this.#translate(error));
    }
  }

  control(command: keyof typeof CONTROL): Promise<void> {
    if (this.#abandoned) return new Promise(() => {});
    try {
      this.#prepare(CONTROL[command]).statement.run();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(this.#translate(error));
    }
  }

  // deno-lint-ignore require-yield
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error(
      'Cannot stream a query: a transaction must not stay open while others wait; read it in pages',
    );
  }

  async mend(): Promise<void> {
    // SQLite may have rolled it back by itself.
    await this.control('rollback').catch(() => undefined);
    this.trouble = undefined;
  }

  close(): void {
    this.#statements.clear();
    this.#file.close();
  }

  /** Closes at once, which rolls an open transaction back; calls under way and later ones never settle. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    this.close();
  }

  #execute<Row>(sql: string, parameters: readonly unknown[]): QueryResult<Row> {
    const { statement, reader } = this.#prepare(sql);
    const values = parameters.map(bindable);
    if (reader) return { rows: statement.all(...values) as Row[] };
    return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) };
  }

  #prepare(sql: string): CachedStatement {
    const cached = this.#statements.get(sql);
    if (cached) return cached;
    const statement = this.#file.prepare(sql);
    statement.setReadBigInts(true);
    const prepared = { statement, reader: statement.columns().length > 0 };
    if (this.#statements.size >= STATEMENT_CACHE) {
      this.#statements.delete(this.#statements.keys().next().value!);
    }
    this.#statements.set(sql, prepared);
    return prepared;
  }

  #translate(error: unknown): unknown {
    const { errcode, message } = error as { errcode?: number; message?: string };
    if (errcode === undefined) return error;
    if (UNIQUE_VIOLATIONS.includes(errcode)) {
      return new BacalhauError('UniqueViolation', message ?? '', {
        component: 'Store',
        status: 409,
        cause: error,
      });
    }
    const kind = troubleOf(errcode);
    if (kind) this.trouble ??= { cause: error, kind };
    return error;
  }
}

function troubleOf(code: number): Trouble['kind'] | undefined {
  const kind = code & 0xff;
  if (LASTING.includes(code) || LASTING.slice(0, 3).includes(kind)) return 'lasting';
  if (FULL.includes(code) || kind === 13) return 'full';
  return PASSING.includes(kind) ? 'passing' : undefined;
}

const CONTROL = Object.freeze({
  begin: 'begin immediate',
  'begin deferred': 'begin deferred',
  /** A deferred transaction has its snapshot from the first read on. */
  snapshot: 'select 1 from sqlite_schema limit 1',
  commit: 'commit',
  rollback: 'rollback',
  savepoint: 'savepoint operation',
  release: 'release operation',
  'rollback to': 'rollback to operation',
});

class UnlockedAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}
const adapter = new UnlockedAdapter();

function dialectOf(connection: DatabaseConnection): Dialect {
  const refuse = () =>
    Promise.reject(
      new Error('Cannot begin a transaction: an operation already runs in one (Database.write)'),
    );
  const driver: Driver = {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(connection),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    destroy: () => Promise.resolve(),
  };
  return {
    createDriver: () => driver,
    createAdapter: () => adapter,
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}
