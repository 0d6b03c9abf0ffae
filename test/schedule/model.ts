/** Rows of one job and its nodes in memory, to which plans are applied as the orchestrator's transaction would. */
import {
  addResources,
  isLive,
  isTerminalJob,
  isTerminalPhase,
  type Job,
  type NodeInfo,
  type Resources,
} from '../../mod/model/mod.ts';
import {
  allocate,
  conclude,
  type Conclusion,
  DEFAULT_POLICY,
  type ExecutionChange,
  type ExecutionView,
  Fleet,
  JOB_KINDS,
  type JobChange,
  type JobView,
  nodeSlot,
  type NodeView,
  PastRecord,
  type Placement,
  placementRequest,
  reconcile,
  type SchedulePolicy,
  shortage,
  slotsOnNodes,
  type SlotView,
} from '../../mod/schedule/mod.ts';

/** One look at the job, as the tests judge it. */
export interface Plan {
  readonly create: readonly Placement[];
  readonly change: readonly ExecutionChange[];
  readonly job: JobChange | null;
  readonly queuedAt: bigint | undefined;
  readonly deadline: bigint | undefined;
  readonly wake: { readonly at: bigint } | null;
  /** More could be placed at once. */
  readonly again: boolean;
  readonly waiting: boolean;
}

/** Whether the plan leaves all rows as they are (a settled state is a fixed point, invariants.md L8). */
export function isSettled(plan: Plan): boolean {
  return plan.create.length === 0 && plan.change.length === 0 && plan.job === null && !plan.again &&
    plan.queuedAt === undefined && plan.deadline === undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const SECOND = 1_000_000_000n;
/** 2026-11-20 or so. */
export const START = 1_795_000_000n * SECOND;

export function makeJob(changes: Partial<Job> = {}): Job {
  return {
    ID: 'j-1',
    Name: 'job',
    Namespace: 'default',
    Type: 'batch',
    Priority: 0,
    Count: 1,
    Constraints: [],
    Meta: {},
    Labels: {},
    Tasks: [{
      Name: 'main',
      Engine: { Type: 'noop' },
      Publisher: null,
      Resources: { CPU: '1', Memory: '1gb' },
    }],
    State: { StateType: 'Pending' },
    Version: 1,
    Revision: 1n,
    CreateTime: START,
    ModifyTime: START,
    ...changes,
  };
}

export function makeInfo(id: string, capacity: Resources, changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    NodeID: id,
    NodeType: 'Compute',
    Labels: { name: id },
    SupportedProtocols: ['ncl/v1'],
    ComputeNodeInfo: {
      ExecutionEngines: ['noop', 'WASM'],
      Publishers: ['local'],
      StorageSources: ['inline', 'urldownload'],
      MaxCapacity: capacity,
      QueueCapacity: {},
      AvailableCapacity: capacity,
      MaxJobRequirements: capacity,
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      address: '',
    },
    BacalhauVersion: { GitVersion: 'v1.9.3', GitCommit: '', BuildDate: '', GOOS: 'linux', GOARCH: 'amd64' },
    ...changes,
  };
}

export function makeNode(id: string, changes: Partial<NodeView> = {}): NodeView {
  return {
    id,
    membership: 'APPROVED',
    eligibility: 'eligible',
    session: 'connected',
    connectedSince: START,
    info: makeInfo(id, { CPU: 2, Memory: 2_000_000_000 }),
    promised: {},
    ...changes,
  };
}

export class Cluster {
  now = START;
  hearingSince = START;
  job: Mutable<JobView>;
  slots = new Map<string, Mutable<SlotView>>();
  executions: Mutable<ExecutionView>[] = [];
  resources = new Map<string, Resources>();
  nodes: Mutable<NodeView>[];
  policy: SchedulePolicy;
  #seed = 1;

  constructor(spec: Job, nodes: readonly NodeView[], policy: Partial<SchedulePolicy> = {}) {
    this.job = { spec, state: 'Pending', message: '', deadline: 0n, queuedAt: 0n };
    this.nodes = nodes.map((node) => ({ ...node }));
    this.policy = { ...DEFAULT_POLICY, ...policy };
  }

  #random = () => {
    this.#seed = (this.#seed * 16807) % 2147483647;
    return this.#seed / 2147483647;
  };

  #held(id: string): Resources {
    return this.executions
      .filter(({ nodeId, phase }) => nodeId === id && (isLive(phase) || phase === 'stopping'))
      .reduce<Resources>((sum, { id }) => addResources(sum, this.resources.get(id)!), {});
  }

  /** As the orchestrator does it: what the job wants, who gets room, what that means for the job. */
  plan(): Plan {
    const fleet = new Fleet(
      this.policy.overCommit,
      this.nodes.map((node) => ({ ...node, promised: addResources(node.promised, this.#held(node.id)) })),
    );
    const { spec } = this.job;
    const { policy, now } = this;
    const ofVersion = this.executions.filter(({ version }) => version === spec.Version);
    const past = new PastRecord(
      ofVersion.map(({ nodeId, phase, endedAt }) => ({ nodeId, phase, count: 1, lastEnd: endedAt })),
      ofVersion.filter(({ phase }) => ['refused', 'failed', 'lost'].includes(phase)),
    ).at(now, (id) => fleet.nodes.get(id)?.connectedSince ?? 0n, policy);
    const want = { jobId: spec.ID, request: placementRequest(spec), past };
    const names = JOB_KINDS[spec.Type].perNode
      ? [...new Set([...this.slots.keys(), ...slotsOnNodes(want.request, past, fleet).map(nodeSlot)])]
      : Array.from({ length: spec.Count }, (_, index) => String(index));
    const base = {
      executions: this.executions,
      slots: names.map((slot) => this.slots.get(slot) ?? { slot, attempt: 0, countedExec: '' }),
      whole: true,
      hosts: fleet.nodes,
      policy,
      now,
      hearingSince: this.hearingSince,
    };
    const reconciled = reconcile({ ...base, job: this.job });
    const limit = policy.maxPlacements;
    const { placements, refusals } = allocate([{ ...want, slots: reconciled.empty }], fleet, {
      limit,
      random: this.#random,
    });
    const open = refusals.filter(({ why }) => why !== 'never');
    const counted = [...this.slots.values()].filter(({ countedExec }) => countedExec).length;
    const idle = !reconciled.live && placements.length === 0 && reconciled.later.length === 0;
    const unheard = counted === 0 && !ofVersion.some(({ phase }) => isTerminalPhase(phase));
    const lacks = open.length > 0 || (JOB_KINDS[spec.Type].perNode && unheard);
    const after = new Fleet(policy.overCommit, fleet.nodes.values());
    const concluded: Conclusion = reconciled.failure || isTerminalJob(this.job.state)
      ? { job: reconciled.failure, wake: null }
      : conclude(
        this.job,
        {
          executing: reconciled.executing,
          rest: idle
            ? {
              counted,
              executions: ofVersion,
              shortage: lacks ? shortage(want, after, Math.max(1, open.length)) : null,
            }
            : null,
        },
        policy,
        now,
      );
    const ends = concluded.job !== null && isTerminalJob(concluded.job.state);
    const stops = ends ? reconcile({ ...base, job: { ...this.job, state: 'Failed' } }).changes : [];
    const over = new Set(reconciled.changes.filter(({ phase }) => !isLive(phase)).map(({ id }) => id));
    const change = ends
      ? [...reconciled.changes.filter(({ id }) => over.has(id)), ...stops.filter(({ id }) => !over.has(id))]
      : reconciled.changes;
    const wakes = [
      ...reconciled.wakes,
      ...reconciled.later.map(({ at }) => ({ at })),
      ...(open.some(({ why }) => why === 'room') && past.until ? [{ at: past.until }] : []),
      ...(concluded.wake ? [concluded.wake] : []),
    ].map(({ at }) => at);
    return {
      create: ends ? [] : placements,
      change,
      job: concluded.job,
      queuedAt: concluded.queuedAt,
      deadline: reconciled.deadline,
      wake: ends || wakes.length === 0 ? null : { at: wakes.reduce((a, b) => (a < b ? a : b)) },
      again: !ends && open.some(({ why }) => why === 'limit') && placements.length > 0,
      waiting: !ends && (open.length > 0 || lacks),
    };
  }

  apply(plan: Plan): void {
    for (const change of plan.change) {
      const row = this.executions.find(({ id }) => id === change.id)!;
      if (row.phase !== change.from) throw new Error(`${row.id} is ${row.phase}, plan saw ${change.from}`);
      row.phase = change.phase;
      if (change.code !== undefined) row.code = change.code;
      if (change.class !== undefined) row.class = change.class;
      if (change.message !== undefined) row.message = change.message;
      if (change.lostAfter !== undefined) row.lostAfter = change.lostAfter;
      if (!isLive(row.phase) && row.phase !== 'stopping') row.endedAt = this.now;
    }
    for (const planned of plan.create) {
      const attempt = (this.slots.get(planned.slot)?.attempt ?? 0) + 1;
      this.slots.set(planned.slot, { slot: planned.slot, attempt, countedExec: '' });
      const id = `e-${this.executions.length + 1}`;
      this.resources.set(id, planned.resources);
      this.executions.push({
        id,
        version: this.job.spec.Version,
        slot: planned.slot,
        attempt,
        nodeId: planned.nodeId,
        phase: 'asked',
        class: '',
        code: '',
        message: '',
        hint: '',
        createdAt: this.now,
        endedAt: 0n,
        bidDeadline: this.now + this.policy.bidTimeout,
        execDeadline: 0n,
        lostAfter: 0n,
      });
    }
    if (plan.job) Object.assign(this.job, { state: plan.job.state, message: plan.job.message });
    if (plan.queuedAt !== undefined) this.job.queuedAt = plan.queuedAt;
    if (plan.deadline !== undefined) this.job.deadline = plan.deadline;
  }

  /** Schedules until nothing more can be placed at once. */
  step(): Plan {
    for (;;) {
      const plan = this.plan();
      this.apply(plan);
      if (!plan.again) return plan;
    }
  }

  /** What a node reports. */
  report(id: string, phase: ExecutionView['phase'], changes: Partial<ExecutionView> = {}): void {
    const row = this.executions.find((execution) => execution.id === id)!;
    Object.assign(row, { phase, ...changes });
    if (!isLive(phase) && phase !== 'stopping') row.endedAt = this.now;
    if (phase === 'completed') this.slots.get(row.slot)!.countedExec = id;
  }

  live(): ExecutionView[] {
    return this.executions.filter(({ phase }) => isLive(phase));
  }

  /** The next time at which something is due: the plan's wake or a deadline on a row. */
  nextDue(plan: Plan): bigint | null {
    const times = this.live().flatMap((execution) =>
      execution.phase === 'asked'
        ? [execution.bidDeadline]
        : execution.execDeadline > 0n
        ? [execution.execDeadline]
        : []
    );
    if (plan.wake) times.push(plan.wake.at);
    return times.length === 0 ? null : times.reduce((a, b) => (a < b ? a : b));
  }
}
