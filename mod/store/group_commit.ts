/**
 * The one writer. All operations that wait when a transaction opens run in it one after the other, each in a savepoint of
 * its own, and share the commit with its fsync. Answers, refusals included, go out only after the commit: a refusal may
 * rest on what a neighbour in the same transaction wrote.
 */
import type { Kysely } from 'kysely';
import { BacalhauError } from '../model/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { DatabaseStats, Transaction } from './database.ts';

/** An error after which nothing of the open transaction may count. */
export interface Trouble {
  readonly cause: unknown;
  /**
   * `passing`: nothing of it is in the file, and it may go well another time (a lock of somebody else, a failed read or
   * write). `full`: so too, once there is room. `lasting`: nobody knows what is on the disk.
   */
  readonly kind: 'passing' | 'full' | 'lasting';
}

/** The writing connection; the loop alone uses it. */
export interface WriteConnection<Schema> {
  readonly db: Kysely<Schema>;
  control(command: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback to'): Promise<void>;
  /** Set when a statement met it. */
  readonly trouble: Trouble | undefined;
  /** Rolls back what is left of the transaction; the connection is as good as before it. */
  mend(): Promise<void>;
}

export interface GroupCommitOptions<Schema> {
  readonly connection: WriteConnection<Schema>;
  readonly world: Pick<World, 'after' | 'elapsed' | 'sleep'>;
  /** Resolves when the event loop has gone round once, so that requests which have already arrived join the group. */
  readonly turn: () => Promise<void>;
  /** Called with the keys to wake. */
  readonly committed: (keys: ReadonlySet<string>) => void;
  /** Called when the disk is full; true when there is room now, and the group runs again. */
  readonly makeRoom?: () => boolean;
  /** How long an operation waits for trouble to pass before it is refused. */
  readonly waitMs: number;
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
  /** In {@link World.elapsed}. */
  readonly since: number;
  run(tx: Transaction<Schema>): Promise<void>;
  /** Called after the commit. */
  settle(): void;
  reject(error: unknown): void;
}

/** A long queue is cut into transactions of this many operations, so that the first answers do not wait for the last. */
const LARGEST_GROUP = 128;
/** How long bookkeeping waits for a commit to join; it delays acknowledgements of peers that send nothing else. */
const RELAXED_MS = 20;
/** First wait before a group that met passing trouble runs again; doubles. */
const RETRY_MS = 10;
const RETRY_MAX_MS = 1000;

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
  /** Groups in a row that met passing trouble. */
  #retries = 0;

  constructor(readonly options: GroupCommitOptions<Schema>) {
    this.failed = new Promise((resolve) => this.#fail = resolve);
  }

  write<T>(operation: (tx: Transaction<Schema>) => Promise<T>, relaxed = false): Promise<T> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    return new Promise<T>((resolve, reject) => {
      let settle: () => void;
      this.#queue.push({
        since: this.options.world.elapsed(),
        run: async (tx) => {
          const value = await operation(tx);
          settle = () => resolve(value);
        },
        settle: () => settle(),
        reject,
      });
      if (relaxed) this.#waiting ??= this.options.world.after(RELAXED_MS, () => this.#run());
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
      await this.options.turn();
      await this.#group();
    }
    // At once with the look at the queue, or an operation added in between would wait for ever.
    this.#running = undefined;
  }

  async #group(): Promise<void> {
    const { connection, committed } = this.options;
    const entered: Waiting<Schema>[] = [];
    const succeeded: Waiting<Schema>[] = [];
    const refused: (() => void)[] = [];
    const effects = new Effects();
    let current: Waiting<Schema> | undefined;
    try {
      await connection.control('begin');
      while (succeeded.length + refused.length < LARGEST_GROUP && (current = this.#queue.shift())) {
        const waiting = current;
        entered.push(waiting);
        const error = await this.#attempt(waiting, effects);
        if (error === undefined) succeeded.push(waiting);
        else refused.push(() => waiting.reject(error.thrown));
        current = undefined;
      }
      await connection.control('commit');
    } catch (cause) {
      const { trouble } = connection;
      if (trouble && trouble.kind !== 'lasting') {
        await connection.mend();
        effects.undo();
        this.#queue.unshift(...entered);
        return await this.#retry(trouble);
      }
      const lost = [...succeeded, ...current ? [current] : []];
      return await this.#commitFailed(cause, lost, refused);
    }
    this.#retries = 0;
    this.#operations += succeeded.length;
    if (succeeded.length > 0) this.#commits++;
    for (const effect of effects.committed) effect();
    for (const waiting of succeeded) waiting.settle();
    for (const refuse of refused) refuse();
    committed(effects.keys);
  }

  /** Waits a while, or makes room; operations that have waited long enough are refused, and all of them when it closes. */
  async #retry({ cause, kind }: Trouble): Promise<void> {
    const { world, waitMs, makeRoom } = this.options;
    if (kind === 'full' && makeRoom?.()) return;
    const latest = this.#refusal ? Infinity : world.elapsed() - waitMs;
    const late = this.#queue.filter(({ since }) => since <= latest);
    this.#queue = this.#queue.filter(({ since }) => since > latest);
    for (const waiting of late) {
      waiting.reject(storeBusy(cause, world.elapsed() - waiting.since));
    }
    if (this.#queue.length > 0) await world.sleep(Math.min(RETRY_MS * 2 ** this.#retries++, RETRY_MAX_MS));
  }

  /** Runs one operation in a savepoint. Throws only when the connection is in trouble. */
  async #attempt(waiting: Waiting<Schema>, effects: Effects): Promise<{ thrown: unknown } | undefined> {
    const { connection } = this.options;
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
      if (connection.trouble === undefined) {
        await connection.control('rollback to');
        await connection.control('release');
        own.undo();
        return { thrown };
      }
    }
    effects.take(own);
    // Also when the operation swallowed the error of the disk: it must not count as done.
    if (connection.trouble !== undefined) throw connection.trouble.cause;
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
    await this.options.connection.control('rollback').catch(() => undefined);
  }
}

/** The store cannot be used for a while, of which nothing is stored. */
export function storeBusy(cause: unknown, waitedMs: number): BacalhauError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const tried = `tried for ${Math.round(waitedMs / 1000)} s`;
  return new BacalhauError('StoreBusy', `Cannot use the store now: ${why} (${tried})`, {
    component: 'Store',
    status: 503,
    retryable: true,
    hint:
      'Free room on the disk of the data directory, or end the program that holds its files; then try again.',
    cause,
  });
}
