/**
 * The job as it is stored, sent and shown. Keys are those of the REST API and the wire (reference: rest-api.md 9.1-9.6,
 * job-spec.md 1.5-1.6), so no room translates names. All values are frozen plain data.
 */

export const JOB_TYPES = ['batch', 'service', 'daemon', 'ops'] as const;
export type JobType = (typeof JOB_TYPES)[number];

export const JOB_STATES = [
  'Undefined',
  'Pending',
  'Queued',
  'Running',
  'Completed',
  'Failed',
  'Stopped',
] as const;
export type JobStateType = (typeof JOB_STATES)[number];

/** A state with the words that explain it; `T` is a name for jobs and an integer for executions. */
export interface State<T> {
  readonly StateType: T;
  readonly Message?: string;
  readonly Details?: Readonly<Record<string, string>>;
}

export type StringMap = Readonly<Record<string, string>>;

/** `{Type, Params}` of an engine, a publisher, a storage source or a published result. */
export interface SpecConfig {
  readonly Type: string;
  readonly Params?: Readonly<Record<string, unknown>>;
}

export interface Constraint {
  readonly Key: string;
  /** `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt`, `lt`; unknown texts are stored as written. */
  readonly Operator: string;
  readonly Values?: readonly string[];
}

export interface InputSource {
  readonly Source: SpecConfig | null;
  readonly Alias: string;
  readonly Target: string;
}

export interface ResultPath {
  readonly Name: string;
  readonly Path: string;
}

/** Amounts as a person writes them: `500m`, `512Mb`, `1`. */
export interface ResourcesConfig {
  readonly CPU?: string;
  readonly Memory?: string;
  readonly Disk?: string;
  readonly GPU?: string;
}

export const NETWORK_TYPES = ['Default', 'None', 'Host', 'Full', 'HTTP', 'Bridge'] as const;
export type NetworkType = (typeof NETWORK_TYPES)[number];

export interface PortMapping {
  readonly Name: string;
  readonly Static?: number;
  readonly Target?: number;
  readonly HostNetwork?: string;
}

export interface NetworkConfig {
  readonly Type: NetworkType;
  readonly Domains?: readonly string[];
  readonly Ports?: readonly PortMapping[];
}

/** Whole seconds. Absent and 0 are kept apart (compatibility.md A3). */
export interface TimeoutConfig {
  readonly ExecutionTimeout?: number;
  readonly QueueTimeout?: number;
  readonly TotalTimeout?: number;
}

export interface Task {
  readonly Name: string;
  readonly Engine: SpecConfig | null;
  readonly Publisher: SpecConfig | null;
  readonly Env?: StringMap;
  readonly Meta?: StringMap;
  readonly InputSources?: readonly InputSource[];
  readonly ResultPaths?: readonly ResultPath[];
  readonly Resources?: ResourcesConfig;
  readonly Network?: NetworkConfig;
  readonly Timeouts?: TimeoutConfig;
}

export interface Job {
  /** `j-<uuid>` */
  readonly ID: string;
  /** Unique in its namespace; the ID where none was given. */
  readonly Name: string;
  readonly Namespace: string;
  readonly Type: JobType;
  readonly Priority: number;
  /** Partitions (batch) or replicas (service); 0 for ops and daemon. */
  readonly Count: number;
  readonly Constraints: readonly Constraint[];
  readonly Meta: StringMap;
  readonly Labels: StringMap;
  /** Exactly one task is used. */
  readonly Tasks: readonly Task[];
  readonly State: State<JobStateType>;
  /** From 1, +1 per update of the spec or rerun. */
  readonly Version: number;
  /** From 1, +1 per change of state. */
  readonly Revision: bigint;
  /** Nanoseconds since the epoch. */
  readonly CreateTime: bigint;
  /** Nanoseconds since the epoch. */
  readonly ModifyTime: bigint;
}

const TERMINAL: readonly JobStateType[] = ['Completed', 'Failed', 'Stopped'];

/** A terminal job changes only by a new version (update or rerun). */
export function isTerminalJob(state: JobStateType): boolean {
  return TERMINAL.includes(state);
}

/** Batch and ops jobs end by themselves and have results; service and daemon jobs run until stopped. */
export function isFinite(type: JobType): boolean {
  return type === 'batch' || type === 'ops';
}
