/**
 * One placement of a job on a node. The integers are those of the wire and of REST (rest-api.md section 4); the phase
 * (invariants.md section 2) is ours and travels in `ComputeState.Details.Phase` only.
 */
import type { Job, SpecConfig, State } from './job.ts';
import type { Resources } from './resources.ts';

export const ComputeState = {
  Undefined: 0,
  New: 1,
  AskForBid: 2,
  AskForBidAccepted: 3,
  AskForBidRejected: 4,
  BidAccepted: 5,
  Running: 6,
  Publishing: 7,
  BidRejected: 8,
  Completed: 9,
  Failed: 10,
  Cancelled: 11,
} as const;
export type ComputeState = (typeof ComputeState)[keyof typeof ComputeState];

export const DesiredState = { Pending: 0, Running: 1, Stopped: 2 } as const;
export type DesiredState = (typeof DesiredState)[keyof typeof DesiredState];

/** Names by integer, for people. */
export const COMPUTE_STATE_NAMES = Object.freeze(Object.keys(ComputeState)) as readonly string[];
export const DESIRED_STATE_NAMES = Object.freeze(Object.keys(DesiredState)) as readonly string[];

const TERMINAL: readonly number[] = [
  ComputeState.AskForBidRejected,
  ComputeState.BidRejected,
  ComputeState.Completed,
  ComputeState.Failed,
  ComputeState.Cancelled,
];

/** A terminal compute state is never left. */
export function isTerminalComputeState(state: ComputeState): boolean {
  return TERMINAL.includes(state);
}

/** What a run leaves behind; the wire writes `stderr` in lower case and always all keys. */
export interface RunOutput {
  readonly Stdout: string;
  readonly StdoutTruncated: boolean;
  readonly stderr: string;
  readonly StderrTruncated: boolean;
  readonly ExitCode: number;
  readonly ErrorMsg: string;
}

export const EMPTY_RUN_OUTPUT: RunOutput = Object.freeze({
  Stdout: '',
  StdoutTruncated: false,
  stderr: '',
  StderrTruncated: false,
  ExitCode: 0,
  ErrorMsg: '',
});

export interface AllocatedResources {
  readonly Tasks: Readonly<Record<string, Resources>>;
}

export interface Execution {
  /** `e-<uuid>`; the fence: nothing is placed twice under one id. */
  readonly ID: string;
  readonly Namespace: string;
  readonly EvalID: string;
  readonly Name: string;
  readonly NodeID: string;
  readonly JobID: string;
  /** Snapshot of the job at scheduling. */
  readonly Job?: Job;
  readonly JobVersion: number;
  readonly AllocatedResources: AllocatedResources | null;
  readonly DesiredState: State<DesiredState>;
  readonly ComputeState: State<ComputeState>;
  readonly PublishedResult: SpecConfig | null;
  readonly RunOutput: RunOutput | null;
  readonly PreviousExecution: string;
  readonly NextExecution: string;
  readonly FollowupEvalID: string;
  /** Left out of JSON when 0. */
  readonly PartitionIndex?: number;
  readonly Revision: bigint;
  /** Nanoseconds since the epoch. */
  readonly CreateTime: bigint;
  /** Nanoseconds since the epoch. */
  readonly ModifyTime: bigint;
}

/** Phases of an execution at the orchestrator (invariants.md section 2, first table). */
export const PHASES = [
  'asked',
  'offered',
  'approved',
  'queued',
  'preparing',
  'running',
  'publishing',
  'unknown',
  'stopping',
  'stopped',
  'rejected',
  'refused',
  'completed',
  'failed',
  'lost',
] as const;
export type Phase = (typeof PHASES)[number];

const LIVE: readonly Phase[] = [
  'asked',
  'offered',
  'approved',
  'queued',
  'preparing',
  'running',
  'publishing',
  'unknown',
];
const TERMINAL_PHASES: readonly Phase[] = [
  'stopped',
  'rejected',
  'refused',
  'completed',
  'failed',
  'lost',
];

/** Live executions hold their slot; a stopping one holds only its resources. */
export function isLive(phase: Phase): boolean {
  return LIVE.includes(phase);
}
export function isTerminalPhase(phase: Phase): boolean {
  return TERMINAL_PHASES.includes(phase);
}

/** Why an execution failed, which decides whether it is tried again (invariants.md S19, differences.md A6). */
export const FAILURE_CLASSES = ['user', 'timeout', 'infrastructure'] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];
