/**
 * One process per data directory. The lock is that of an SQLite file held open: the system gives it back when the
 * process ends, however it ends, and it works alike on every system.
 */
import { DatabaseSync } from 'node:sqlite';

/** @returns gives the lock back; null when another process has it. @throws Error when the file cannot be made */
export function lockFile(path: string): Disposable | null {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Held as long as the transaction is open; nothing is ever written, so nothing is synced.
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === 5) return null;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
