/** What a compute node is made of. All that it touches comes in here; it has no globals (architecture.md section 2). */
import type { Engine } from '../engine/mod.ts';
import type { BuildVersion, Compatibility, Refusal, Resources, StringMap, Task } from '../model/mod.ts';
import type { Execution } from '../model/mod.ts';
import type { Publisher } from '../publisher/mod.ts';
import type { Source } from '../storage/mod.ts';
import type { ComputeSchema, Database } from '../store/mod.ts';
import type { ComputeLink, ComputeLinkOptions } from '../transport/mod.ts';
import type { Files } from '../../runtime/files/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { HostEnvironment } from './environment.ts';
import type { PortOptions } from './ports.ts';

/** What the node takes on at all (`JobAdmissionControl`). */
export interface Admission {
  readonly rejectNetworkedJobs?: boolean;
  readonly rejectStatelessJobs?: boolean;
  /** Whether the disk of the node has no room to spare: then nothing new is taken on. */
  readonly diskFull?: () => boolean;
  /** Further questions at bid time (`ProbeExec`, `ProbeHTTP`, `Locality`); null = none of its business. */
  readonly probe?: (execution: Execution, task: Task) => Promise<Refusal | null>;
}

/** Sizes and times that the node holds jobs to. */
export interface ComputeLimits {
  /** Bytes per stream in RunOutput, measured as JSON. */
  readonly outputBytes: number;
  /** Bytes of output per run that the log keeps. */
  readonly logBytes: number;
  /** Bids, size look-ups included, that may take no longer. */
  readonly bidMs: number;
  /** Publishing what a failed or stopped run has left may take no longer. */
  readonly salvageMs: number;
  /** An engine that does not answer is waited for so long before what it runs is given up. */
  readonly engineAwayMs: number;
}

/** Times of a node, in milliseconds. */
export interface ComputeTimings {
  /** Between the polite and the forced end of a program. */
  readonly stopGraceMs: number;
  /** A phase that lasts this long is made durable and reported; waiting in the queue, ten times as long. */
  readonly statusMs: number;
  /** First wait before an unconfirmed result is sent again; doubles up to `resendMaxMs`. */
  readonly resendMs: number;
  readonly resendMaxMs: number;
  /** Between two measurements of what a run takes. */
  readonly usageMs: number;
  /** Between two comparisons of an engine's objects with the executions that own them. */
  readonly sweepMs: number;
  /** Between two rounds of housekeeping. */
  readonly pruneMs: number;
  /** Logs and rows are kept so long after the end was confirmed. */
  readonly retentionMs: number;
  /** And so long when it never was. */
  readonly unconfirmedRetentionMs: number;
  /** Ids of what was removed are remembered so long; then only how far it reached. */
  readonly tombstoneMs: number;
}

const HOUR_MS = 3_600_000;

/** The limits where no key says otherwise. */
export const DEFAULT_LIMITS: ComputeLimits = Object.freeze({
  outputBytes: 64 * 1024,
  logBytes: 1024 ** 3,
  bidMs: 60_000,
  salvageMs: 30_000,
  engineAwayMs: HOUR_MS,
});

/** The times where no key says otherwise. */
export const DEFAULT_TIMINGS: ComputeTimings = Object.freeze({
  stopGraceMs: 1_000,
  statusMs: 200,
  resendMs: 60_000,
  resendMaxMs: HOUR_MS,
  usageMs: 500,
  sweepMs: 60_000,
  pruneMs: 60_000,
  retentionMs: HOUR_MS,
  unconfirmedRetentionMs: 7 * 24 * HOUR_MS,
  tombstoneMs: 7 * 24 * HOUR_MS,
});

/** What the node gives to its link; who composes adds how to connect. */
export type ComputeSide = Omit<ComputeLinkOptions, 'connect' | 'timings'>;

/** What a node is made of. */
export interface ComputeNodeOptions {
  readonly nodeId: string;
  readonly installId: string;
  readonly labels: StringMap;
  readonly version: BuildVersion;
  /** Where the node can be reached by people, for its info. */
  readonly address?: string;
  readonly world: World;
  readonly files: Files;
  /** Open, at {@link COMPUTE_MIGRATIONS}; the caller closes it after the node. */
  readonly store: Database<ComputeSchema>;
  /** The caller closes them after the node. */
  readonly engines: readonly Engine[];
  readonly sources: readonly Source[];
  readonly publishers: readonly Publisher[];
  /** What jobs may use together, and one alone; its devices by name. */
  readonly capacity: Resources;
  /** What a task that asks for nothing counts as: 0.1 CPU and 100 MiB. */
  readonly defaultResources?: Resources;
  /** Folder for one folder per execution and run; absolute. */
  readonly executionsFolder: string;
  readonly environment: HostEnvironment;
  /** Ports that jobs may publish; default: a range of a host that nothing else uses. */
  readonly ports?: PortOptions;
  readonly admission?: Admission;
  readonly compatibility: Compatibility;
  /** Starts that may overtake a larger execution that was there first. */
  readonly queueOvertakes?: number;
  readonly limits?: Partial<ComputeLimits>;
  readonly timings?: Partial<ComputeTimings>;
  /** Opens the session with the orchestrator. */
  readonly startLink: (side: ComputeSide) => ComputeLink | Promise<ComputeLink>;
  /** What the operator should know; defaults to silence. */
  readonly log?: (level: 'info' | 'warn' | 'error', message: string, fields: StringMap) => void;
}
