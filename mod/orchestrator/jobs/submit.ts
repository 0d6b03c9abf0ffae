/**
 * Accepting a job (invariants.md O1): one transaction with the job, its version, its history and its first evaluation;
 * answered when that is durable. A name that is taken makes it an update of that job.
 */
import {
  BacalhauError,
  decodeJob,
  EventTopic,
  type Job,
  makeId,
  parseJson,
  stringifyJson,
} from '../../model/mod.ts';
import { type JobDefaults, type Prepared, prepareForSubmission, specEquals } from '../../spec/mod.ts';
import type { JobRow } from '../../store/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { askBytes } from '../messages/render.ts';
import type { Transactor } from '../work/transactor.ts';
import type { UnitOfWork } from '../work/unit_of_work.ts';
import type { SubmitRequest, SubmitResult } from '../../model/mod.ts';

export interface SubmitContext {
  readonly transactor: Transactor;
  readonly world: World;
  readonly orchestratorId: string;
  readonly installationId?: string;
  readonly instanceId?: string;
  readonly defaults: JobDefaults;
  /** Largest message that every node can take, bytes. */
  readonly maxMessageBytes: number;
}

/** Room for the envelope around an ask and what grows in it. */
const ENVELOPE = 4096;
/** How long an answer is kept for repeats of its request. */
const KEEP_ANSWER = 24n * 3600n * 1_000_000_000n;

/** @throws BacalhauError with all that is wrong with the job; `NoChanges`; `PayloadTooLarge` */
export async function submit(context: SubmitContext, request: SubmitRequest): Promise<SubmitResult> {
  const prepared = prepare(context, request);
  const { job } = prepared;
  checkSize(job, context.maxMessageBytes);
  return await context.transactor.commit(async (work) => {
    const { idempotencyKey: key } = request;
    const earlier = key ? await work.tx.idempotency.get(key, job.Namespace, work.tx.now) : undefined;
    if (earlier) return parseJson(earlier.answer) as SubmitResult;
    const named = await work.tx.jobs.byName(job.Namespace, job.Name);
    const answer = named ? await update(work, named, prepared, request.force) : await create(work, prepared);
    if (key) {
      await work.tx.idempotency.put({
        key,
        namespace: job.Namespace,
        answer: stringifyJson(answer),
        expires: work.tx.now + KEEP_ANSWER,
      });
    }
    return answer;
  });
}

function prepare(context: SubmitContext, request: SubmitRequest): Prepared {
  if (request.job === undefined || request.job === null) {
    throw new BacalhauError('BadRequest', 'Cannot submit a job: the request has no job', {
      component: 'APIServer',
      hint: 'Send {"Job": {…}}',
    });
  }
  const { world, orchestratorId, installationId, instanceId, defaults } = context;
  const { clientInstallationId, clientInstanceId } = request;
  return prepareForSubmission(decodeJob(request.job), {
    newId: () => makeId('j', world.uuid()),
    now: world.now(),
    orchestratorId,
    ...(installationId ? { installationId } : {}),
    ...(instanceId ? { instanceId } : {}),
    ...(clientInstallationId ? { clientInstallationId } : {}),
    ...(clientInstanceId ? { clientInstanceId } : {}),
    defaults,
  });
}

/** A job travels to its node in one message (invariants.md section 0, row 15). */
function checkSize(job: Job, limit: number): void {
  const bytes = askBytes(job) + ENVELOPE;
  if (bytes <= limit) return;
  throw new BacalhauError(
    'PayloadTooLarge',
    `Cannot submit job "${job.Name}": it takes ${bytes} bytes on its way to a node, the limit is ${limit}`,
    {
      status: 413,
      component: 'JobStore',
      hint: 'Pass large inputs by a storage source such as s3, url or local instead of inline',
    },
  );
}

async function create(work: UnitOfWork, { job, warnings }: Prepared): Promise<SubmitResult> {
  const { now } = work.tx;
  const unit = work.fresh(await work.tx.jobs.insert({ ...job, CreateTime: now, ModifyTime: now }));
  unit.note({ Topic: EventTopic.Submission, Message: 'Job submitted' });
  return { JobID: job.ID, EvaluationID: work.evaluate(job.ID, 'job-register'), Warnings: warnings };
}

async function update(
  work: UnitOfWork,
  old: JobRow,
  { job, warnings }: Prepared,
  force: boolean,
): Promise<SubmitResult> {
  const { ID, Type, Name } = old.job;
  if (job.Type !== Type) {
    throw new BacalhauError(
      'BadRequest',
      `Cannot update job "${Name}": its type is ${Type}, not ${job.Type}`,
      {
        component: 'JobStore',
        hint: 'Submit it under another name',
      },
    );
  }
  if (!force && specEquals(old.job, job)) {
    throw new BacalhauError(
      'NoChanges',
      `no changes detected for new job spec. Job name: '${Name}' ID: ${ID}`,
      {
        component: 'JobStore',
        status: 409,
        hint: 'Use --force to run it again as it is',
      },
    );
  }
  const unit = (await work.unit(ID))!;
  const row = await work.tx.jobs.replace(old, {
    ...job,
    State: { StateType: 'Pending', Message: 'Job update requested by user' },
  });
  unit.replaced(row);
  await work.tx.evaluations.cancelDelayed(ID);
  await work.tx.wants.clear(ID);
  unit.note({ Topic: EventTopic.Submission, Message: 'Job updated' });
  return { JobID: ID, EvaluationID: work.evaluate(ID, 'job-update'), Warnings: warnings };
}
