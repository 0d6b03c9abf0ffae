/** The durable core: savepoints, shared commits, answers after the commit, wake-ups, failure, migrations. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { type Database, type Migration, openSqlite } from '../../mod/store/mod.ts';
import { testWorld } from './samples.ts';

interface Schema {
  entries: { key: string; value: bigint };
}

const MIGRATIONS: readonly Migration[] = [{
  name: '0001-first',
  statements: ['create table entries (key text primary key not null, value bigint not null)'],
}];

let folder = '';
let db: Database<Schema>;
const open = (migrations = MIGRATIONS) =>
  openSqlite<Schema>({ path: join(folder, 'a.db'), migrations, world: testWorld() });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
  db = await open();
});
afterEach(async () => {
  await db.close();
  rmSync(folder, { recursive: true });
});

const put = (key: string, value = 1n) =>
  db.write((tx) => tx.db.insertInto('entries').values({ key, value }).execute());
const all = async (from = db) =>
  Object.fromEntries(
    (await from.read((read) => read.selectFrom('entries').selectAll().execute())).map((
      { key, value },
    ) => [key, value]),
  );

describe('group commit', () => {
  it('equals running the operations one after the other, whichever of them fail', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      add: fc.integer({ min: -3, max: 3 }),
      fails: fc.boolean(),
    });
    const operation = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
      /** Starts only when one that came before has been answered. */
      waits: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        await db.write((tx) => tx.db.deleteFrom('entries').execute());
        const order: number[] = [];
        const answers: Promise<unknown>[] = [];
        for (const [i, { steps, waits }] of operations.entries()) {
          if (waits) await answers.at(-1);
          answers.push(
            db.write(async (tx) => {
              order.push(i);
              for (const { key, add, fails } of steps) {
                const seen = await tx.db.selectFrom('entries').selectAll().where('key', '=', key)
                  .executeTakeFirst();
                const value = (seen?.value ?? 0n) * 2n + BigInt(add);
                await tx.db.replaceInto('entries').values({ key, value }).execute();
                if (fails) throw new Error(`${i}`);
              }
              return i;
            }).catch((error) => error.message),
          );
        }
        const model: Record<string, bigint> = {};
        const wanted = operations.map(({ steps }, i) => {
          const after = { ...model };
          for (const { key, add, fails } of steps) {
            after[key] = (after[key] ?? 0n) * 2n + BigInt(add);
            if (fails) return `${i}`;
          }
          Object.assign(model, after);
          return i;
        });
        expect(await Promise.all(answers)).toEqual(wanted);
        expect(order).toEqual(operations.map((_, i) => i));
        expect(await all()).toEqual(model);
      }),
      { numRuns: 100 },
    );
  });

  it('shares commits among those that wait, and loses none', async () => {
    const before = db.stats();
    await Promise.all(Array.from({ length: 64 }, async (_, writer) => {
      for (let i = 0; i < 20; i++) await put(`${writer}-${i}`);
    }));
    expect(Object.keys(await all())).toHaveLength(1280);
    const after = db.stats();
    expect(after.operations - before.operations).toBe(1280);
    expect(after.commits - before.commits).toBeLessThan(200);
  });

  it('answers, refusals too, only after the commit, and readers see nothing before', async () => {
    const log: string[] = [];
    const first = db.write(async (tx) => {
      await tx.db.insertInto('entries').values({ key: 'a', value: 1n }).execute();
      log.push(`inside: ${Object.keys(await all()).length}`);
    }).then(() => log.push('answered'));
    const second = put('a').catch((error) => log.push(error.code));
    await Promise.all([first, second]);
    expect(log).toEqual(['inside: 0', 'answered', 'UniqueViolation']);
    expect(db.stats().commits).toBe(1);
  });

  it('refuses a transaction inside an operation, and writing in a read', async () => {
    await expect(db.write((tx) => tx.db.transaction().execute(() => Promise.resolve()))).rejects.toThrow(
      'already',
    );
    await expect(db.read((read) => read.deleteFrom('entries').execute())).rejects.toThrow('readonly');
    await put('still works');
  });

  it('reads one snapshot, whatever is committed meanwhile', async () => {
    await put('a');
    const seen = await db.read(async (read) => {
      const count = async () => (await read.selectFrom('entries').selectAll().execute()).length;
      const before = await count();
      await put('b');
      return [before, await count()];
    });
    expect(seen).toEqual([1, 1]);
    expect(Object.keys(await all())).toEqual(['a', 'b']);
  });

  it('wakes after the commit, once for many, and not for what was rolled back', async () => {
    using watch = db.watch('k');
    await Promise.allSettled([1, 2, 3].map(() =>
      db.write((tx) => {
        tx.notify('k');
        return Promise.resolve();
      })
    ));
    await watch.next();
    await db.write((tx) => {
      tx.notify('k');
      return Promise.reject(new Error('no'));
    }).catch(() => undefined);
    const nothing = new AbortController();
    const waiting = watch.next(nothing.signal);
    await put('another commit');
    nothing.abort(new Error('nothing came'));
    await expect(waiting).rejects.toThrow('nothing came');
  });

  it('changes memory only for what is durable, and says of what was undone', async () => {
    const log: string[] = [];
    const operation = (name: string, fails = false) =>
      db.write((tx) => {
        tx.afterCommit(() => log.push(`committed ${name}`));
        tx.afterRollback(() => log.push(`undone ${name}`));
        log.push(name);
        return fails ? Promise.reject(new Error('no')) : Promise.resolve();
      }).then(() => log.push(`answered ${name}`), () => log.push(`refused ${name}`));
    await Promise.all([operation('a'), operation('b', true), operation('c')]);
    expect(log.slice(0, 6)).toEqual(['a', 'b', 'undone b', 'c', 'committed a', 'committed c']);
    expect(log.slice(6).sort()).toEqual(['answered a', 'answered c', 'refused b']);
  });

  it('runs what waits before it closes, and refuses what comes after', async () => {
    const last = put('last');
    const closing = db.close();
    await expect(put('too late')).rejects.toMatchObject({ code: 'StoreClosed' });
    await Promise.all([last, closing]);
    await expect(all()).rejects.toMatchObject({ code: 'StoreClosed' });
    db = await open();
    expect(Object.keys(await all())).toEqual(['last']);
  });

  it('leaves nothing of an unfinished transaction when it is abandoned, and settles no call', async () => {
    await put('kept');
    const settled: string[] = [];
    let inside!: () => void;
    const reached = new Promise<void>((resolve) => inside = resolve);
    const note = (name: string) => [() => settled.push(name), () => settled.push(name)] as const;
    db.write(async (tx) => {
      await tx.db.insertInto('entries').values({ key: 'lost', value: 1n }).execute();
      inside();
      await tx.db.selectFrom('entries').selectAll().execute();
    }).then(...note('operation'));
    put('queued').then(...note('queued'));
    await reached;
    db.abandon();
    put('after').then(...note('after'));
    all().then(...note('read'));
    db = await open();
    expect(Object.keys(await all())).toEqual(['kept']);
    await put('next');
    expect(settled).toEqual([]);
  });
});

describe('migrations', () => {
  const second: Migration = { name: '0002-second', statements: ['alter table entries add column note text'] };

  it('adds what is new and refuses a file of a newer program or a changed step', async () => {
    await put('a');
    await db.close();
    db = await open([...MIGRATIONS, second]);
    expect(Object.keys(await all())).toEqual(['a']);
    await db.close();
    const newer = { code: 'StoreVersion', message: expect.stringContaining('0002-second') };
    await expect(open()).rejects.toMatchObject(newer);
    const edited = { ...second, statements: ['alter table entries add column other text'] };
    await expect(open([...MIGRATIONS, edited])).rejects.toMatchObject(newer);
    db = await open([...MIGRATIONS, second]);
  });

  it('leaves the file as it was when a step fails', async () => {
    await db.close();
    const bad = { name: '0002-bad', statements: ['create table more (a text)', 'no sql'] };
    await expect(open([...MIGRATIONS, bad])).rejects.toMatchObject({ code: 'StoreOpen' });
    db = await open([...MIGRATIONS, { name: '0002-good', statements: ['create table more (a text)'] }]);
  });
});
