/**
 * One write operation of the orchestrator. Whatever changes a job also asks for its evaluation here, and by default the
 * evaluation is carried out at the end of the same transaction: the snapshot it sees cannot change before its plan is
 * committed, and each step of a job costs one commit instead of three. If that fails, the operation runs again with the
 * evaluation as a row, which the broker takes up; rows are also what delayed evaluations are.
 */
import { type EvaluationTrigger, holdsResources, isLive, makeId } from '../../model/mod.ts';
import type { SchedulePolicy } from '../../schedule/mod.ts';
import type { ExecutionRow, JobRow, StoreTx } from '../../store/mod.ts';
import type { World } from '../../../runtime/world.ts';
import { JobUnit } from './job_unit.ts';
import type { NodeIndex } from './node_index.ts';
import type { PastIndex } from './past_index.ts';
import { serve } from './serve.ts';
import { evaluateJob, type Scope } from './evaluate_job.ts';

export interface WorkContext {
  readonly world: World;
  readonly policy: SchedulePolicy;
  readonly nodes: NodeIndex;
  readonly pasts: PastIndex;
  /** Since when this process listens to nodes. */
  readonly hearingSince: bigint;
}

/** Those that wait are to be looked at because of these nodes, or these requests. */
export interface Wake {
  /** By id, with whether more of it has changed than what is free. */
  readonly nodes: ReadonlyMap<string, boolean>;
  readonly requests: Iterable<bigint>;
}

interface Due {
  readonly trigger: EvaluationTrigger;
  readonly evaluationId: string;
  whole: boolean;
  ready: boolean;
  readonly slots: Set<string>;
  readonly outdated: Set<string>;
}

/** Triggers of evaluations that concern only what the job waits for. */
const WAITING: readonly EvaluationTrigger[] = ['job-queue', 'exec-failure'];

export class UnitOfWork {
  readonly #units = new Map<string, JobUnit>();
  readonly #due = new Map<string, Due>();
  readonly #nodes = new Map<string, boolean>();
  readonly #requests = new Set<bigint>();

  /**
   * @param inline whether evaluations are carried out here
   * @param budget executions that may still be placed; the rest is left to the next transaction
   */
  constructor(
    readonly tx: StoreTx,
    readonly context: WorkContext,
    readonly inline: boolean,
    public budget: number,
  ) {}

  async unit(jobId: string): Promise<JobUnit | undefined> {
    const known = this.#units.get(jobId);
    if (known) return known;
    const job = await this.tx.jobs.get(jobId);
    return job && this.#unit(job, false);
  }

  /** A job that was just added to this transaction. */
  fresh(job: JobRow): JobUnit {
    return this.#unit(job, true);
  }

  #unit(job: JobRow, fresh: boolean): JobUnit {
    const unit = new JobUnit(this.tx, job, fresh, (before, after) => this.#follow(before, after));
    this.#units.set(unit.id, unit);
    return unit;
  }

  #follow(before: ExecutionRow | null, after: ExecutionRow): void {
    const { nodes, pasts } = this.context;
    pasts.follow(this.tx, before, after);
    const [held, holds] = [before !== null && holdsResources(before.phase), holdsResources(after.phase)];
    if (held === holds) return;
    nodes.promise(this.tx, after, holds ? 'add' : 'subtract');
    if (held) this.wake({ nodes: new Map([[after.nodeId, false]]), requests: [] });
  }

  /** The job is evaluated before this transaction ends. @returns the id of the evaluation */
  evaluate(jobId: string, trigger: EvaluationTrigger): string {
    const ready = WAITING.includes(trigger);
    return this.#evaluate(jobId, trigger, { whole: !ready, ready }).evaluationId;
  }

  /** As {@link evaluate}, but only the slot of this execution is looked at. */
  reported({ id, jobId, jobVersion, slot, phase }: ExecutionRow, unit: JobUnit): void {
    const current = jobVersion === unit.version;
    // One of an older version concerns the job only while it is to be stopped.
    if (!current && !isLive(phase)) return;
    const due = this.#evaluate(jobId, 'exec-update', {});
    if (current) due.slots.add(slot);
    else due.outdated.add(id);
  }

  #evaluate(jobId: string, trigger: EvaluationTrigger, { whole = false, ready = false }: Scope): Due {
    let due = this.#due.get(jobId);
    if (!due) {
      due = {
        trigger,
        evaluationId: this.context.world.uuid(),
        whole,
        ready,
        slots: new Set(),
        outdated: new Set(),
      };
      this.#due.set(jobId, due);
    }
    due.whole ||= whole;
    due.ready ||= ready;
    return due;
  }

  /** A node came, changed or left: those that wait may find room. */
  nodeChanged(nodeId: string): void {
    this.context.nodes.touch(this.tx, nodeId);
    this.#nodes.set(nodeId, true);
  }

  wake({ nodes, requests }: Wake): void {
    for (const [id, changed] of nodes) this.#nodes.set(id, changed || (this.#nodes.get(id) ?? false));
    for (const id of requests) this.#requests.add(id);
  }

  /** What was left to the next transaction. */
  get left(): { readonly nodes: ReadonlyMap<string, boolean>; readonly requests: ReadonlySet<bigint> } {
    return { nodes: this.#nodes, requests: this.#requests };
  }

  /** As a row, for the broker. */
  async enqueue(
    job: JobRow,
    trigger: EvaluationTrigger,
    options: { id?: string; waitUntil?: bigint } = {},
  ): Promise<void> {
    await this.tx.evaluations.enqueue({
      id: makeId('v', this.context.world.uuid()),
      jobId: job.job.ID,
      trigger,
      priority: job.job.Priority,
      ...options,
    });
  }

  /** What remains to be done before the transaction may be committed. */
  async finish(): Promise<void> {
    for (const [jobId, { trigger, evaluationId, ...scope }] of this.#due) {
      const unit = await this.unit(jobId);
      if (!unit) continue;
      if (this.inline) await evaluateJob(this, unit, scope, evaluationId);
      else await this.enqueue(unit.job, trigger, { id: evaluationId });
    }
    if (this.inline && this.#nodes.size + this.#requests.size > 0 && this.budget > 0) {
      const [nodes, requests] = [new Map(this.#nodes), new Set(this.#requests)];
      this.#nodes.clear();
      this.#requests.clear();
      await serve(this, nodes, requests);
    }
    for (const unit of this.#units.values()) await unit.flush();
  }
}
