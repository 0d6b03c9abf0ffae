/**
 * One write operation of the orchestrator. Whatever changes a job also asks for its evaluation here, and by default the
 * evaluation is carried out at the end of the same transaction: the snapshot it sees cannot change before its plan is
 * committed, and each step of a job costs one commit instead of three. If that fails, the operation runs again with the
 * evaluation as a row, which the broker takes up; rows are also what delayed evaluations and those of many jobs are.
 */
import { type EvaluationTrigger, isTerminalJob, makeId } from '../../model/mod.ts';
import { isSettled, refusalOf, schedule, type SchedulePolicy } from '../../schedule/mod.ts';
import type { JobRow, StoreTx } from '../../store/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { applyPlan } from './apply.ts';
import { JobUnit } from './job_unit.ts';
import type { NodeIndex } from './node_index.ts';
import { executionView, jobView, slotView } from './views.ts';
import type { WaitingJobs } from './waiting.ts';

export interface WorkContext {
  readonly world: World;
  readonly policy: SchedulePolicy;
  readonly nodes: NodeIndex;
  readonly waiting: WaitingJobs;
  /** Since when this process listens to nodes. */
  readonly hearingSince: bigint;
}

/** Plans of one job in one transaction, when each leaves more to place. */
const MAX_ROUNDS = 4;
/** Waiting jobs that one transaction serves; more are served by the next one. */
const MAX_SERVED = 32;

export class Work {
  readonly #units = new Map<string, JobUnit>();
  readonly #due = new Map<string, { readonly trigger: EvaluationTrigger; readonly evaluationId: string }>();
  #capacity = false;
  /** Whether jobs that wait may still find room. */
  moreToServe = false;

  constructor(readonly tx: StoreTx, readonly context: WorkContext, readonly inline: boolean) {}

  async unit(jobId: string): Promise<JobUnit | undefined> {
    const known = this.#units.get(jobId);
    if (known) return known;
    const unit = await JobUnit.load(this.tx, jobId, this.#usageChanged);
    if (unit) this.#units.set(jobId, unit);
    return unit;
  }

  /** A job that was just added to this transaction. */
  fresh(job: JobRow): JobUnit {
    const unit = JobUnit.fresh(this.tx, job, this.#usageChanged);
    this.#units.set(unit.id, unit);
    return unit;
  }

  readonly #usageChanged = (nodeId: string, freed: boolean): void => {
    this.context.nodes.touch(nodeId);
    if (freed) this.#capacity = true;
  };

  /** The job is evaluated before this transaction ends. @returns the id of the evaluation */
  evaluate(jobId: string, trigger: EvaluationTrigger): string {
    const known = this.#due.get(jobId);
    if (known) return known.evaluationId;
    const evaluationId = this.context.world.uuid();
    this.#due.set(jobId, { trigger, evaluationId });
    return evaluationId;
  }

  /** A node came or changed: jobs that wait may find room. */
  capacityChanged(): void {
    this.#capacity = true;
  }

  /** As a row, for the broker. */
  async enqueue(
    job: JobRow,
    trigger: EvaluationTrigger,
    options: { id?: string; waitUntil?: bigint; comment?: string } = {},
  ): Promise<void> {
    const { job: { ID, Namespace, Priority, Type } } = job;
    await this.tx.evaluations.enqueue({
      ID: options.id ?? makeId('v', this.context.world.uuid()),
      Namespace,
      JobID: ID,
      TriggeredBy: trigger,
      Priority,
      Type,
      ...(options.waitUntil === undefined ? {} : { WaitUntil: options.waitUntil }),
      ...(options.comment === undefined ? {} : { Comment: options.comment }),
    });
  }

  /** What remains to be done before the transaction may be committed. */
  async finish(): Promise<void> {
    for (const [jobId, { trigger, evaluationId }] of this.#due) {
      const unit = await this.unit(jobId);
      if (!unit) continue;
      if (this.inline) await this.#settle(unit, evaluationId);
      else await this.enqueue(unit.job, trigger, { id: evaluationId });
    }
    if (this.inline && this.#capacity) await this.#serveWaiting();
    else if (this.#capacity) this.moreToServe = true;
    for (const unit of this.#units.values()) await unit.flush();
  }

  /** Schedules the job until nothing more can be placed at once, and arranges for the next look at it. */
  async #settle(unit: JobUnit, evaluationId: string): Promise<void> {
    const { world, policy, nodes, waiting, hearingSince } = this.context;
    for (let round = 1;; round++) {
      const plan = schedule({
        job: jobView(unit.job),
        slots: [...unit.slots.values()].map(slotView),
        executions: [...unit.executions.values()].map(executionView),
        nodes: await nodes.list(this.tx),
        policy,
        now: this.tx.now,
        hearingSince,
        random: () => world.random(),
      });
      if (!isSettled(plan)) await applyPlan(unit, plan, evaluationId, () => world.uuid());
      if (plan.waiting) waiting.add(unit.job.job, unit.job.queuedAt || this.tx.now);
      else waiting.remove(unit.id);
      if (plan.again && round < MAX_ROUNDS) continue;
      if (plan.again) await this.enqueue(unit.job, 'exec-limit');
      if (plan.wake) {
        const { at, trigger, comment } = plan.wake;
        await this.enqueue(unit.job, trigger, { waitUntil: at, comment });
      }
      if (plan.job && isTerminalJob(plan.job.state)) await this.tx.evaluations.cancelDelayed(unit.id);
      return;
    }
  }

  /** Freed capacity goes to the jobs that wait, in order; what does not fit is passed over. */
  async #serveWaiting(): Promise<void> {
    const { nodes, waiting, policy } = this.context;
    if (waiting.size === 0) return;
    let served = 0;
    for (const { request, jobs } of waiting.groups()) {
      // A job that is placed leaves the list; one that is kept from a node with room by something of its own is passed.
      for (let next = 0; next < jobs.length;) {
        const fits = (await nodes.list(this.tx)).some((node) =>
          refusalOf(node, request, { overCommit: policy.overCommit, avoided: new Map() }) === null
        );
        if (!fits) break;
        if (served === MAX_SERVED) {
          this.moreToServe = next < MAX_SERVED;
          return;
        }
        served++;
        const { id } = jobs[next]!;
        const unit = await this.unit(id);
        if (unit) await this.#settle(unit, makeId('v', this.context.world.uuid()));
        else waiting.remove(id);
        if (jobs[next]?.id === id) next++;
      }
    }
  }
}
