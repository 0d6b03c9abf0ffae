/** Jobs: the hot row apart from the spec, which is stored once per version (`versions.ts`). */
import { sql } from 'kysely';
import { BacalhauError, type Job, type JobStateType, type StringMap } from '../model/mod.ts';
import {
  above,
  decodeMap,
  encode,
  type KeptVersion,
  orConflict,
  type ReadContext,
  revisionConflict,
  type WriteContext,
} from './context.ts';
import { prepare, type Stored } from './orchestrator_schema.ts';
import type { JobChange, JobRow } from './rows.ts';
import { stateOf, stateText } from './states.ts';
import { type Columns, columnsOf } from './statement.ts';
import { changes, type JobFilter, type JobReader, type JobRepository, type Page } from './store.ts';
import { addVersion, keepLatest, markReplaced, Versions } from './versions.ts';

const CHANGING = {
  version: ({ job }) => job.Version,
  rev: ({ job }) => job.Revision,
  state: ({ job }) => job.State.StateType,
  state_text: ({ job }) => stateText(job.State),
  labels: ({ job }) => encode(job.Labels),
  modify_time: ({ job }) => job.ModifyTime,
  queued_at: (row) => row.queuedAt,
  run_started: (row) => row.runStarted,
  deadline: (row) => row.deadline,
  stop_reason: (row) => row.stopReason,
  stop_time: (row) => row.stopTime,
} satisfies Columns<JobRow>;
const COLUMNS = {
  id: ({ job }) => job.ID,
  namespace: ({ job }) => job.Namespace,
  name: ({ job }) => job.Name,
  history_seq: () => 0,
  create_time: ({ job }) => job.CreateTime,
  ...CHANGING,
} satisfies Columns<JobRow>;

const byId = prepare((db, id: string) => db.selectFrom('jobs').selectAll().where('id', '=', id).compile());
const byName = prepare((db, namespace: string, name: string) =>
  db.selectFrom('jobs').selectAll().where('namespace', '=', namespace).where('name', '=', name).compile()
);
const byPrefix = prepare((db, from: string, below: string) =>
  db.selectFrom('jobs').selectAll().where('id', '>=', from).where('id', '<', below).orderBy('id').limit(2)
    .compile()
);
const insertJob = prepare((db, row: JobRow) =>
  db.insertInto('jobs').values(columnsOf(row, COLUMNS)).compile()
);
const updateJob = prepare((db, row: JobRow, id: string, rev: bigint) =>
  db.updateTable('jobs').set(columnsOf(row, CHANGING)).where('id', '=', id).where('rev', '=', rev).compile()
);
/** Most rows looked at in one step of a list that is filtered by labels. */
const LARGEST_STEP = 256;
/** Characters of JSON text of the jobs of one page; a job may be larger than a page, and has one of its own then. */
const PAGE_TEXT = 2 * 2 ** 20;

const ORDER_COLUMNS = { created: 'create_time', modified: 'modify_time', id: 'id' } as const;

const NO_RUN = { queuedAt: 0n, runStarted: 0n, deadline: 0n, stopReason: '', stopTime: 0n };

export class JobsReader implements JobReader {
  readonly versions: Versions;

  constructor(readonly context: ReadContext) {
    this.versions = new Versions(context);
  }

  async get(id: string): Promise<JobRow | undefined> {
    return await this.#decodeOne(await byId.first(this.context.db, id));
  }

  async byName(namespace: string, name: string): Promise<JobRow | undefined> {
    return await this.#decodeOne(await byName.first(this.context.db, namespace, name));
  }

  async byIdPrefix(prefix: string): Promise<readonly JobRow[]> {
    const found: JobRow[] = [];
    for (const row of await byPrefix.all(this.context.db, prefix, above(prefix))) {
      found.push((await this.#decodeOne(row))!);
    }
    return found;
  }

  async list(filter: JobFilter): Promise<Page<JobRow>> {
    const { items: rows, more } = await this.#page(filter);
    const items = await this.#decodeSome(rows);
    return { items, more: more || rows.length > items.length };
  }

  async ids(filter: JobFilter): Promise<readonly string[]> {
    return (await this.#page(filter)).items.map(({ id }) => id);
  }

  async #page(filter: JobFilter): Promise<Page<Stored<'jobs'>>> {
    const offset = filter.offset ?? 0;
    const limit = filter.limit || Number.MAX_SAFE_INTEGER;
    const end = Math.min(offset + limit, Number.MAX_SAFE_INTEGER - 1);
    if (!filter.matches) {
      const rows = await this.#ordered(filter).offset(offset).limit(end - offset + 1).execute();
      return { items: rows.slice(0, limit), more: rows.length > limit };
    }
    const order = ORDER_COLUMNS[filter.orderBy ?? 'created'];
    const matching: Stored<'jobs'>[] = [];
    let last: Stored<'jobs'> | undefined;
    while (matching.length <= end) {
      const step = Math.min(Math.max(end + 1 - matching.length, 32), LARGEST_STEP);
      let query = this.#ordered(filter).limit(step);
      if (last) {
        const position = sql`(${last[order]}, ${last.id})`;
        const column = sql`(${sql.ref(order)}, ${sql.ref('id')})`;
        query = query.where(
          filter.reverse ? sql<boolean>`${column} < ${position}` : sql<boolean>`${column} > ${position}`,
        );
      }
      const rows = await query.execute();
      for (const row of rows) {
        if (filter.matches(decodeMap<StringMap>(row.labels))) matching.push(row);
      }
      if (rows.length < step) break;
      last = rows.at(-1);
    }
    return { items: matching.slice(offset, end), more: matching.length > end };
  }

  #ordered(filter: JobFilter) {
    const direction = filter.reverse ? 'desc' : 'asc';
    const query = this.context.db.selectFrom('jobs').selectAll()
      .orderBy(ORDER_COLUMNS[filter.orderBy ?? 'created'], direction).orderBy('id', direction);
    return filter.namespace === undefined ? query : query.where('namespace', '=', filter.namespace);
  }

  async #decodeOne(row: Stored<'jobs'> | undefined): Promise<JobRow | undefined> {
    return row && this.#with(row, await this.#version(row));
  }

  /** As many of `rows` as may be in memory at the same time, at least one. */
  async #decodeSome(rows: readonly Stored<'jobs'>[]): Promise<readonly JobRow[]> {
    const decoded: JobRow[] = [];
    let weight = 0;
    for (const row of rows) {
      const version = await this.#version(row);
      weight += version.weight;
      if (weight > PAGE_TEXT && decoded.length > 0) break;
      decoded.push(this.#with(row, version));
    }
    return decoded;
  }

  async #version(row: Stored<'jobs'>): Promise<KeptVersion> {
    const version = await this.versions.kept(row.id, Number(row.version));
    if (version) return version;
    const why = `its version ${row.version} is missing`;
    throw new BacalhauError('StoreCorrupt', `Cannot read job "${row.id}": ${why}`, { component: 'Store' });
  }

  #with(row: Stored<'jobs'>, version: KeptVersion): JobRow {
    return Object.freeze({
      job: version.latest.Revision === row.rev ? version.latest : this.#latest(row, version.row.job),
      queuedAt: row.queued_at,
      runStarted: row.run_started,
      deadline: row.deadline,
      stopReason: row.stop_reason,
      stopTime: row.stop_time,
    });
  }

  #latest(row: Stored<'jobs'>, version: Job): Job {
    const job = Object.freeze({
      ...version,
      State: stateOf(row.state as JobStateType, row.state_text),
      Revision: row.rev,
      ModifyTime: row.modify_time,
    });
    keepLatest(this.context, job);
    return job;
  }
}

export class Jobs extends JobsReader implements JobRepository {
  constructor(override readonly context: WriteContext) {
    super(context);
  }

  async insert(given: Job, options: { specHash?: string; createdBy?: string } = {}): Promise<JobRow> {
    const job: Job = Object.freeze({ ...given, Version: 1, Revision: 1n });
    const row = Object.freeze({ job, ...NO_RUN });
    await orConflict(
      insertJob.run(this.context.db, row),
      (cause) =>
        new BacalhauError('ResourceInUse', `Cannot add job "${job.Name}": its id or name is taken`, {
          component: 'JobStore',
          cause,
        }),
    );
    await addVersion(this.context, job, options);
    return this.#written(row);
  }

  async replace(
    seen: JobRow,
    given: Job,
    options: { specHash?: string; createdBy?: string } = {},
  ): Promise<JobRow> {
    const old = seen.job;
    const job: Job = Object.freeze({
      ...given,
      ID: old.ID,
      Name: old.Name,
      Namespace: old.Namespace,
      Type: old.Type,
      CreateTime: old.CreateTime,
      Version: old.Version + 1,
      Revision: old.Revision + 1n,
      ModifyTime: this.context.now,
    });
    const row = Object.freeze({ job, ...NO_RUN });
    await this.#update(seen, row);
    await markReplaced(this.context, old);
    await addVersion(this.context, job, options);
    return this.#written(row);
  }

  async update(seen: JobRow, { state, ...times }: JobChange): Promise<JobRow> {
    const job: Job = Object.freeze({
      ...seen.job,
      State: state ?? seen.job.State,
      Revision: seen.job.Revision + 1n,
      ModifyTime: this.context.now,
    });
    const row = Object.freeze({ ...seen, ...times, job });
    await this.#update(seen, row);
    return this.#written(row);
  }

  async #update(seen: JobRow, row: JobRow): Promise<void> {
    const { ID, Revision } = seen.job;
    if (await updateJob.run(this.context.db, row, ID, Revision) === 0) {
      throw revisionConflict('job', ID);
    }
  }

  #written(row: JobRow): JobRow {
    keepLatest(this.context, row.job);
    this.context.notify(changes.job(row.job.ID));
    return row;
  }
}
