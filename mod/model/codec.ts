/**
 * Decoders and encoders of the model's types: the keys, their order and what is left out as rest-api.md section 9 and
 * wire-protocol.md section 8 say. An encoded value goes to {@link stringifyJson}; a decoded one comes from
 * {@link parseJson}. Decoded values are already in their written form: encoding them changes nothing but `WaitUntil`.
 */
import type { Evaluation, EvaluationStatus, EvaluationTrigger } from './evaluation.ts';
import type { Event, JobHistory } from './event.ts';
import { ComputeState, DesiredState } from './execution.ts';
import type { AllocatedResources, Execution, RunOutput } from './execution.ts';
import { JOB_STATES, NETWORK_TYPES } from './job.ts';
import type {
  Constraint,
  InputSource,
  Job,
  JobStateType,
  JobType,
  NetworkConfig,
  NetworkType,
  PortMapping,
  ResourcesConfig,
  ResultPath,
  SpecConfig,
  State,
  Task,
  TimeoutConfig,
} from './job.ts';
import type {
  BuildVersion,
  ComputeNodeInfo,
  ConnectionState,
  ConnectionStatus,
  Eligibility,
  Membership,
  NodeInfo,
  NodeState,
  NodeType,
} from './node.ts';
import type { Gpu, Resources } from './resources.ts';
import {
  codec,
  enumeration,
  flag,
  float,
  freeForm,
  int,
  int64,
  list,
  mapOf,
  nullable,
  omitAbsent,
  omitEmpty,
  parsed,
  required,
  struct,
  text,
  uint,
  uint64,
} from './shape.ts';
import type { Codec, Shape } from './shape.ts';
import { fromRfc3339, toRfc3339, ZERO_TIME } from './time.ts';

const texts = list(text, 'zero');
const textMap = mapOf(text);

/** A text that may be anything; unknown ones are judged where they are used. */
const open = <T extends string>(): Shape<T> => text as unknown as Shape<T>;

/** Reads ignoring case and outer blanks; texts that are none of `names` become `otherwise`. */
function named<T extends string>(name: string, names: readonly T[], zero: T, otherwise?: T): Shape<T> {
  const byText = new Map(names.map((each) => [each.toLowerCase(), each]));
  return parsed(
    name,
    zero,
    (value) => byText.get(value.trim().toLowerCase()) ?? otherwise,
    (value) => `unknown type "${value}": ${name} is one of ${names.join(', ')} (in any letter case)`,
  );
}

/** Reads exactly; texts that are none of `names` become `otherwise`. */
function exactly<T extends string>(name: string, names: readonly T[], otherwise: T): Shape<T> {
  return parsed(name, otherwise, (value) => names.find((each) => each === value) ?? otherwise, () => '');
}

const rfc3339: Shape<string> = parsed(
  'time',
  ZERO_TIME,
  (
    value,
  ) => (/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(value) ? value : undefined),
  (value) => `"${value}" is not an RFC 3339 time`,
);

/** Nanoseconds here, RFC 3339 in JSON; a number is read as nanoseconds. */
const instant: Shape<bigint> = {
  ...int64,
  read(value, at) {
    if (typeof value !== 'string') return int64.read(value, at);
    try {
      return fromRfc3339(value);
    } catch (error) {
      at.problem((error as RangeError).message);
      return 0n;
    }
  },
  write: (value) => toRfc3339(value),
};

const specConfig = struct<SpecConfig>('SpecConfig', { Type: required(text), Params: omitEmpty(freeForm) });

function stateOf<T>(type: Shape<T>): Shape<State<T>> {
  const state = struct<State<unknown>>('State', {
    StateType: required(type as Shape<unknown>),
    Message: omitEmpty(text),
    Details: omitEmpty(textMap),
  });
  return state as Shape<State<T>>;
}

const jobState = stateOf<JobStateType>(named('job state', JOB_STATES, 'Undefined', 'Undefined'));
const computeState = stateOf<ComputeState>(enumeration('execution state', ComputeState.Cancelled));
const desiredState = stateOf<DesiredState>(enumeration('desired state', DesiredState.Stopped));

const resourcesConfig = struct<ResourcesConfig>('ResourcesConfig', {
  CPU: omitEmpty(text),
  Memory: omitEmpty(text),
  Disk: omitEmpty(text),
  GPU: omitEmpty(text),
});

const constraint = struct<Constraint>('Constraint', {
  Key: required(text),
  Operator: required(text),
  Values: omitEmpty(texts),
});

const inputSource = struct<InputSource>('InputSource', {
  Source: required(nullable(specConfig)),
  Alias: required(text),
  Target: required(text),
});

const resultPath = struct<ResultPath>('ResultPath', { Name: required(text), Path: required(text) });

const portMapping = struct<PortMapping>('PortMapping', {
  Name: required(text),
  Static: omitEmpty(int),
  Target: omitEmpty(int),
  HostNetwork: omitEmpty(text),
});

const network = struct<NetworkConfig>('NetworkConfig', {
  Type: required(named<NetworkType>('network type', NETWORK_TYPES, 'Default')),
  Domains: omitEmpty(texts),
  Ports: omitEmpty(list(portMapping, 'refuse')),
});

// An explicit 0 is kept: it means "do not wait", an absent key "use the default" (compatibility.md A3).
const timeouts = struct<TimeoutConfig>('TimeoutConfig', {
  ExecutionTimeout: omitAbsent(int),
  QueueTimeout: omitAbsent(int),
  TotalTimeout: omitAbsent(int),
});

const task = struct<Task>('Task', {
  Name: required(text),
  Engine: required(nullable(specConfig)),
  Publisher: required(nullable(specConfig)),
  Env: omitEmpty(textMap),
  Meta: omitEmpty(textMap),
  InputSources: omitEmpty(list(inputSource, 'refuse')),
  ResultPaths: omitEmpty(list(resultPath, 'refuse')),
  Resources: omitAbsent(resourcesConfig),
  Network: omitAbsent(network),
  Timeouts: omitAbsent(timeouts),
});

const job = struct<Job>('Job', {
  ID: required(text),
  Name: required(text),
  Namespace: required(text),
  Type: required(open<JobType>()),
  Priority: required(int),
  // An absent count is one partition or replica; an explicit 0 stays 0.
  Count: required(int, ({ Type }) => (Type === 'batch' || Type === 'service' ? 1 : 0)),
  Constraints: required(list(constraint, 'refuse')),
  Meta: required(textMap),
  Labels: required(textMap),
  Tasks: required(list(task, 'refuse')),
  State: required(jobState),
  Version: required(uint),
  Revision: required(uint64),
  CreateTime: required(int64),
  ModifyTime: required(int64),
});

const gpu = struct<Gpu>('GPU', {
  Index: required(int),
  Name: required(text),
  Vendor: required(text),
  Memory: required(uint),
  PCIAddress: required(text),
});

const resources = struct<Resources>('Resources', {
  CPU: omitEmpty(float),
  Memory: omitEmpty(uint),
  Disk: omitEmpty(uint),
  GPU: omitEmpty(uint),
  GPUs: omitEmpty(list(gpu, 'refuse')),
});

const runOutput = struct<RunOutput>('RunCommandResult', {
  Stdout: required(text),
  StdoutTruncated: required(flag),
  stderr: required(text),
  StderrTruncated: required(flag),
  ExitCode: required(int),
  ErrorMsg: required(text),
});

const allocated = struct<AllocatedResources>('AllocatedResources', { Tasks: required(mapOf(resources)) });

const execution = struct<Execution>('Execution', {
  ID: required(text),
  Namespace: required(text),
  EvalID: required(text),
  Name: required(text),
  NodeID: required(text),
  JobID: required(text),
  Job: omitAbsent(job),
  JobVersion: required(uint),
  AllocatedResources: required(nullable(allocated)),
  DesiredState: required(desiredState),
  ComputeState: required(computeState),
  PublishedResult: required(nullable(specConfig)),
  RunOutput: required(nullable(runOutput)),
  PreviousExecution: required(text),
  NextExecution: required(text),
  FollowupEvalID: required(text),
  PartitionIndex: omitEmpty(int),
  Revision: required(uint64),
  CreateTime: required(int64),
  ModifyTime: required(int64),
});

const evaluation = struct<Evaluation>('Evaluation', {
  ID: required(text),
  Namespace: required(text),
  JobID: required(text),
  TriggeredBy: required(open<EvaluationTrigger>()),
  Priority: required(int),
  Type: required(open<JobType>()),
  Status: required(open<EvaluationStatus>()),
  Comment: required(text),
  WaitUntil: required(instant),
  CreateTime: required(int64),
  ModifyTime: required(int64),
});

const event = struct<Event>('Event', {
  Message: required(text),
  Topic: required(text),
  Timestamp: required(rfc3339),
  Details: omitEmpty(textMap),
});

const jobHistory = struct<JobHistory>('JobHistory', {
  SeqNum: required(uint64),
  Type: required(
    named<JobHistory['Type']>('history type', ['JobLevel', 'ExecutionLevel'], 'Undefined', 'Undefined'),
  ),
  JobID: required(text),
  JobVersion: required(uint),
  ExecutionID: omitEmpty(text),
  Event: required(event),
  Time: required(rfc3339),
});

const buildVersion = struct<BuildVersion>('BuildVersionInfo', {
  Major: omitEmpty(text),
  Minor: omitEmpty(text),
  GitVersion: required(text),
  GitCommit: required(text),
  BuildDate: required(rfc3339),
  GOOS: required(text),
  GOARCH: required(text),
});

const computeNodeInfo = struct<ComputeNodeInfo>('ComputeNodeInfo', {
  ExecutionEngines: required(nullable(texts)),
  Publishers: required(nullable(texts)),
  StorageSources: required(nullable(texts)),
  MaxCapacity: required(resources),
  QueueCapacity: required(resources),
  AvailableCapacity: required(resources),
  MaxJobRequirements: required(resources),
  RunningExecutions: required(int),
  EnqueuedExecutions: required(int),
  address: required(text),
});

const nodeInfo = struct<NodeInfo>('NodeInfo', {
  NodeID: required(text),
  // The zero value stands for "no compute node", which is what a handshake without a type is answered with.
  NodeType: required(named<NodeType>('node type', ['Compute', 'Requester'], 'Requester')),
  Labels: required(nullable(textMap)),
  SupportedProtocols: required(nullable(texts)),
  ComputeNodeInfo: required(computeNodeInfo),
  BacalhauVersion: required(buildVersion),
});

const connectionStatus = exactly<ConnectionStatus>(
  'connection',
  ['CONNECTED', 'DISCONNECTED'],
  'DISCONNECTED',
);

const connectionState = struct<ConnectionState>('ConnectionState', {
  Status: required(connectionStatus),
  LastHeartbeat: required(rfc3339),
  LastComputeSeqNum: omitEmpty(uint64),
  LastOrchestratorSeqNum: omitEmpty(uint64),
  ConnectedSince: required(rfc3339),
  DisconnectedSince: required(rfc3339),
  LastError: omitEmpty(text),
});

const nodeState = struct<NodeState>('NodeState', {
  Info: required(nodeInfo),
  Membership: required(exactly<Membership>('membership', ['PENDING', 'APPROVED', 'REJECTED'], '')),
  Connection: required(connectionStatus),
  ConnectionState: required(connectionState),
  Eligibility: omitAbsent(
    named<Eligibility>('eligibility', ['eligible', 'cordoned', 'draining'], 'eligible'),
  ),
});

export const jobCodec: Codec<Job> = codec('job', job);
export const taskCodec: Codec<Task> = codec('task', task);
export const executionCodec: Codec<Execution> = codec('execution', execution);
export const evaluationCodec: Codec<Evaluation> = codec('evaluation', evaluation);
export const eventCodec: Codec<Event> = codec('event', event);
export const jobHistoryCodec: Codec<JobHistory> = codec('history entry', jobHistory);
export const runOutputCodec: Codec<RunOutput> = codec('run output', runOutput);
export const specConfigCodec: Codec<SpecConfig> = codec('spec config', specConfig);
export const inputSourceCodec: Codec<InputSource> = codec('input source', inputSource);
export const resourcesCodec: Codec<Resources> = codec('resources', resources);
export const resourcesConfigCodec: Codec<ResourcesConfig> = codec('resources', resourcesConfig);
export const jobStateCodec: Codec<State<JobStateType>> = codec('job state', jobState);
export const computeStateCodec: Codec<State<ComputeState>> = codec('execution state', computeState);
export const desiredStateCodec: Codec<State<DesiredState>> = codec('desired state', desiredState);
export const buildVersionCodec: Codec<BuildVersion> = codec('version', buildVersion);
export const nodeInfoCodec: Codec<NodeInfo> = codec('node info', nodeInfo);
export const nodeStateCodec: Codec<NodeState> = codec('node state', nodeState);

/** @throws DecodeError with every problem */
export const decodeJob: (value: unknown) => Job = jobCodec.decode;
export const encodeJob: (value: Job) => object = jobCodec.encode;
/** @throws DecodeError with every problem */
export const decodeExecution: (value: unknown) => Execution = executionCodec.decode;
export const encodeExecution: (value: Execution) => object = executionCodec.encode;
/** @throws DecodeError with every problem */
export const decodeNodeInfo: (value: unknown) => NodeInfo = nodeInfoCodec.decode;
export const encodeNodeInfo: (value: NodeInfo) => object = nodeInfoCodec.encode;
/** @throws DecodeError with every problem */
export const decodeNodeState: (value: unknown) => NodeState = nodeStateCodec.decode;
export const encodeNodeState: (value: NodeState) => object = nodeStateCodec.encode;
