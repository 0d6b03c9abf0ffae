/** Rows of one job and its nodes in memory, to which plans are applied as the orchestrator's transaction would. */
import { addResources, isLive, type Job, type NodeInfo, type Resources } from '../../mod/model/mod.ts';
import {
  DEFAULT_POLICY,
  type ExecutionView,
  type JobView,
  type NodeView,
  type Plan,
  schedule,
  type SchedulePolicy,
  type SlotView,
} from '../../mod/schedule/mod.ts';

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

  plan(): Plan {
    const held = (id: string) =>
      this.executions.filter(({ nodeId, phase }) => nodeId === id && (isLive(phase) || phase === 'stopping'))
        .reduce<Resources>((sum, { id }) => addResources(sum, this.resources.get(id)!), {});
    return schedule({
      job: this.job,
      slots: [...this.slots.values()],
      executions: this.executions,
      nodes: this.nodes.map((node) => ({ ...node, promised: addResources(node.promised, held(node.id)) })),
      policy: this.policy,
      now: this.now,
      hearingSince: START,
      random: this.#random,
    });
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
      const slot = this.slots.get(planned.slot);
      if (slot && planned.attempt <= slot.attempt) {
        throw new Error(`attempt ${planned.attempt} does not grow`);
      }
      this.slots.set(planned.slot, { slot: planned.slot, attempt: planned.attempt, countedExec: '' });
      const id = `e-${this.executions.length + 1}`;
      this.resources.set(id, planned.resources);
      this.executions.push({
        id,
        version: this.job.spec.Version,
        slot: planned.slot,
        attempt: planned.attempt,
        nodeId: planned.nodeId,
        phase: 'asked',
        class: '',
        code: '',
        message: '',
        hint: '',
        createdAt: this.now,
        endedAt: 0n,
        bidDeadline: planned.bidDeadline,
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
