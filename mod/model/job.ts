/**
 * The job as it is stored, sent and shown. Keys are those of the REST API and the wire (reference: rest-api.md 9.1-9.6,
 * job-spec.md 1.5-1.6), so no room translates names. All values are frozen plain data.
 */

import { named, open, stateOf, textMap, texts } from './fields.ts';
import {
  type Codec,
  codec,
  freeForm,
  int,
  int64,
  list,
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

/** All types of jobs. */
export const JOB_TYPES = ['batch', 'service', 'daemon', 'ops'] as const;
/** Type of a job. */
export type JobType = (typeof JOB_TYPES)[number];

/** All states of jobs. */
export const JOB_STATES = [
  'Undefined',
  'Pending',
  'Queued',
  'Running',
  'Completed',
  'Failed',
  'Stopped',
] as const;
/** State of a job. */
export type JobStateType = (typeof JOB_STATES)[number];

/** Texts by name. */
export type StringMap = Readonly<Record<string, string>>;

/** `{Type, Params}` of an engine, a publisher, a storage source or a published result. */
export interface SpecConfig extends TypeOf<typeof specConfigCodec> {}
/** The JSON of a type with its parameters. */
export const specConfigCodec = codec(
  'spec config',
  struct('SpecConfig', { Type: required(text), Params: omitEmpty(freeForm) }),
);
const specConfig: Shape<SpecConfig | null> = nullable(specConfigCodec.shape);

/** A condition on the labels of a node. */
export interface Constraint extends TypeOf<typeof constraint> {}
const constraint = struct('Constraint', {
  Key: required(text),
  /** `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt`, `lt`; unknown texts are stored as written. */
  Operator: required(text),
  Values: omitEmpty(texts),
});

/** An input of a task, and where its program sees it. */
export interface InputSource extends TypeOf<typeof inputSourceCodec> {}
/** The JSON of an input. */
export const inputSourceCodec = codec(
  'input source',
  struct('InputSource', { Source: required(specConfig), Alias: required(text), Target: required(text) }),
);

/** A folder of a task whose content is a result. */
export interface ResultPath extends TypeOf<typeof resultPath> {}
const resultPath = struct('ResultPath', { Name: required(text), Path: required(text) });

/** Amounts as a person writes them: `500m`, `512Mb`, `1`. */
export interface ResourcesConfig extends TypeOf<typeof resourcesConfig> {}
const resourcesConfig = struct('ResourcesConfig', {
  CPU: omitEmpty(text),
  Memory: omitEmpty(text),
  Disk: omitEmpty(text),
  GPU: omitEmpty(text),
});

/** All kinds of network that a task can ask for. */
export const NETWORK_TYPES = ['Default', 'None', 'Host', 'Full', 'HTTP', 'Bridge'] as const;
/** Kind of network of a task. */
export type NetworkType = (typeof NETWORK_TYPES)[number];

/** A port of a task on its node. */
export interface PortMapping extends TypeOf<typeof portMapping> {}
const portMapping = struct('PortMapping', {
  Name: required(text),
  Static: omitEmpty(int),
  Target: omitEmpty(int),
  HostNetwork: omitEmpty(text),
});

/** What network a task has. */
export interface NetworkConfig extends TypeOf<typeof network> {}
const network = struct('NetworkConfig', {
  Type: required(named<NetworkType>('network type', NETWORK_TYPES, 'Default')),
  Domains: omitEmpty(texts),
  Ports: omitEmpty(list(portMapping as Shape<PortMapping>, 'refuse')),
});

/** Whole seconds. An explicit 0 is kept: it means "do not wait", an absent key "use the default" (compatibility.md A3). */
export interface TimeoutConfig extends TypeOf<typeof timeouts> {}
const timeouts = struct('TimeoutConfig', {
  ExecutionTimeout: omitAbsent(int),
  QueueTimeout: omitAbsent(int),
  TotalTimeout: omitAbsent(int),
});

/** What a job runs. */
export interface Task extends TypeOf<typeof task> {}
const task = struct('Task', {
  Name: required(text),
  Engine: required(specConfig),
  Publisher: required(specConfig),
  Env: omitEmpty(textMap),
  Meta: omitEmpty(textMap),
  InputSources: omitEmpty(list(inputSourceCodec.shape as Shape<InputSource>, 'refuse')),
  ResultPaths: omitEmpty(list(resultPath as Shape<ResultPath>, 'refuse')),
  Resources: omitAbsent(resourcesConfig as Shape<ResourcesConfig>),
  Network: omitAbsent(network as Shape<NetworkConfig>),
  Timeouts: omitAbsent(timeouts as Shape<TimeoutConfig>),
});

/** A job: what its author wants, and how it stands. */
export interface Job extends TypeOf<typeof jobShape> {}
const jobShape = struct('Job', {
  /** `j-<uuid>` */
  ID: required(text),
  /** Unique in its namespace; the ID where none was given. */
  Name: required(text),
  Namespace: required(text),
  Type: required(open<JobType>()),
  Priority: required(int),
  /** Partitions (batch) or replicas (service), 1 where it is absent; 0 for ops and daemon. An explicit 0 stays 0. */
  Count: required(int, ({ Type }) => (Type === 'batch' || Type === 'service' ? 1 : 0)),
  Constraints: required(list(constraint as Shape<Constraint>, 'refuse')),
  Meta: required(textMap),
  Labels: required(textMap),
  /** Exactly one task is used. */
  Tasks: required(list(task as Shape<Task>, 'refuse')),
  State: required(stateOf<JobStateType>(named('job state', JOB_STATES, 'Undefined', 'Undefined'))),
  /** From 1, +1 per update of the spec or rerun. */
  Version: required(uint),
  /** From 1, +1 per change of state. */
  Revision: required(uint64),
  /** Nanoseconds since the epoch. */
  CreateTime: required(int64),
  /** Nanoseconds since the epoch. */
  ModifyTime: required(int64),
});
/** The JSON of a job. */
export const jobCodec: Codec<Job> = codec('job', jobShape);

const TERMINAL: readonly JobStateType[] = ['Completed', 'Failed', 'Stopped'];

/** A terminal job changes only by a new version (update or rerun). */
export function isTerminalJob(state: JobStateType): boolean {
  return TERMINAL.includes(state);
}

/** Batch and ops jobs end by themselves and have results; service and daemon jobs run until stopped. */
export function isFinite(type: JobType): boolean {
  return type === 'batch' || type === 'ops';
}
