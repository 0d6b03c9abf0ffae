/**
 * Brings a file's schema up to date. Steps are only ever appended: the checksum of each applied one is stored, and a file
 * that a newer program wrote is refused instead of misread.
 */
import { type Kysely, sql } from 'kysely';
import { BacalhauError } from '../model/mod.ts';
import type { Migration } from './database.ts';

interface MigrationTable {
  schema_migrations: { name: string; checksum: string; applied: bigint };
}

/** @throws BacalhauError `StoreVersion` when the file has steps unknown to this program, or changed ones */
export async function migrate<Schema>(
  schema: Kysely<Schema>,
  migrations: readonly Migration[],
  options: { readonly path: string; readonly now: bigint },
): Promise<void> {
  const db = schema as unknown as Kysely<MigrationTable>;
  await sql`create table if not exists schema_migrations (
    name text primary key not null, checksum text not null, applied bigint not null)`.execute(db);
  const applied = await db.selectFrom('schema_migrations').selectAll().orderBy('name').execute();
  const known = new Map(migrations.map((migration) => [migration.name, checksum(migration)]));
  for (const { name, checksum } of applied) {
    if (known.get(name) === checksum) continue;
    const why = known.has(name)
      ? `its schema step ${name} differs from ours`
      : `it has the schema step ${name}`;
    throw new BacalhauError('StoreVersion', `Cannot open store "${options.path}": ${why}`, {
      component: 'Store',
      hint: 'A different version of this program wrote it: run that version, or give another data directory.',
    });
  }
  const done = new Set(applied.map((step) => step.name));
  for (const migration of migrations) {
    if (done.has(migration.name)) continue;
    for (const statement of migration.statements) await sql.raw(statement).execute(db);
    await db.insertInto('schema_migrations')
      .values({ name: migration.name, checksum: checksum(migration), applied: options.now }).execute();
  }
}

/** FNV-1a, 64 bits: it guards against edits by mistake, not by intent. White space does not count. */
function checksum(migration: Migration): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(migration.statements.join(';').replace(/\s+/g, ' '))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
