/**
 * One job inside a transaction: what the pure scheduler has to know is read, and what it decides is written. It looks at
 * the slots in question only; a report about one of a thousand costs what it costs with one.
 */
import { isTerminalJob, isTerminalPhase } from '../../model/mod.ts';
import {
  allocate,
  conclude,
  type Fleet,
  indexSlot,
  JOB_KINDS,
  NO_PAST,
  nodeSlot,
  type Past,
  placementRequest,
  reconcile,
  type Reconciled,
  type Rest,
  shortage,
  slotsOnNodes,
  type SlotView,
} from '../../schedule/mod.ts';
import type { ExecutionRow, WantRow } from '../../store/mod.ts';
import { applyChange, applyPlacement, applyToJob } from './apply_plan.ts';
import type { JobUnit } from './job_unit.ts';
import { executionView, jobView, slotView } from './views.ts';
import { EACH, putWants, type Run, slotsOf } from './want_rows.ts';
import type { UnitOfWork } from './unit_of_work.ts';

/** What of a job is looked at. */
export interface Scope {
  /** All of it. */
  readonly whole?: boolean;
  /** What waits for room, or has waited for its time. */
  readonly ready?: boolean;
  readonly slots?: ReadonlySet<string>;
  /** Executions of older versions. */
  readonly outdated?: ReadonlySet<string>;
  readonly rows?: readonly WantRow[];
}

/** Executions that one transaction stops, and rows of wants that it takes up. */
const BATCH = 100;

/** @returns how many executions were placed */
export async function evaluateJob(
  work: UnitOfWork,
  unit: JobUnit,
  scope: Scope,
  evaluationId: string,
): Promise<number> {
  const evaluation = new JobEvaluation(work, unit, evaluationId, await work.context.nodes.fleet(work.tx));
  if (isTerminalJob(unit.job.job.State.StateType)) await evaluation.stop();
  else await evaluation.run(scope);
  return evaluation.placed;
}

class JobEvaluation {
  placed = 0;
  #past: Past | undefined;

  constructor(
    readonly work: UnitOfWork,
    readonly unit: JobUnit,
    readonly evaluationId: string,
    readonly fleet: Fleet,
  ) {}

  get #request() {
    return placementRequest(this.unit.job.job);
  }

  get #kind() {
    return JOB_KINDS[this.unit.job.job.Type];
  }

  async run(scope: Scope): Promise<void> {
    const { unit, work } = this;
    const { tx } = work;
    const rows = [...scope.rows ?? [], ...(scope.ready ? await tx.wants.ready(unit.id, tx.now, BATCH) : [])]
      .filter(({ nodeId }) => nodeId !== EACH);
    // A job of an older program has no wants yet.
    const whole = scope.whole || (scope.ready === true && await tx.wants.waiting(unit.id) === null);
    const waiting = whole && !unit.fresh ? await tx.wants.waiting(unit.id) : rows[0];
    const known = whole && !unit.fresh ? await tx.executions.byJob(unit.id, unit.version) : [];
    const since = unit.job.queuedAt || waiting?.since || tx.now;
    const limit = Math.max(1, work.budget);
    const { names, rest } = unit.fresh && !this.#kind.perNode
      ? take([{ slot: indexSlot(0), slots: unit.job.job.Count }], [], limit)
      : whole
      ? { names: await this.#allSlots(known), rest: [] }
      : take(rows, scope.slots ?? [], limit);
    const reconciled = await this.#reconcile(names, whole ? known : null, scope.outdated ?? []);
    if (reconciled.deadline !== undefined) {
      await applyToJob(unit, { job: null, deadline: reconciled.deadline });
    }
    if (reconciled.failure) {
      await applyToJob(unit, { job: reconciled.failure });
      return await this.stop();
    }

    if (whole && !unit.fresh) await tx.wants.clear(unit.id);
    const again = reconciled.empty.filter((slot) => scope.slots?.has(slot));
    for (const slot of [...rows.map((row) => row.slot), ...again]) await tx.wants.remove(unit.id, slot);
    const open = await this.#place(reconciled.empty, rest, since);
    for (const { slot, at } of reconciled.later) {
      await putWants(unit, this.#request, [slot], { due: at, since });
    }
    if (whole && this.#kind.perNode) await putWants(unit, this.#request, [EACH], { due: 0n, since });

    for (const wake of reconciled.wakes) await this.#wakeAt(wake);
    const next = reconciled.later.length > 0 || scope.ready ? await tx.wants.nextDue(unit.id) : null;
    if (next) {
      await this.#wakeAt({ at: next, trigger: 'exec-failure' });
    }
    if (open && this.#past?.until) {
      await this.#wakeAt({
        at: this.#past.until,
        trigger: 'job-queue',
      });
    }
    const live = reconciled.live || this.placed > 0;
    await this.#conclude(reconciled.executing, live || reconciled.later.length > 0);
    unit.fresh = false;
  }

  /** The job has ended: so do its wants, delayed evaluations and what of it is live, in parts when that is much. */
  async stop(): Promise<void> {
    const { unit, work } = this;
    const { tx } = work;
    await tx.wants.clear(unit.id);
    await tx.evaluations.cancelDelayed(unit.id);
    const live = await tx.executions.live(unit.id, BATCH);
    await this.#apply(live, [], false);
    if (live.length === BATCH) await work.enqueue(unit.job, 'exec-limit');
  }

  /** Names of all slots that there are or should be. */
  async #allSlots(executions: readonly ExecutionRow[]): Promise<Iterable<string>> {
    const { unit, fleet } = this;
    if (!this.#kind.perNode) {
      return Array.from({ length: unit.job.job.Count }, (_, index) => indexSlot(index));
    }
    const there = executions.map(({ slot }) => slot);
    const matching = slotsOnNodes(this.#request, await this.#loadPast(), fleet).map(nodeSlot);
    return new Set([...there, ...matching]);
  }

  /** @param known executions of the version when all of the job is looked at */
  async #reconcile(
    names: Iterable<string>,
    known: readonly ExecutionRow[] | null,
    outdated: Iterable<string>,
  ): Promise<Reconciled> {
    const { unit } = this;
    const { executions } = unit.tx;
    const whole = known !== null;
    const rows: ExecutionRow[] = [...known ?? []];
    if (whole) {
      // The first version has none before it.
      const live = unit.version > 1 ? await executions.live(unit.id, BATCH) : [];
      rows.push(...live.filter(({ jobVersion }) => jobVersion !== unit.version));
    } else {
      for (const id of outdated) rows.push((await executions.get(id))!);
    }
    const bySlot = Map.groupBy(known ?? [], ({ slot }) => slot);
    const slots: SlotView[] = [];
    for (const slot of names) {
      const attempts = whole ? bySlot.get(slot) : await executions.bySlot(unit.id, unit.version, slot);
      slots.push(slotView(slot, attempts));
      if (!whole) rows.push(...attempts!);
    }
    return await this.#apply(rows, slots, whole);
  }

  async #apply(
    rows: readonly ExecutionRow[],
    slots: readonly SlotView[],
    whole: boolean,
  ): Promise<Reconciled> {
    const { unit, work, fleet } = this;
    const { policy, hearingSince } = work.context;
    const reconciled = reconcile({
      job: jobView(unit.job),
      slots,
      executions: rows.map(executionView),
      whole,
      hosts: fleet.nodes,
      policy,
      now: work.tx.now,
      hearingSince,
    });
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const change of reconciled.changes) await applyChange(unit, byId.get(change.id)!, change);
    return reconciled;
  }

  async #loadPast(): Promise<Past> {
    const { unit, work: { tx, context } } = this;
    if (unit.fresh) return this.#past ??= NO_PAST;
    const weight = this.#kind.perNode ? this.fleet.nodes.size : unit.job.job.Count;
    const record = await context.pasts.of(tx, unit.id, unit.version, weight);
    const connectedSince = (id: string) => this.fleet.nodes.get(id)?.connectedSince ?? 0n;
    return this.#past ??= record.at(tx.now, connectedSince, context.policy);
  }

  /** Places what fits; what does not waits as rows, with the rest. @returns whether some found no node */
  async #place(slots: readonly string[], rest: readonly Run[], since: bigint): Promise<boolean> {
    const { unit, work } = this;
    if (slots.length + rest.length === 0) return false;
    const { tx, context: { world, policy, nodes } } = work;
    const want = { jobId: unit.id, request: this.#request, past: await this.#loadPast(), slots };
    await nodes.fleet(tx);
    const { placements, refusals } = allocate([want], this.fleet, {
      limit: Math.max(0, work.budget),
      random: () => world.random(),
    });
    for (const placement of placements) {
      const ask = {
        evaluationId: this.evaluationId,
        uuid: world.uuid(),
        bidDeadline: tx.now + policy.bidTimeout,
      };
      await applyPlacement(unit, placement, ask);
    }
    this.placed = placements.length;
    work.budget -= placements.length;
    const open = refusals.filter(({ why }) => why !== 'never');
    const waiting = [...open.map(({ slot }) => slot), ...rest];
    const request = await putWants(unit, this.#request, waiting, { due: 0n, since });
    const exhausted = open.some(({ why }) => why === 'room');
    if (request !== null && !exhausted) work.wake({ nodes: new Map(), requests: [request] });
    return exhausted;
  }

  async #conclude(executing: boolean, busy: boolean): Promise<void> {
    const { unit, work: { tx, context } } = this;
    const rest = busy ? null : await this.#rest();
    const { job, wake, ...times } = conclude(jobView(unit.job), { executing, rest }, context.policy, tx.now);
    await applyToJob(unit, { job, ...times });
    if (wake) await this.#wakeAt(wake);
    if (job && isTerminalJob(job.state)) await this.stop();
  }

  /** What there is while no slot is live, or waits for its time; null while one is or does. */
  async #rest(): Promise<Rest | null> {
    const { unit, fleet, work: { tx, context } } = this;
    if (await tx.executions.hasLive(unit.id, unit.version) || await tx.wants.nextDue(unit.id)) return null;
    const { finite, perNode } = this.#kind;
    const counted = await tx.executions.countCounted(unit.id, unit.version);
    const waiting = (await tx.wants.waiting(unit.id))?.slots ?? 0;
    const done = finite && !perNode && counted >= unit.job.job.Count;
    const rows = finite && perNode && waiting === 0 ? await tx.executions.byJob(unit.id, unit.version) : [];
    const heard = counted > 0 || rows.some(({ phase }) => isTerminalPhase(phase));
    const short = !done && (waiting > 0 || (perNode && !heard));
    if (!short) return { counted, executions: rows.map(executionView), shortage: null };
    await context.nodes.fleet(tx);
    const want = { jobId: unit.id, request: this.#request, past: await this.#loadPast() };
    return { counted, executions: [], shortage: shortage(want, fleet, Math.max(1, waiting)) };
  }

  #wakeAt({ at, trigger }: Reconciled['wakes'][number]): Promise<void> {
    return this.work.enqueue(this.unit.job, trigger, { waitUntil: at });
  }
}

/** Names of slots to look at now, and the runs of those that are left. */
function take(
  runs: readonly Run[],
  slots: Iterable<string>,
  limit: number,
): { names: Set<string>; rest: Run[] } {
  const names = new Set(slots);
  const rest: Run[] = [];
  for (const run of runs) {
    const taken = slotsOf(run, Math.max(0, limit));
    limit -= taken.slots.length;
    for (const slot of taken.slots) names.add(slot);
    if (taken.rest) rest.push(taken.rest);
  }
  return { names, rest };
}
