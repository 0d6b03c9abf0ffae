/**
 * Rows of the orchestrator's store as frozen plain data. All times are nanoseconds since the epoch, 0 = none.
 * `rev` rises by one at each update, which names the revision it saw.
 */
import type {
  AllocatedResources,
  ComputeState,
  DesiredState,
  Eligibility,
  EvaluationTrigger,
  Event,
  FailureClass,
  Job,
  JobHistory,
  Membership,
  NodeInfo,
  Phase,
  Resources,
  RunOutput,
  SpecConfig,
  State,
} from '../model/mod.ts';

/** What identifies a store and its logical orchestrator. */
export interface ClusterRow {
  /** New for each new store, so that peers forget positions in an older one. */
  readonly storeId: string;
  readonly restoreEpoch: number;
  /** The logical orchestrator: one id for all processes over this store (`Job.Meta`). */
  readonly orchestratorId: string;
  readonly createTime: bigint;
}

/** A job with what is not part of its REST body. `job.Revision` is the row's revision. */
export interface JobRow {
  readonly job: Job;
  /** When the job began to wait for nodes. */
  readonly queuedAt: bigint;
  /** When the first execution of this version began to run; TotalTimeout counts from here. */
  readonly runStarted: bigint;
  /** The job times out at this time. */
  readonly deadline: bigint;
  readonly stopReason: string;
  readonly stopTime: bigint;
}
/** What is to change of a job. */
export type JobChange = Partial<Omit<JobRow, 'job'>> & { readonly state?: Job['State'] };

/** What never changes of a version. */
export interface JobVersionRow {
  readonly jobId: string;
  readonly version: number;
  /** As it was when the version was created: the snapshot that executions carry. The identical object at each read. */
  readonly job: Job;
  readonly specHash: string;
  readonly createdBy: string;
}

/** A version of a job, and how it ended. */
export interface PastVersionRow extends JobVersionRow {
  /** The job's state, revision and time when a newer version replaced this one; null for the current version. */
  readonly replaced:
    | { readonly state: Job['State']; readonly revision: bigint; readonly time: bigint }
    | null;
}

/** As much of an execution as its columns tell. */
export type ExecutionOutline = Pick<ExecutionRow, 'id' | 'jobId' | 'phase'>;

/** An execution. */
export interface ExecutionRow {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly jobId: string;
  readonly jobVersion: number;
  /** The unit of work of its version: partition or replica index, or `n:<node id>` for ops and daemon jobs. */
  readonly slot: string;
  readonly partition: number;
  /** From 1 per slot. */
  readonly attempt: number;
  readonly nodeId: string;
  readonly evalId: string;
  readonly desired: State<DesiredState>;
  readonly compute: State<ComputeState>;
  readonly phase: Phase;
  readonly class: FailureClass | 'drained' | '';
  /** Code of the failure or refusal: `component:code` or ours (`NodeLost`, `BidTimeout` …). */
  readonly code: string;
  readonly counted: boolean;
  readonly previous: string;
  readonly next: string;
  readonly followupEvalId: string;
  readonly allocated: AllocatedResources;
  readonly bidDeadline: bigint;
  readonly execDeadline: bigint;
  readonly unknownSince: bigint;
  readonly lostAfter: bigint;
  readonly stopConfirmed: boolean;
  readonly started: bigint;
  readonly ended: bigint;
  /** The node's revision of its row in the last report; older reports are ignored. */
  readonly nodeRev: bigint;
  readonly published: SpecConfig | null;
  readonly runOutput: RunOutput | null;
  readonly rev: bigint;
  readonly createTime: bigint;
  readonly modifyTime: bigint;
}
/** What the caller says of a new execution; the rest starts empty, `phase` asked, `compute` New, `desired` Pending. */
export type NewExecution =
  & Pick<
    ExecutionRow,
    | 'id'
    | 'namespace'
    | 'jobId'
    | 'jobVersion'
    | 'slot'
    | 'partition'
    | 'attempt'
    | 'nodeId'
    | 'evalId'
    | 'allocated'
  >
  & Partial<Pick<ExecutionRow, 'name' | 'previous' | 'bidDeadline' | 'desired' | 'compute' | 'phase'>>;
/** What is to change of an execution. */
export type ExecutionChange = Partial<
  Pick<
    ExecutionRow,
    | 'desired'
    | 'compute'
    | 'phase'
    | 'class'
    | 'code'
    | 'counted'
    | 'next'
    | 'followupEvalId'
    | 'bidDeadline'
    | 'execDeadline'
    | 'unknownSince'
    | 'lostAfter'
    | 'stopConfirmed'
    | 'started'
    | 'ended'
    | 'nodeRev'
    | 'published'
    | 'runOutput'
  >
>;

/** Executions of a job version that a node has in one phase. */
export interface Tally {
  readonly nodeId: string;
  readonly phase: Phase;
  readonly count: number;
  /** When the last of them ended. */
  readonly lastEnd: bigint;
}

/** An execution that was refused, failed or lost, as far as it matters for the next one. */
export interface Setback {
  readonly nodeId: string;
  readonly phase: Phase;
  readonly class: FailureClass | 'drained' | '';
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly endedAt: bigint;
}

/** Slots of a job that want an execution: what a job waits for, and its place in the queue. */
export interface WantRow {
  readonly jobId: string;
  /** The first slot, and how many it stands for: an index counted on, or one of a node; `*` stands for each node. */
  readonly slot: string;
  readonly slots: number;
  readonly version: number;
  /** Id of what it asks of a node. */
  readonly request: bigint;
  /** `''` = any node will do; `*` = one slot on each that matches; else the node of the slot. */
  readonly nodeId: string;
  readonly namespace: string;
  readonly priority: number;
  /** When it first waited. */
  readonly since: bigint;
  /** 0 = it waits for room; else for this time. */
  readonly due: bigint;
}

/** What somebody asks of a node, as canonical text. */
export interface RequestRow {
  readonly id: bigint;
  readonly key: string;
  /** The first in order of those that wait for room on any node. */
  readonly first: WantRow | null;
}

/** A request to look at a job again. */
export interface EvaluationRow {
  /** Plain UUID, or `v-<uuid>` from timers and node events. */
  readonly id: string;
  readonly jobId: string;
  readonly trigger: EvaluationTrigger;
  /** Not due before; 0 = at once. */
  readonly waitUntil: bigint;
}
/** An evaluation to be asked for. */
export type NewEvaluation =
  & Omit<EvaluationRow, 'waitUntil'>
  & Partial<Pick<EvaluationRow, 'waitUntil'>>
  & { readonly priority: number };

/** A node. */
export interface NodeRow {
  readonly id: string;
  readonly installId: string;
  readonly membership: Membership;
  readonly eligibility: Eligibility;
  readonly drainUntil: bigint;
  readonly info: NodeInfo;
  readonly infoHash: string;
  /** Nodes of one class are interchangeable for placement. */
  readonly class: string;
  readonly extensions: readonly string[];
  /** Last sequence number given to a message for this node; never reused. */
  readonly outSeq: bigint;
  /** A deleted node stays as a tombstone, so that its sequence goes on. */
  readonly deletedAt: bigint;
  readonly rev: bigint;
  readonly createTime: bigint;
  readonly modifyTime: bigint;
}
/** A node to be added. */
export type NewNode =
  & Pick<NodeRow, 'id' | 'membership' | 'info'>
  & Partial<Pick<NodeRow, 'installId' | 'eligibility' | 'infoHash' | 'class' | 'extensions'>>;
/** What is to change of a node. */
export type NodeChange = Partial<Omit<NodeRow, 'id' | 'outSeq' | 'rev' | 'createTime' | 'modifyTime'>>;

/** All statuses of a session. */
export const SESSION_STATUSES = ['connected', 'suspect', 'unknown', 'closed', 'gone'] as const;
/** How a session stands. */
export type SessionStatus = (typeof SESSION_STATUSES)[number];

/** The connection of a node (invariants.md section 2). No `rev`: the epoch is the fence. */
export interface SessionRow {
  readonly nodeId: string;
  readonly epoch: number;
  /** Process that owns the session. */
  readonly owner: string;
  readonly leaseUntil: bigint;
  /** Which start of which installation speaks. */
  readonly incarnation: string;
  readonly status: SessionStatus;
  readonly connectedSince: bigint;
  readonly disconnectedSince: bigint;
  readonly lastHeartbeat: bigint;
  readonly lastError: string;
  /** Highest outbox sequence that the node acknowledged. */
  readonly ackedSeq: bigint;
  /** Highest sequence of the node that has been processed. */
  readonly reportedSeq: bigint;
  /** As of the last heartbeat. */
  readonly available: Resources;
  readonly queued: Resources;
}
/** What is to change of a session. */
export type SessionChange = Partial<Omit<SessionRow, 'nodeId' | 'epoch'>>;

/** One heartbeat, written in batches. */
export interface Heartbeat {
  readonly nodeId: string;
  readonly epoch: number;
  readonly time: bigint;
  readonly available: Resources;
  readonly queued: Resources;
}

/** What is promised to live and stopping executions of a node. */
export interface UsageRow {
  readonly nodeId: string;
  /** Executions that count. */
  readonly executions: number;
  readonly promised: Resources;
  readonly rev: bigint;
}

/** A node with its session. */
export interface NodeView {
  readonly node: NodeRow;
  /** Absent before the first handshake. */
  readonly session: SessionRow | null;
  readonly usage: UsageRow;
}

/** All kinds of messages to nodes. */
export const OUTBOX_KINDS = ['ask', 'accept', 'reject', 'cancel'] as const;
/** Kind of a message to a node. */
export type OutboxKind = (typeof OUTBOX_KINDS)[number];

/** A message to a node that waits for its acknowledgement; the body is rendered when it is sent. */
export interface OutboxRow {
  readonly nodeId: string;
  readonly seq: bigint;
  readonly executionId: string;
  readonly kind: OutboxKind;
  readonly createTime: bigint;
}

/** The store adds the sequence number. */
export interface NewHistory {
  readonly type: JobHistory['Type'];
  readonly jobVersion: number;
  readonly executionId?: string;
  readonly event: Event;
  readonly time: bigint;
}

/** The answer that a key of idempotency stands for. */
export interface IdempotencyRow {
  readonly key: string;
  readonly namespace: string;
  /** The answer's JSON text. */
  readonly answer: string;
  readonly expires: bigint;
}
