/** Wants: slots of jobs that wait for room or for a time, in the order in which they are served. */
import { type Insertable, sql } from 'kysely';
import type { ReadContext, WriteContext } from './context.ts';
import { prepare, type RequestsTable, type Stored } from './orchestrator_schema.ts';
import type { RequestRow, WantRow } from './rows.ts';
import { type Columns, columnsOf } from './statement.ts';
import type { WantReader, WantRepository } from './store.ts';

const COLUMNS = {
  job_id: (row) => row.jobId,
  slot: (row) => row.slot,
  slots: (row) => row.slots,
  version: (row) => row.version,
  request: (row) => row.request,
  node_id: (row) => row.nodeId,
  namespace: (row) => row.namespace,
  priority: (row) => row.priority,
  since: (row) => row.since,
  due: (row) => row.due,
} satisfies Columns<WantRow>;
const NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

const allRequests = prepare((db) =>
  db.selectFrom('requests').leftJoin(
    'wants',
    (join) =>
      join.on(sql<boolean>`(wants.job_id, wants.slot) = (select first.job_id, first.slot from wants as first
        where first.request = requests.id and first.node_id = '' and first.due = 0
        order by first.priority desc, first.since limit 1)`),
  ).select(['requests.id as request_id', 'requests.key as key']).selectAll('wants').orderBy('requests.id')
    .compile()
);
const requestByKey = prepare((db, key: string) =>
  db.selectFrom('requests').select('id').where('key', '=', key).compile()
);
const addRequest = prepare((db, key: string) =>
  db.insertInto('requests').values({ key } as Insertable<RequestsTable>).compile()
);
const waitingForRoom = prepare((db, request: bigint, nodeId: string, offset: number, limit: number) =>
  db.selectFrom('wants').selectAll().where('request', '=', request).where('node_id', '=', nodeId)
    .where('due', '=', 0n).orderBy('priority', 'desc').orderBy('since').limit(limit).offset(offset).compile()
);
const readyOf = prepare((db, jobId: string, now: bigint, limit: number) =>
  db.selectFrom('wants').selectAll().where('job_id', '=', jobId).where('due', '<=', now).orderBy('due')
    .limit(limit).compile()
);
const firstDue = prepare((db, jobId: string) =>
  db.selectFrom('wants').select('due').where('job_id', '=', jobId).where(sql<boolean>`due > 0`)
    .orderBy('due').limit(1).compile()
);
const waitingOf = prepare((db, jobId: string) =>
  db.selectFrom('wants').select([
    sql<bigint | null>`sum(case when due = 0 and node_id <> '*' then slots else 0 end)`.as('slots'),
    sql<bigint | null>`min(since)`.as('since'),
  ]).where('job_id', '=', jobId).compile()
);
const put = prepare((db, row: WantRow) =>
  db.insertInto('wants').values(columnsOf(row, COLUMNS)).onConflict((conflict) =>
    conflict.columns(['job_id', 'slot']).doUpdateSet((set) =>
      Object.fromEntries(NAMES.map((name) => [name, set.ref(`excluded.${name}`)]))
    )
  ).compile()
);
const remove = prepare((db, jobId: string, slot: string) =>
  db.deleteFrom('wants').where('job_id', '=', jobId).where('slot', '=', slot).compile()
);
const clear = prepare((db, jobId: string) => db.deleteFrom('wants').where('job_id', '=', jobId).compile());
const prune = prepare((db, limit: number) =>
  db.deleteFrom('requests').where('id', 'in', (of) =>
    of.selectFrom('requests').select('id')
      .where(sql<boolean>`not exists (select 1 from wants where wants.request = requests.id)`).limit(limit))
    .compile()
);

export class WantsReader implements WantReader {
  constructor(readonly context: ReadContext) {}

  async requests(): Promise<readonly RequestRow[]> {
    return (await allRequests.all(this.context.db)).map(({ request_id: id, key, ...first }) => ({
      id,
      key,
      first: first.job_id === null ? null : wantOf(first as Stored<'wants'>),
    }));
  }

  async inOrder(request: bigint, nodeId: string, offset: number, limit: number): Promise<readonly WantRow[]> {
    return (await waitingForRoom.all(this.context.db, request, nodeId, offset, limit)).map(wantOf);
  }

  async ready(jobId: string, now: bigint, limit: number): Promise<readonly WantRow[]> {
    return (await readyOf.all(this.context.db, jobId, now, limit)).map(wantOf);
  }

  async nextDue(jobId: string): Promise<bigint | null> {
    return (await firstDue.first(this.context.db, jobId))?.due ?? null;
  }

  async waiting(jobId: string): Promise<{ readonly slots: number; readonly since: bigint } | null> {
    const row = await waitingOf.first(this.context.db, jobId);
    return row && row.since !== null ? { slots: Number(row.slots), since: row.since } : null;
  }
}

export class Wants extends WantsReader implements WantRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async put(want: Omit<WantRow, 'request'>, key: string): Promise<bigint> {
    const { db } = this.context;
    const find = async () => (await requestByKey.first(db, key))?.id;
    let request = await find();
    if (request === undefined) {
      await addRequest.run(db, key);
      request = (await find())!;
    }
    await put.run(db, { ...want, request });
    return request;
  }

  async remove(jobId: string, slot: string): Promise<void> {
    await remove.run(this.context.db, jobId, slot);
  }

  async clear(jobId: string): Promise<void> {
    await clear.run(this.context.db, jobId);
  }

  async prune(limit: number): Promise<number> {
    return await prune.run(this.context.db, limit);
  }
}

function wantOf(row: Stored<'wants'>): WantRow {
  return Object.freeze({
    jobId: row.job_id,
    slot: row.slot,
    slots: Number(row.slots),
    version: Number(row.version),
    request: row.request,
    nodeId: row.node_id,
    namespace: row.namespace,
    priority: Number(row.priority),
    since: row.since,
    due: row.due,
  });
}
