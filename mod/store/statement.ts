/**
 * Queries that are built and compiled once and then run with other values. Kysely builds the SQL from placeholders
 * instead of values; each run puts the values in their places. This halves the cost of a hot statement.
 *
 * ```ts
 * const prepare = statements<Schema>();
 * const jobById = prepare((db, id: string) => db.selectFrom('jobs').selectAll().where('id', '=', id).compile());
 * const row = await jobById.first(tx.db, 'j-1');
 * ```
 * The building function is called once with placeholders, so it must pass its parameters on and never look at them.
 */
import type { CompiledQuery, DatabaseConnection, DialectAdapter, Kysely, QueryResult } from 'kysely';

/** Connections by the Kysely instance that has only this one. */
const connections = new WeakMap<object, DatabaseConnection>();

/**
 * Prepared statements over `db` go straight to its connection. Kysely's own way takes a connection, runs plugins and
 * gives it back, several promises that cost more than a query of SQLite.
 */
export function useDirectly(db: object, connection: DatabaseConnection): void {
  connections.set(db, connection);
}

/** Stands for parameter `index` of the building function, or for what is made of it. */
class Placeholder {
  constructor(readonly index: number, readonly make?: (value: never) => unknown) {}
}

export interface Statement<P extends readonly unknown[], Row> {
  all<S>(db: Kysely<S>, ...values: P): Promise<Row[]>;
  first<S>(db: Kysely<S>, ...values: P): Promise<Row | undefined>;
  /** Number of rows that were inserted, updated or deleted. */
  run<S>(db: Kysely<S>, ...values: P): Promise<number>;
}

class CompiledOnce<Schema, P extends readonly unknown[], Row> implements Statement<P, Row> {
  /** One compiled form per kind of database: Postgres numbers its parameters. */
  readonly #compiled = new WeakMap<DialectAdapter, CompiledQuery<Row>>();

  constructor(readonly build: (db: Kysely<Schema>, ...parameters: P) => CompiledQuery<Row>) {}

  #execute<S>(db: Kysely<S>, values: P): Promise<QueryResult<Row>> {
    const dialect = db.getExecutor().adapter;
    let compiled = this.#compiled.get(dialect);
    if (!compiled) {
      const placeholders = Array.from(
        { length: this.build.length - 1 },
        (_, index) => new Placeholder(index),
      );
      compiled = this.build(db as unknown as Kysely<Schema>, ...placeholders as unknown as P);
      this.#compiled.set(dialect, compiled);
    }
    const parameters = compiled.parameters.map((parameter) => {
      if (!(parameter instanceof Placeholder)) return parameter;
      const value = values[parameter.index];
      return parameter.make ? parameter.make(value as never) : value;
    });
    const { sql, query, queryId } = compiled;
    return (connections.get(db) ?? db).executeQuery<Row>({ sql, query, queryId, parameters });
  }

  async all<S>(db: Kysely<S>, ...values: P): Promise<Row[]> {
    return (await this.#execute(db, values)).rows;
  }

  async first<S>(db: Kysely<S>, ...values: P): Promise<Row | undefined> {
    return (await this.#execute(db, values)).rows[0];
  }

  async run<S>(db: Kysely<S>, ...values: P): Promise<number> {
    return Number((await this.#execute(db, values)).numAffectedRows ?? 0n);
  }
}

/** The function that prepares statements over `Schema`. */
export function statements<Schema>() {
  return <P extends readonly unknown[], Row>(
    build: (db: Kysely<Schema>, ...parameters: P) => CompiledQuery<Row>,
  ): Statement<P, Row> => new CompiledOnce(build);
}

/** The columns of a row, each with what is stored of it: statements and their values both come from this one list. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => unknown>>;

/** `columns` of the parameter `row`, as an object for `values(...)` or `set(...)`. */
export function columnsOf<Row, C extends Columns<Row>>(
  row: Row,
  columns: C,
): { [K in keyof C]: ReturnType<C[K]> } {
  const { index } = row as unknown as Placeholder;
  return Object.fromEntries(
    Object.entries(columns).map(([name, make]) => [name, new Placeholder(index, make)]),
  ) as { [K in keyof C]: ReturnType<C[K]> };
}

/** The fields `names` of the parameter `row`, which has them under the names of their columns. */
export function fields<T extends object, K extends keyof T & string>(
  row: T,
  names: readonly K[],
): Pick<T, K> {
  return columnsOf(row, Object.fromEntries(names.map((name) => [name, (of: T) => of[name]]))) as Pick<T, K>;
}
