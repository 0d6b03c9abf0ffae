/**
 * The one writer. All operations that wait when a transaction opens run in it one after the other, each in a savepoint of
 * its own, and share the commit with its fsync. Answers, refusals included, go out only after the commit: a refusal may
 * rest on what a neighbour in the same transaction wrote.
 */
import type { Kysely } from 'kysely';
import { BacalhauError } from '../model/mod.ts';
import type { DatabaseStats, Transaction } from './database.ts';

/** The writing connection; the loop alone uses it. */
export interface WriteConnection<Schema> {
  readonly db: Kysely<Schema>;
  control(command: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback to'): Promise<void>;
  /** Set when a statement met an error after which the connection cannot be trusted: disk full, I/O, corruption. */
  readonly broken: unknown;
  /** Whether it is broken only because the disk is full: nothing of the transaction is in the file. */
  readonly full: boolean;
  /** Rolls back what is left of the transaction; the connection is as good as before it. */
  mend(): Promise<void>;
}

/** What is to be done in memory, by the way in which the transaction ends. */
class Effects {
  readonly committed: (() => void)[] = [];
  readonly undone: (() => void)[] = [];
  readonly keys = new Set<string>();

  take({ committed, undone, keys }: Effects): void {
    this.committed.push(...committed);
    this.undone.push(...undone);
    for (const key of keys) this.keys.add(key);
  }

  undo(): void {
    for (const effect of this.undone) effect();
  }
}

interface Waiting<Schema> {
  run(tx: Transaction<Schema>): Promise<void>;
  /** Called after the commit. */
  settle(): void;
  reject(error: unknown): void;
}

/** A long queue is cut into transactions of this many operations, so that the first answers do not wait for the last. */
const LARGEST_GROUP = 128;

export class GroupCommit<Schema> {
  readonly failed: Promise<BacalhauError>;
  #fail!: (error: BacalhauError) => void;
  #refusal: BacalhauError | undefined;
  #queue: Waiting<Schema>[] = [];
  #running: Promise<void> | undefined;
  /** Set while only relaxed operations wait. */
  #waiting: Disposable | undefined;
  #operations = 0;
  #commits = 0;

  /**
   * @param turn resolves when the event loop has gone round once, so that requests which have already arrived join the
   *   group
   * @param committed called with the keys to wake
   * @param later calls back after the time that relaxed operations wait for company
   * @param makeRoom called when the disk is full; true when there is room now, and the group runs again
   */
  constructor(
    readonly connection: WriteConnection<Schema>,
    readonly turn: () => Promise<void>,
    readonly committed: (keys: ReadonlySet<string>) => void,
    readonly later: (callback: () => void) => Disposable,
    readonly makeRoom: () => boolean = () => false,
  ) {
    this.failed = new Promise((resolve) => this.#fail = resolve);
  }

  write<T>(operation: (tx: Transaction<Schema>) => Promise<T>, relaxed = false): Promise<T> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    return new Promise<T>((resolve, reject) => {
      let settle: () => void;
      this.#queue.push({
        run: async (tx) => {
          const value = await operation(tx);
          settle = () => resolve(value);
        },
        settle: () => settle(),
        reject,
      });
      if (relaxed) this.#waiting ??= this.later(() => this.#run());
      else this.#run();
    });
  }

  stats(): DatabaseStats {
    return { operations: this.#operations, commits: this.#commits };
  }

  /** Refuses new operations with `refusal` and resolves when those that wait are done. */
  async stop(refusal: BacalhauError): Promise<void> {
    this.#refusal ??= refusal;
    this.#run();
    await this.#running;
  }

  #run(): void {
    this.#waiting?.[Symbol.dispose]();
    this.#waiting = undefined;
    // Another commit may have taken along what waited; a drain of nothing would never be cleared again.
    if (this.#queue.length > 0) this.#running ??= this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.turn();
      await this.#group();
    }
    // At once with the look at the queue, or an operation added in between would wait for ever.
    this.#running = undefined;
  }

  async #group(): Promise<void> {
    const entered: Waiting<Schema>[] = [];
    const succeeded: Waiting<Schema>[] = [];
    const refused: (() => void)[] = [];
    const effects = new Effects();
    let current: Waiting<Schema> | undefined;
    try {
      await this.connection.control('begin');
      while (succeeded.length + refused.length < LARGEST_GROUP && (current = this.#queue.shift())) {
        const waiting = current;
        entered.push(waiting);
        const error = await this.#attempt(waiting, effects);
        if (error === undefined) succeeded.push(waiting);
        else refused.push(() => waiting.reject(error.thrown));
        current = undefined;
      }
      await this.connection.control('commit');
    } catch (cause) {
      if (this.connection.full && this.makeRoom()) {
        await this.connection.mend();
        effects.undo();
        this.#queue.unshift(...entered);
        return;
      }
      const lost = [...succeeded, ...current ? [current] : []];
      return await this.#commitFailed(cause, lost, refused);
    }
    this.#operations += succeeded.length;
    if (succeeded.length > 0) this.#commits++;
    for (const effect of effects.committed) effect();
    for (const waiting of succeeded) waiting.settle();
    for (const refuse of refused) refuse();
    this.committed(effects.keys);
  }

  /** Runs one operation in a savepoint. Throws only when the connection is broken. */
  async #attempt(waiting: Waiting<Schema>, effects: Effects): Promise<{ thrown: unknown } | undefined> {
    const { connection } = this;
    const own = new Effects();
    await connection.control('savepoint');
    try {
      await waiting.run({
        db: connection.db,
        notify: (key) => void own.keys.add(key),
        afterCommit: (effect) => void own.committed.push(effect),
        afterRollback: (effect) => void own.undone.push(effect),
      });
    } catch (thrown) {
      if (connection.broken === undefined) {
        await connection.control('rollback to');
        await connection.control('release');
        own.undo();
        return { thrown };
      }
    }
    effects.take(own);
    // Also when the operation swallowed the error of a broken connection: it must not count as done.
    if (connection.broken !== undefined) throw connection.broken;
    await connection.control('release');
    return undefined;
  }

  /** After a failed fsync nobody knows what is on disk: nothing more is acknowledged, the process has to end. */
  async #commitFailed(cause: unknown, lost: Waiting<Schema>[], refused: (() => void)[]): Promise<void> {
    const why = cause instanceof Error ? cause.message : String(cause);
    const error = new BacalhauError('StoreFailed', `Cannot commit to the store: ${why}`, {
      component: 'Store',
      hint: 'Check free space and health of the disk that holds the data directory, then start again.',
      cause,
    });
    this.#refusal = error;
    for (const waiting of [...lost, ...this.#queue.splice(0)]) waiting.reject(error);
    for (const refuse of refused) refuse();
    this.#fail(error);
    // Nothing of the transaction may stay visible. It may be gone already, and then there is nothing to roll back.
    await this.connection.control('rollback').catch(() => undefined);
  }
}
