/** What is committed, read from the files themselves by connections of the observer's own. */
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

type Row = Readonly<Record<string, string | number | null>>;

export class Committed {
  #db: DatabaseSync | null = null;
  readonly #statements = new Map<string, StatementSync>();
  #version = -1;

  constructor(readonly path: string) {}

  /** Whether anything was committed since the last call. */
  changed(): boolean {
    const row = this.rows('pragma data_version')[0];
    if (!row || row.data_version === this.#version) return false;
    this.#version = Number(row.data_version);
    return true;
  }

  /** None while there is no file, or no table yet. */
  rows<T = Row>(sql: string, ...values: (string | number)[]): readonly T[] {
    if (!this.#db) {
      if (!existsSync(this.path)) return [];
      this.#db = new DatabaseSync(this.path, { readOnly: true });
    }
    let statement = this.#statements.get(sql);
    if (!statement) {
      if (!this.#db.prepare(`select 1 from sqlite_schema where name = 'executions'`).get()) return [];
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement.all(...values) as T[];
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }
}
