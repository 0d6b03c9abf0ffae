/** Commits that cannot be made, now or at all; and operations that wait for company. */
import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqlite } from '../../mod/store/mod.ts';
import { GroupCommit, type GroupCommitOptions, type WriteConnection } from '../../mod/store/group_commit.ts';
import { SqliteConnection } from '../../mod/store/sqlite_connection.ts';
import { realWorld } from '../../runtime/world.ts';

interface Schema {
  entries: { key: string; value: string };
}
const TABLE = 'create table entries (key text primary key not null, value text not null)';

const idle: WriteConnection<Schema> = {
  db: undefined as never,
  trouble: undefined,
  mend: () => Promise.resolve(),
  control: () => Promise.resolve(),
};

/** A clock that moves by its sleeps only, and timers that a test fires. */
function fakeTime() {
  let now = 0;
  const sleeps: number[] = [];
  const timers: (() => void)[] = [];
  return {
    sleeps,
    timers,
    elapsed: () => now,
    sleep: (ms: number) => {
      now += ms;
      sleeps.push(ms);
      return Promise.resolve();
    },
    after: (_: number, callback: () => void) => {
      timers.push(callback);
      return { [Symbol.dispose]: () => void timers.splice(timers.indexOf(callback), 1) };
    },
  };
}

function commitsOf(options: Partial<GroupCommitOptions<Schema>> = {}): GroupCommit<Schema> {
  return new GroupCommit({
    connection: idle,
    world: fakeTime(),
    turn: () => Promise.resolve(),
    committed: () => undefined,
    waitMs: 1000,
    ...options,
  });
}

describe('relaxed operations', () => {
  it('join the commit of another, and make one of their own when none comes', async () => {
    const world = fakeTime();
    const { timers } = world;
    const commits = commitsOf({ world });
    const joined = commits.write(() => Promise.resolve('relaxed'), true);
    expect(timers).toHaveLength(1);
    await commits.write(() => Promise.resolve());
    expect(await joined).toBe('relaxed');
    expect(commits.stats().commits).toBe(1);
    expect(timers).toHaveLength(0);

    const alone = commits.write(() => Promise.resolve('alone'), true);
    timers[0]!();
    expect(await alone).toBe('alone');
    expect(commits.stats().commits).toBe(2);
  });

  it('leave the writer usable when another commit took them along', async () => {
    const world = fakeTime();
    const commits = commitsOf({ world });
    let taken: Promise<string>;
    let fire: () => void;
    await commits.write(() => {
      taken = commits.write(() => Promise.resolve('taken along'), true);
      fire = world.timers[0]!;
      return Promise.resolve();
    });
    expect(await taken!).toBe('taken along');
    fire!();
    expect(await commits.write(() => Promise.resolve('goes on'))).toBe('goes on');
  });
});

describe('a lock of another program', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'store-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Opens the store with another connection to its file beside. */
  async function locked(waitMs: number, sleep = realWorld.sleep) {
    const path = join(folder, 'a.db');
    const migrations = [{ name: '0001-first', statements: [TABLE] }];
    const db = await openSqlite<Schema>({ path, migrations, waitMs, world: { ...realWorld, sleep } });
    const other = new DatabaseSync(path);
    const put = (key: string) =>
      db.write((tx) => tx.db.insertInto('entries').values({ key, value: '' }).execute());
    return { db, other, put };
  }

  it('makes writes wait, and they are done when it is gone', async () => {
    let waits = 0;
    const { db, other, put } = await locked(60_000, async (ms) => {
      if (++waits === 3) other.exec('rollback');
      await realWorld.sleep(ms);
    });
    other.exec('begin immediate');
    await Promise.all([put('a'), put('b')]);
    const rows = await db.read((read) => read.selectFrom('entries').select('key').orderBy('key').execute());
    expect(rows).toEqual([{ key: 'a' }, { key: 'b' }]);
    expect(waits).toBe(3);
    other.close();
    await db.close();
  });

  it('that lasts too long refuses them with the reason; the store lives on', async () => {
    const { db, other, put } = await locked(0);
    other.exec('begin immediate');
    await expect(put('a')).rejects.toMatchObject({
      code: 'StoreBusy',
      status: 503,
      retryable: true,
      message: expect.stringContaining('locked'),
    });
    other.exec('rollback');
    await put('a');
    other.close();
    await db.close();
  });

  it('does not keep the store from closing', async () => {
    const { db, other, put } = await locked(Infinity);
    other.exec('begin immediate');
    const waits = put('a').catch((error) => error.code);
    await db.close();
    expect(await waits).toBe('StoreBusy');
    other.close();
  });
});

describe('a full disk', () => {
  it('makes room once, then waits for it, and runs all of its group again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'store-'));
    const connection = new SqliteConnection<Schema>(join(folder, 'a.db'), {
      readOnly: false,
      busyTimeoutMs: 0,
    });
    connection.exec(`pragma journal_mode = wal; ${TABLE}; pragma max_page_count = 20`);
    const log: string[] = [];
    const time = fakeTime();
    const world = {
      ...time,
      sleep: (ms: number) => {
        log.push('sleep');
        connection.exec('pragma max_page_count = 1000');
        return time.sleep(ms);
      },
    };
    const makeRoom = () => {
      log.push('make room');
      return log.filter((each) => each === 'make room').length === 1;
    };
    const commits = commitsOf({ connection, world, makeRoom });
    const put = (key: string, length: number) =>
      commits.write(async (tx) => {
        log.push(key);
        tx.afterCommit(() => log.push(`committed ${key}`));
        tx.afterRollback(() => log.push(`undone ${key}`));
        await tx.db.insertInto('entries').values({ key, value: 'x'.repeat(length) }).execute();
      });
    const again = put('a', 1).then(() => put('a', 1));
    await expect(again).rejects.toMatchObject({ code: 'UniqueViolation' });
    log.length = 0;
    const results = await Promise.allSettled([put('b', 1), put('a', 1), put('c', 100_000), put('d', 1)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    const tried = ['b', 'a', 'undone a', 'c'];
    expect(log).toEqual([
      ...[...tried, 'undone b', 'undone c', 'make room'],
      ...[...tried, 'undone b', 'undone c', 'make room', 'sleep'],
      ...[...tried, 'd', 'committed b', 'committed c', 'committed d'],
    ]);
    connection.close();
    rmSync(folder, { recursive: true });
  });

  it('that stays full refuses what has waited long enough, each after its own time', async () => {
    const world = fakeTime();
    const full = { ...idle, trouble: { cause: new Error('disk is full'), kind: 'full' as const } };
    const commits = commitsOf({ world, connection: { ...full, control: () => Promise.reject('full') } });
    await expect(commits.write(() => Promise.resolve())).rejects.toMatchObject({
      code: 'StoreBusy',
      message: 'Cannot use the store now: disk is full (tried for 1 s)',
    });
    expect(world.sleeps.slice(0, 3)).toEqual([10, 20, 40]);
    await expect(commits.write(() => Promise.resolve())).rejects.toMatchObject({ code: 'StoreBusy' });
  });
});

describe('a failed fsync', () => {
  it('acknowledges nothing of its group and nothing after it', async () => {
    const log: string[] = [];
    const connection: WriteConnection<Schema> = {
      ...idle,
      control: (command) => {
        log.push(command);
        return command === 'commit' ? Promise.reject(new Error('fsync failed')) : Promise.resolve();
      },
    };
    const commits = commitsOf({ connection, committed: () => log.push('woken') });
    const failure = { code: 'StoreFailed', message: 'Cannot commit to the store: fsync failed' };
    const writes = [1, 2].map((n) =>
      commits.write((tx) => {
        tx.afterCommit(() => log.push('effect'));
        return Promise.resolve(n);
      })
    );
    for (const write of writes) await expect(write).rejects.toMatchObject(failure);
    expect(await commits.failed).toMatchObject(failure);
    await expect(commits.write(() => Promise.resolve(3))).rejects.toMatchObject(failure);
    expect(log).toEqual([
      ...['begin', 'savepoint', 'release', 'savepoint', 'release', 'commit', 'rollback'],
    ]);
  });

  it('counts an operation as lost that swallowed the error of a broken disk', async () => {
    const connection = { ...idle, trouble: undefined as WriteConnection<Schema>['trouble'] };
    const commits = commitsOf({ connection });
    const write = commits.write(() => {
      connection.trouble = { cause: new Error('I/O error'), kind: 'lasting' };
      return Promise.resolve();
    });
    await expect(write).rejects.toMatchObject({ code: 'StoreFailed' });
  });
});
