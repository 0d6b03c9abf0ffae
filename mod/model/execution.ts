/**
 * One placement of a job on a node. The integers are those of the wire and of REST (rest-api.md section 4); the phase
 * (invariants.md section 2) is ours and travels in `ComputeState.Details.Phase` only.
 */
import { stateOf } from './fields.ts';
import { jobCodec, type SpecConfig, specConfigCodec } from './job.ts';
import { resourcesCodec } from './resources.ts';
import {
  type Codec,
  codec,
  enumeration,
  flag,
  int,
  int64,
  mapOf,
  nullable,
  omitAbsent,
  omitEmpty,
  required,
  type Shape,
  struct,
  text,
  type TypeOf,
  uint,
  uint64,
} from './shape.ts';

/** States of an execution as the original's API tells them. */
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

/** What the orchestrator wants of an execution. */
export const DesiredState = { Pending: 0, Running: 1, Stopped: 2 } as const;
export type DesiredState = (typeof DesiredState)[keyof typeof DesiredState];

/** Names by integer, for people. */
export const COMPUTE_STATE_NAMES = Object.freeze(Object.keys(ComputeState)) as readonly string[];
/** Names by integer, for people. */
export const DESIRED_STATE_NAMES = Object.freeze(Object.keys(DesiredState)) as readonly string[];

const TERMINAL_STATES: readonly number[] = [
  ComputeState.AskForBidRejected,
  ComputeState.BidRejected,
  ComputeState.Completed,
  ComputeState.Failed,
  ComputeState.Cancelled,
];

/** A terminal compute state is never left. */
export function isTerminalComputeState(state: ComputeState): boolean {
  return TERMINAL_STATES.includes(state);
}

/** What a run leaves behind; the wire writes `stderr` in lower case and always all keys. */
export interface RunOutput extends TypeOf<typeof runOutput> {}
const runOutput = struct('RunCommandResult', {
  Stdout: required(text),
  StdoutTruncated: required(flag),
  stderr: required(text),
  StderrTruncated: required(flag),
  ExitCode: required(int),
  ErrorMsg: required(text),
});
/** The JSON of a program's output. */
export const runOutputCodec: Codec<RunOutput> = codec('run output', runOutput);

/** Of a program that said nothing. */
export const EMPTY_RUN_OUTPUT: RunOutput = Object.freeze({
  Stdout: '',
  StdoutTruncated: false,
  stderr: '',
  StderrTruncated: false,
  ExitCode: 0,
  ErrorMsg: '',
});

/** What an execution was promised, by task. */
export interface AllocatedResources extends TypeOf<typeof allocated> {}
const allocated = struct('AllocatedResources', { Tasks: required(mapOf(resourcesCodec.shape)) });

/** One attempt at a slot of a job on one node. */
export interface Execution extends TypeOf<typeof executionShape> {}
const executionShape = struct('Execution', {
  /** `e-<uuid>`; the fence: nothing is placed twice under one id. */
  ID: required(text),
  Namespace: required(text),
  EvalID: required(text),
  Name: required(text),
  NodeID: required(text),
  JobID: required(text),
  /** Snapshot of the job at scheduling. */
  Job: omitAbsent(jobCodec.shape),
  JobVersion: required(uint),
  AllocatedResources: required(nullable(allocated as Shape<AllocatedResources>)),
  DesiredState: required(stateOf<DesiredState>(enumeration('desired state', DesiredState.Stopped))),
  ComputeState: required(stateOf<ComputeState>(enumeration('execution state', ComputeState.Cancelled))),
  PublishedResult: required(nullable(specConfigCodec.shape as Shape<SpecConfig>)),
  RunOutput: required(nullable(runOutputCodec.shape)),
  PreviousExecution: required(text),
  NextExecution: required(text),
  FollowupEvalID: required(text),
  /** Left out of JSON when 0. */
  PartitionIndex: omitEmpty(int),
  Revision: required(uint64),
  /** Nanoseconds since the epoch. */
  CreateTime: required(int64),
  /** Nanoseconds since the epoch. */
  ModifyTime: required(int64),
});
/** The JSON of an execution. */
export const executionCodec: Codec<Execution> = codec('execution', executionShape);

/** One phase of an execution at the orchestrator. */
export interface PhaseRow {
  /** Phases that it is entered from, in one step. */
  readonly from: readonly Phase[];
  /** What the wire and REST show; null = as it was. */
  readonly compute: ComputeState | null;
  /** Holds its slot. */
  readonly live: boolean;
  /** The node may run it. */
  readonly executing: boolean;
  /** Is never left. All others hold the node's resources. */
  readonly terminal: boolean;
}

const BEFORE = { live: true, executing: false, terminal: false } as const;
const EXECUTING = { live: true, executing: true, terminal: false } as const;
const TERMINAL = { live: false, executing: false, terminal: true } as const;
const TOLD = ['approved', 'queued', 'preparing', 'running', 'publishing', 'unknown'] as const;
const REPORTED = { from: TOLD, ...EXECUTING } as const;
const S = ComputeState;

/**
 * All that is known of the phases (invariants.md section 2, first table); every set and predicate derives from it. A node
 * that restarts runs again from its queue, so its reports may go back.
 */
export const PHASE_TABLE = {
  asked: { from: [], compute: S.New, ...BEFORE },
  offered: { from: ['asked'], compute: S.AskForBidAccepted, ...BEFORE },
  approved: { from: ['offered', 'unknown'], compute: S.BidAccepted, ...EXECUTING },
  queued: { ...REPORTED, compute: S.BidAccepted },
  preparing: { ...REPORTED, compute: S.BidAccepted },
  running: { ...REPORTED, compute: S.Running },
  publishing: { ...REPORTED, compute: S.Publishing },
  unknown: { from: TOLD, compute: null, ...EXECUTING },
  stopping: {
    from: ['asked', 'offered', ...TOLD],
    compute: S.Cancelled,
    live: false,
    executing: false,
    terminal: false,
  },
  stopped: { from: ['stopping'], compute: S.Cancelled, ...TERMINAL },
  rejected: { from: ['offered'], compute: S.BidRejected, ...TERMINAL },
  refused: { from: ['asked'], compute: S.AskForBidRejected, ...TERMINAL },
  completed: { from: TOLD, compute: S.Completed, ...TERMINAL },
  failed: { from: ['asked', 'offered', ...TOLD], compute: S.Failed, ...TERMINAL },
  lost: { from: ['asked', 'offered', ...TOLD], compute: S.Failed, ...TERMINAL },
} as const satisfies Readonly<Record<string, { from: readonly string[] } & Omit<PhaseRow, 'from'>>>;
/** Name of a phase. */
export type Phase = keyof typeof PHASE_TABLE;

const table: Readonly<Record<Phase, PhaseRow>> = PHASE_TABLE;
/** All phases. */
export const PHASES = Object.freeze(Object.keys(table)) as readonly Phase[];

/** Live executions hold their slot; a stopping one holds only its resources. */
export function isLive(phase: Phase): boolean {
  return table[phase].live;
}
/** Whether the node has been told to run it, and may do so. */
export function isExecuting(phase: Phase): boolean {
  return table[phase].executing;
}
/** A terminal phase is never left. */
export function isTerminalPhase(phase: Phase): boolean {
  return table[phase].terminal;
}
/** Whether the node's resources are promised to it. */
export function holdsResources(phase: Phase): boolean {
  return !table[phase].terminal;
}
/** What the wire and REST show of it; null = what they showed before. */
export function computeStateOf(phase: Phase): ComputeState | null {
  return table[phase].compute;
}
/** Whether `phase` may follow `before` in one step; it may also stay. */
export function mayFollow(before: Phase, phase: Phase): boolean {
  return before === phase || table[phase].from.includes(before);
}

/** Why an execution failed, which decides whether it is tried again (invariants.md S19, compatibility.md A6). */
export const FAILURE_CLASSES = ['user', 'timeout', 'infrastructure'] as const;
/** Whose fault a failure is, which decides about retries. */
export type FailureClass = (typeof FAILURE_CLASSES)[number];
