/**
 * One process per data directory. The lock is that of an SQLite file held open: the system gives it back when the
 * process ends, however it ends, and it works alike on every system.
 */
import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/** @returns gives the lock back; null when another process has it. @throws Error when the file cannot be made */
export function lockFile(path: string): Disposable | null {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // Whoever can read it can hold it.
    chmodSync(path, 0o600);
    // Held as long as the transaction is open; nothing is ever written, so nothing is synced.
    database.exec('begin exclusive');
    const held = database;
    return { [Symbol.dispose]: () => held.close() };
  } catch (error) {
    database?.close();
    const { errcode, message } = error as { errcode?: number; message: string };
    // Deno finds the file locked while it opens it, and then tells it in words only.
    if (errcode === SQLITE_BUSY || message === 'database is locked') return null;
    throw error;
  }
}
