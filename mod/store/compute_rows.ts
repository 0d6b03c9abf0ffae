/** Rows of a compute node's store as plain data. Times are nanoseconds since the epoch, 0 = none. */
import type { DesiredState, Event, Execution, PortMapping, Resources, StringMap } from '../model/mod.ts';

/** Phases of an execution at its node (invariants.md section 2); the transitions are the compute room's. */
export const COMPUTE_PHASES = [
  'received',
  'offered',
  'queued',
  'preparing',
  'starting',
  'running',
  'harvesting',
  'publishing',
  'cancelling',
  'refused',
  'rejected',
  'completed',
  'failed',
  'cancelled',
] as const;
/** Phase of an execution at its node. */
export type ComputePhase = (typeof COMPUTE_PHASES)[number];

/** What identifies an engine's object; plain data of the engine's own. */
export interface StoredIdentity {
  readonly engine: string;
  readonly id: string;
  readonly startTime?: string;
}

/** A message to the orchestrator as the transport knows it. The store only keeps it. */
export interface StoredMessage {
  readonly type: string;
  readonly payload: unknown;
}

/** An execution that a node has, as it is stored. */
export interface HeldExecution {
  readonly id: string;
  /** The logical orchestrator that sent it. */
  readonly cluster: string;
  readonly execution: Execution;
  readonly desired: DesiredState;
  readonly phase: ComputePhase;
  readonly runNo: number;
  readonly allocated: Resources;
  readonly identity: StoredIdentity | null;
  /** Facts found at bid time that each run keeps to. */
  readonly pinned: StringMap;
  /** What the present run publishes, host ports included; empty = none given yet. */
  readonly ports: readonly PortMapping[];
  readonly exitCode: number | null;
  /** Why this run is ended by its node or has failed: the event that its report will begin with. Null = not so. */
  readonly verdict: Event | null;
  /** Not yet carried by any report. */
  readonly events: readonly Event[];
  readonly queuedAt: bigint;
  readonly deadline: bigint;
  readonly ended: bigint;
  readonly confirmedAt: bigint;
  readonly rev: bigint;
}

/**
 * Why an outbox row is there. A newer `status` of an execution replaces an older one; a `notice` carries events and stays.
 * Of these two and the inventory only peers with the extension are told.
 */
export type ReportKind = 'bid' | 'result' | 'status' | 'notice' | 'inventory';

export interface PostedReport {
  readonly kind: ReportKind;
  /** May be made for the revision that the change gives. */
  readonly message: StoredMessage | ((revision: bigint) => StoredMessage);
}

/** Devices and ports that were chosen for a run. */
export interface Assignment {
  readonly allocated: Resources;
  readonly ports: readonly PortMapping[];
}

/** What a transition changes besides the phase. */
export interface PhaseChange {
  readonly phase: ComputePhase;
  readonly desired?: DesiredState;
  readonly runNo?: number;
  readonly allocated?: Resources;
  readonly identity?: StoredIdentity | null;
  readonly pinned?: StringMap;
  readonly exitCode?: number | null;
  readonly verdict?: Event;
  readonly events?: readonly Event[];
  readonly queuedAt?: bigint;
  readonly deadline?: bigint;
  readonly ended?: bigint;
  readonly confirmedAt?: bigint;
  /** Put into the outbox in the same transaction; kept with the row except for a notice. */
  readonly report?: PostedReport;
}

/** An ended execution whose report no orchestrator has confirmed. */
export interface Unconfirmed {
  readonly id: string;
  readonly phase: ComputePhase;
  readonly ended: bigint;
}

/** How far the exchange with an orchestrator has come. */
export interface Peer {
  /** Store id of the orchestrator, '' of one that names none. */
  readonly id: string;
  /** Highest message of it that was processed. */
  readonly inSeq: bigint;
  /** Whether it names our extension. */
  readonly extended: boolean;
}
