/**
 * Versions of jobs: the spec as JSON, stored once however many executions carry it. A version never changes, except that
 * the state which the job had when a newer one came is noted with it.
 */
import type { Insertable } from 'kysely';
import type { Job, JobStateType } from '../model/mod.ts';
import { decode, encode, type KeptVersion, type ReadContext, type WriteContext } from './context.ts';
import { type JobVersionsTable, prepare, type Stored } from './orchestrator_schema.ts';
import type { JobVersionRow, PastVersionRow } from './rows.ts';
import { stateOf, stateText } from './states.ts';
import { fields } from './statement.ts';
import type { VersionReader } from './store.ts';

const VERSION_COLUMNS = [
  'job_id',
  'version',
  'body',
  'spec_hash',
  'created_by',
  'state',
  'state_text',
  'revision',
  'create_time',
  'modify_time',
  'replaced_state',
  'replaced_text',
  'replaced_revision',
  'replaced_time',
] as const;

const versionOf = prepare((db, jobId: string, version: bigint) =>
  db.selectFrom('job_versions').selectAll().where('job_id', '=', jobId).where('version', '=', version)
    .compile()
);
const versionsOf = prepare((db, jobId: string) =>
  db.selectFrom('job_versions').selectAll().where('job_id', '=', jobId).orderBy('version').compile()
);
const insertVersion = prepare((db, row: Insertable<JobVersionsTable>) =>
  db.insertInto('job_versions').values(fields(row, VERSION_COLUMNS)).compile()
);
const replaceVersion = prepare((
  db,
  state: string,
  text: string,
  revision: bigint,
  time: bigint,
  jobId: string,
  version: bigint,
) =>
  db.updateTable('job_versions')
    .set({ replaced_state: state, replaced_text: text, replaced_revision: revision, replaced_time: time })
    .where('job_id', '=', jobId).where('version', '=', version).compile()
);

export class Versions implements VersionReader {
  constructor(readonly context: ReadContext) {}

  async get(jobId: string, version: number): Promise<JobVersionRow | undefined> {
    return (await this.kept(jobId, version))?.row;
  }

  async kept(jobId: string, version: number): Promise<KeptVersion | undefined> {
    const cached = this.context.caches.versions.get(versionKey(jobId, version));
    if (cached) return cached;
    const row = await versionOf.first(this.context.db, jobId, BigInt(version));
    return row && this.#decode(row);
  }

  async list(jobId: string): Promise<readonly PastVersionRow[]> {
    const rows = await versionsOf.all(this.context.db, jobId);
    return rows.map((row) =>
      Object.freeze({
        ...(this.context.caches.versions.get(versionKey(row.job_id, row.version)) ?? this.#decode(row)).row,
        replaced: row.replaced_state === '' ? null : Object.freeze({
          state: stateOf(row.replaced_state as JobStateType, row.replaced_text),
          revision: row.replaced_revision,
          time: row.replaced_time,
        }),
      })
    );
  }

  #decode(row: Stored<'job_versions'>): KeptVersion {
    const decoded = Object.freeze({
      jobId: row.job_id,
      version: Number(row.version),
      job: Object.freeze({
        ...decode<Job>(row.body),
        State: stateOf(row.state as JobStateType, row.state_text),
        Version: Number(row.version),
        Revision: row.revision,
        CreateTime: row.create_time,
        ModifyTime: row.modify_time,
      }),
      specHash: row.spec_hash,
      createdBy: row.created_by,
    });
    return keep(this.context, decoded, row.body);
  }
}

function keep(context: ReadContext, row: JobVersionRow, body: string): KeptVersion {
  const kept = { row, weight: 1000 + body.length, latest: row.job };
  context.cache(({ versions }) => versions.set(versionKey(row.jobId, row.version), kept, kept.weight));
  return kept;
}

/** The job has a new revision of the same version. */
export function keepLatest(context: ReadContext, job: Job): void {
  context.cache(({ versions }) => {
    const kept = versions.get(versionKey(job.ID, job.Version));
    if (kept && kept.latest.Revision < job.Revision) kept.latest = job;
  });
}

/** Adds the version `job.Version` with `job` as its snapshot. */
export async function addVersion(
  context: WriteContext,
  job: Job,
  options: { specHash?: string; createdBy?: string },
): Promise<void> {
  const { State, Version, Revision, CreateTime, ModifyTime, ...spec } = job;
  const body = encode(spec);
  await insertVersion.run(context.db, {
    job_id: job.ID,
    version: Version,
    body,
    spec_hash: options.specHash ?? '',
    created_by: options.createdBy ?? '',
    state: State.StateType,
    state_text: stateText(State),
    revision: Revision,
    create_time: CreateTime,
    modify_time: ModifyTime,
    replaced_state: '',
    replaced_text: '',
    replaced_revision: 0,
    replaced_time: 0,
  });
  const { specHash = '', createdBy = '' } = options;
  keep(context, Object.freeze({ jobId: job.ID, version: Version, job, specHash, createdBy }), body);
}

/** Notes the state in which a newer version replaces this one. */
export async function markReplaced(
  context: WriteContext,
  { ID, Version, State, Revision }: Job,
): Promise<void> {
  const { db, now } = context;
  await replaceVersion.run(db, State.StateType, stateText(State), Revision, now, ID, BigInt(Version));
}

function versionKey(jobId: string, version: number | bigint): string {
  return `${jobId}@${version}`;
}
