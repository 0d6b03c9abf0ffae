/** Answers kept under a client's key, so that a request sent again gets the first one's answer. */
import { BacalhauError } from '../model/mod.ts';
import { orConflict, type ReadContext, type WriteContext } from './context.ts';
import { prepare, type Written } from './orchestrator_schema.ts';
import type { IdempotencyRow } from './rows.ts';
import { fields } from './statement.ts';
import type { IdempotencyReader, IdempotencyRepository } from './store.ts';

const get = prepare((db, key: string, namespace: string, now: bigint) =>
  db.selectFrom('idempotency').selectAll().where('key', '=', key).where('namespace', '=', namespace)
    .where('expires', '>', now).compile()
);
const insert = prepare((db, row: Written<'idempotency'>) =>
  db.insertInto('idempotency').values(fields(row, ['key', 'namespace', 'answer', 'expires'])).compile()
);
const dropExpired = prepare((db, key: string, namespace: string, now: bigint) =>
  db.deleteFrom('idempotency').where('key', '=', key).where('namespace', '=', namespace)
    .where('expires', '<=', now).compile()
);
const prune = prepare((db, now: bigint, limit: number) =>
  db.deleteFrom('idempotency').where(
    (row) => row.refTuple('key', 'namespace'),
    'in',
    (of) =>
      of.selectFrom('idempotency').select(['key', 'namespace']).where('expires', '<=', now).limit(limit)
        .$asTuple('key', 'namespace'),
  ).compile()
);

export class IdempotencyKeysReader implements IdempotencyReader {
  constructor(readonly context: ReadContext) {}

  async get(key: string, namespace: string, now: bigint): Promise<IdempotencyRow | undefined> {
    const row = await get.first(this.context.db, key, namespace, now);
    return row && Object.freeze({ ...row });
  }
}

export class IdempotencyKeys extends IdempotencyKeysReader implements IdempotencyRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async put(row: IdempotencyRow): Promise<void> {
    const { db, now } = this.context;
    await dropExpired.run(db, row.key, row.namespace, now);
    await orConflict(
      insert.run(db, row),
      (cause) =>
        new BacalhauError(
          'ResourceInUse',
          `Cannot use idempotency key "${row.key}" again: it has an answer`,
          {
            component: 'Store',
            cause,
          },
        ),
    );
  }

  async prune(limit: number): Promise<number> {
    return await prune.run(this.context.db, this.context.now, limit);
  }
}
