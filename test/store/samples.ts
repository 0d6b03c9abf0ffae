/** Values for store tests, and a clock that moves only when told to. */
import { type World } from '../../runtime/world.ts';
import type { Job, NodeInfo } from '../../mod/model/mod.ts';
import { deepFreeze } from '../../mod/model/mod.ts';
import type { NewExecution } from '../../mod/store/mod.ts';

/** Nanoseconds that no double holds. */
export const START = 1_781_234_567_890_123_457n;

export interface TestWorld extends World {
  advance(nanos: bigint): void;
}

export function testWorld(): TestWorld {
  let now = START;
  let ids = 0;
  return {
    now: () => now,
    advance: (nanos) => void (now += nanos),
    elapsed: () => Number(now - START) / 1e6,
    sleep: () => Promise.reject(new Error('the store does not sleep')),
    after: () => {
      throw new Error('the store sets no timers');
    },
    random: () => 0.5,
    uuid: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
  };
}

export function sampleJob(id: string, over: Partial<Job> = {}): Job {
  return deepFreeze<Job>({
    ID: id,
    Name: id,
    Namespace: 'default',
    Type: 'batch',
    Priority: 50,
    Count: 1,
    Constraints: [],
    Meta: { 'big': '9007199254740993' },
    Labels: {},
    Tasks: [{
      Name: 'main',
      Engine: { Type: 'wasm', Params: { Large: 9007199254740993n, Text: 'x'.repeat(40) } },
      Publisher: { Type: '' },
      Env: {},
      Meta: {},
      InputSources: [],
      ResultPaths: [],
      Resources: { CPU: '500m' },
      Network: { Type: 'None' },
      Timeouts: {},
    }],
    State: { StateType: 'Pending', Message: 'Job submitted' },
    Version: 1,
    Revision: 1n,
    CreateTime: START,
    ModifyTime: START,
    ...over,
  } as Job);
}

export function sampleExecution(id: string, over: Partial<NewExecution> = {}): NewExecution {
  return {
    id,
    namespace: 'default',
    jobId: 'j-1',
    jobVersion: 1,
    slot: '0',
    partition: 0,
    attempt: 1,
    nodeId: 'n-1',
    evalId: 'v-1',
    allocated: { Tasks: { main: { CPU: 0.1, Memory: 1000, Disk: 5_000_000_000_000 } } },
    ...over,
  };
}

export function sampleInfo(id: string): NodeInfo {
  const none = {};
  return {
    NodeID: id,
    NodeType: 'Compute',
    Labels: { zone: 'a' },
    SupportedProtocols: ['ncl/v1'],
    ComputeNodeInfo: {
      ExecutionEngines: ['wasm'],
      Publishers: ['local'],
      StorageSources: ['inline'],
      MaxCapacity: { CPU: 2, Memory: 1e9 },
      QueueCapacity: none,
      AvailableCapacity: { CPU: 2, Memory: 1e9 },
      MaxJobRequirements: { CPU: 2 },
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      address: '',
    },
    BacalhauVersion: { GitVersion: 'v1', GitCommit: '', BuildDate: '', GOOS: 'linux', GOARCH: 'amd64' },
  };
}
