/**
 * What the scheduler sees and what it answers, as plain data. It sees rows as the store holds them now and answers with
 * the difference between what is and what should be. Ids of new executions are drawn by whoever applies it.
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
  /** Since when it has waited for nodes, also while it asks one; until a node may run it. */
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

/** An execution as far as scheduling is concerned. */
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

/** As much of a node as its executions depend on. */
export type Host = Pick<NodeView, 'id' | 'membership' | 'session'>;

/** Periods are nanoseconds. */
export interface SchedulePolicy {
  /** No answer to an ask after this long counts as "no": 2 min. */
  readonly bidTimeout: bigint;
  /** The node enforces time-outs; the orchestrator steps in this much later: `HousekeepingTimeout`, 2 min. */
  readonly timeoutGrace: bigint;
  /** A silent node's work is given up after this long. */
  readonly disconnectWindow: bigint;
  /** Where the spec has no QueueTimeout; 0 = fail at once. */
  readonly defaultQueueTimeout: bigint;
  /** Further attempts of a slot after infrastructure failures (batch): 2. */
  readonly maxRetries: number;
  /** Wait before the second attempt; doubles, at most `retryBackoffMax`. */
  readonly retryBackoff: bigint;
  readonly retryBackoffMax: bigint;
  /** How long a job avoids a node that let its bid pass, said "not now" or failed it. */
  readonly avoid: bigint;
  /** Promised resources may reach this multiple of a node's capacity: 1.5. */
  readonly overCommit: number;
  /** New executions per transaction; the rest follow in the next one. */
  readonly maxPlacements: number;
  /** compatibility.md A6 (user-error half). */
  readonly userErrorsFinal: boolean;
}

/** An event without its time, which is that of the commit. */
export type PlannedEvent = Omit<Event, 'Timestamp'>;

/** What to tell the node of a change; the message itself is rendered when it is sent. */
export type Notice = 'accept' | 'reject' | 'cancel';

/** What is to change of an execution. */
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

/** What is to change of a job. */
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
}

/** A job with its executions, and the time. */
export interface ReconcileInput {
  readonly job: JobView;
  /** All slots of the current version, or those in question. */
  readonly slots: readonly SlotView[];
  /** All of those slots, and live ones of older versions. */
  readonly executions: readonly ExecutionView[];
  /** Whether these are all that the job has and should have. */
  readonly whole: boolean;
  /** At least those of live executions. */
  readonly hosts: ReadonlyMap<string, Host>;
  readonly policy: SchedulePolicy;
  /** Nanoseconds since the epoch, by the store's clock. */
  readonly now: bigint;
  /** Since when somebody listens to the nodes: windows of silence do not begin before (invariants.md S15). */
  readonly hearingSince: bigint;
}
