/**
 * What the scheduler sees and what it answers, as plain data. It sees rows as the store holds them now and answers with
 * a plan: the difference between what is and what should be. Ids of new executions are drawn by whoever applies it.
 */
import type {
  ComputeState,
  DesiredState,
  Eligibility,
  EvaluationTrigger,
  Event,
  FailureClass,
  Job,
  JobStateType,
  Membership,
  NodeInfo,
  Phase,
  Refusal,
  Resources,
} from '../model/mod.ts';

/** The hot row of a job beside its spec. Times are nanoseconds since the epoch, 0 = not set. */
export interface JobView {
  /** Spec of the current version; `State` in it is not consulted. */
  readonly spec: Job;
  readonly state: JobStateType;
  readonly message: string;
  /** When it fails for good, if its total time-out is set and known. */
  readonly deadline: bigint;
  /** Since when it waits for nodes. */
  readonly queuedAt: bigint;
}

/** A slot of the current version: an index as text, or `n:<node>` for ops and daemon jobs. */
export interface SlotView {
  readonly slot: string;
  /** Attempts made; only grows. */
  readonly attempt: number;
  /** The execution whose result counts, `''` while there is none. */
  readonly countedExec: string;
}

export interface ExecutionView {
  readonly id: string;
  readonly version: number;
  readonly slot: string;
  readonly attempt: number;
  readonly nodeId: string;
  readonly phase: Phase;
  /** Set on failed and lost executions; `drained` is no failure. */
  readonly class: FailureClass | 'drained' | '';
  /** Why it ended, for programs: `BidRejected`, `BidTimeout`, `NodeLost` … */
  readonly code: string;
  /** Why it ended, for people. */
  readonly message: string;
  readonly hint: string;
  readonly createdAt: bigint;
  /** When it reached a terminal phase, else 0. */
  readonly endedAt: bigint;
  readonly bidDeadline: bigint;
  readonly execDeadline: bigint;
  readonly lostAfter: bigint;
}

/** A node as far as placement is concerned. */
export interface NodeView {
  readonly id: string;
  readonly membership: Membership;
  readonly eligibility: Eligibility;
  /** `suspect`: not heard for a moment, keeps its work but gets none; `away`: its work is unknown. */
  readonly session: 'connected' | 'suspect' | 'away';
  /** Start of the present session. */
  readonly connectedSince: bigint;
  readonly info: NodeInfo;
  /** Resources promised to live and stopping executions, of all jobs. */
  readonly promised: Resources;
}

/** Periods are nanoseconds. */
export interface SchedulePolicy {
  /** No answer to an ask after this long counts as "no": 2 min. */
  readonly bidTimeout: bigint;
  /** The node enforces time-outs; the orchestrator steps in this much later: `HousekeepingTimeout`, 2 min. */
  readonly timeoutGrace: bigint;
  /** A silent node's work is given up after this long. */
  readonly disconnectWindow: bigint;
  /** A waiting job is looked at again at least this often. */
  readonly queueBackoff: bigint;
  /** Where the spec has no QueueTimeout; 0 = fail at once. */
  readonly defaultQueueTimeout: bigint;
  /** Further attempts of a slot after infrastructure failures (batch): 2. */
  readonly maxRetries: number;
  /** Wait before the second attempt; doubles, at most `retryBackoffMax`. */
  readonly retryBackoff: bigint;
  readonly retryBackoffMax: bigint;
  /** How long a node that let a bid pass, or failed the slot, is avoided. */
  readonly avoid: bigint;
  /** Promised resources may reach this multiple of a node's capacity: 1.5. */
  readonly overCommit: number;
  /** New executions per plan; the rest follow in the next one. */
  readonly maxPlacements: number;
  /** compatibility.md A6 (user-error half). */
  readonly userErrorsFinal: boolean;
}

export interface ScheduleInput {
  readonly job: JobView;
  readonly slots: readonly SlotView[];
  /** Of all versions; ended ones of older versions may be left out. */
  readonly executions: readonly ExecutionView[];
  /** All known nodes, silent and unapproved ones too. */
  readonly nodes: readonly NodeView[];
  readonly policy: SchedulePolicy;
  /** Nanoseconds since the epoch, by the store's clock. */
  readonly now: bigint;
  /** Since when somebody listens to the nodes: windows of silence do not begin before (invariants.md S15). */
  readonly hearingSince: bigint;
  /** In [0, 1); breaks ties between nodes. */
  readonly random: () => number;
}

/** An event without its time, which is that of the commit. */
export type PlannedEvent = Omit<Event, 'Timestamp'>;

export interface NewExecution {
  readonly slot: string;
  readonly partition: number;
  readonly attempt: number;
  readonly nodeId: string;
  readonly resources: Resources;
  readonly bidDeadline: bigint;
  /** The slot's execution before this one, `''` for the first attempt. */
  readonly previous: string;
  readonly event: PlannedEvent;
}

/** What to tell the node of a change; the message itself is rendered when it is sent. */
export type Notice = 'accept' | 'reject' | 'cancel';

export interface ExecutionChange {
  readonly id: string;
  readonly from: Phase;
  readonly phase: Phase;
  /** Absent = as it is. */
  readonly compute?: ComputeState;
  readonly desired?: DesiredState;
  readonly message?: string;
  readonly code?: string;
  readonly class?: FailureClass;
  readonly unknownSince?: bigint;
  readonly lostAfter?: bigint;
  readonly notice?: Notice;
  readonly event?: PlannedEvent;
}

export interface JobChange {
  readonly state: JobStateType;
  readonly message: string;
  readonly details?: Readonly<Record<string, string>>;
  readonly events: readonly PlannedEvent[];
}

/**
 * When a job has to be looked at again even if nothing happens to it. Deadlines that stand on execution rows (bid and
 * execution time-outs) are not repeated here.
 */
export interface Wake {
  readonly at: bigint;
  readonly trigger: EvaluationTrigger;
  readonly comment: string;
}

/** Why a node was not chosen. */
export interface NodeRefusal extends Refusal {
  readonly nodeId: string;
}

export interface Plan {
  readonly create: readonly NewExecution[];
  readonly change: readonly ExecutionChange[];
  readonly job: JobChange | null;
  /** New values of the job's times; absent = as they are. */
  readonly queuedAt?: bigint;
  readonly deadline?: bigint;
  readonly wake: Wake | null;
  /** More could be placed at once: evaluate again. */
  readonly again: boolean;
  /** It lacks nodes: wake it when capacity is freed or a node changes. */
  readonly waiting: boolean;
  readonly refusals: readonly NodeRefusal[];
}

/** Whether the plan leaves all rows as they are (a settled state is a fixed point, invariants.md L8). */
export function isSettled(plan: Plan): boolean {
  return plan.create.length === 0 && plan.change.length === 0 && plan.job === null && !plan.again &&
    plan.queuedAt === undefined && plan.deadline === undefined;
}
