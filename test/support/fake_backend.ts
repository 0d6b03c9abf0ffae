/** Jobs and nodes in memory behind the API's interfaces, for tests of the API and of the command line. */
import {
  BacalhauError,
  type BuildVersion,
  decodeExecution,
  decodeJob,
  decodeNodeState,
  type Execution,
  type Job,
  type JobHistory,
  jobHistoryCodec,
  type NodeState,
} from '../../mod/model/mod.ts';
import type { Backends, JobsBackend } from '../../mod/api/server/mod.ts';
import type { LogChunk, LogQuery, SubmitRequest } from '../../mod/model/mod.ts';

export const VERSION: BuildVersion = {
  Major: '1',
  Minor: '10',
  GitVersion: 'v1.10.0',
  GitCommit: 'c0ffee',
  BuildDate: '2026-11-20T10:20:30Z',
  GOOS: 'linux',
  GOARCH: 'amd64',
};

const CREATED = 1795219115974285210n;

export function makeJob(number: number, changes: Record<string, unknown> = {}): Job {
  const digits = number.toString(16).padStart(8, '0');
  return decodeJob({
    ID: `j-${digits}-8a77-4b1d-9c56-3f2a90be6d11`,
    Name: `job-${number}`,
    Namespace: 'default',
    Type: 'batch',
    Count: 1,
    Labels: { env: number % 2 === 0 ? 'even' : 'odd' },
    Meta: {},
    Constraints: [],
    Tasks: [{
      Name: 'main',
      Engine: { Type: 'wasm', Params: { EntryModule: 'main.wasm' } },
      Publisher: { Type: 'local' },
    }],
    State: { StateType: 'Completed' },
    Version: 1,
    Revision: 3,
    CreateTime: CREATED + BigInt(number),
    ModifyTime: CREATED + BigInt(number) + 9_000_000_000n,
    ...changes,
  });
}

export function makeExecution(job: Job, changes: Record<string, unknown> = {}): Execution {
  return decodeExecution({
    ID: `e-${job.ID.slice(2)}`,
    Namespace: job.Namespace,
    NodeID: 'n-9d3c2b1a-0f4e-4d6c-b8a7-1c2d3e4f5a6b',
    JobID: job.ID,
    JobVersion: job.Version,
    AllocatedResources: { Tasks: {} },
    DesiredState: { StateType: 2 },
    ComputeState: { StateType: 9 },
    PublishedResult: { Type: '' },
    RunOutput: { Stdout: 'hello\n' },
    Revision: 6,
    CreateTime: job.CreateTime,
    ModifyTime: job.ModifyTime,
    ...changes,
  });
}

export function makeHistory(job: Job, seqNum: number, topic: string, message: string, executionId = '') {
  return jobHistoryCodec.decode({
    SeqNum: seqNum,
    Type: executionId ? 'ExecutionLevel' : 'JobLevel',
    JobID: job.ID,
    JobVersion: 1,
    ExecutionID: executionId,
    Event: { Message: message, Topic: topic, Timestamp: '2026-11-20T23:58:35.997Z' },
    Time: '2026-11-20T23:58:35.997791138Z',
  });
}

export function makeNode(name: string, cpu: number): NodeState {
  return decodeNodeState({
    Info: {
      NodeID: name,
      NodeType: 'Compute',
      Labels: { zone: name },
      SupportedProtocols: ['ncl/v1'],
      ComputeNodeInfo: {
        ExecutionEngines: ['wasm'],
        Publishers: ['local'],
        StorageSources: ['inline'],
        MaxCapacity: { CPU: 4, Memory: 8_000_000_000 },
        AvailableCapacity: { CPU: cpu, Memory: 4_000_000_000 },
        address: '10.0.0.5',
      },
      BacalhauVersion: VERSION,
    },
    Membership: 'APPROVED',
    Connection: 'CONNECTED',
    ConnectionState: {
      Status: 'CONNECTED',
      LastHeartbeat: '2026-11-21T00:02:11.503Z',
      ConnectedSince: '2026-11-20T22:00:00Z',
      DisconnectedSince: '0001-01-01T00:00:00Z',
    },
  });
}

/** What the jobs of the fake network are, and what was asked of it. */
export class FakeJobs implements JobsBackend {
  readonly jobs: Job[] = [];
  readonly submitted: SubmitRequest[] = [];
  readonly stopped: { ref: string; namespace: string; reason: string }[] = [];
  /** By job id. */
  readonly histories = new Map<string, JobHistory[]>();
  readonly executionsOf = new Map<string, Execution[]>();
  resultsOf: { Type: string; Params?: Record<string, unknown> }[] = [];
  readonly logQueries: LogQuery[] = [];
  log: (signal: AbortSignal) => AsyncIterable<LogChunk> = async function* () {};
  /** Called on each history request; lets a test end a job while it is watched. */
  onHistory: (ref: string) => void = () => {};

  find(ref: string): Job {
    const found = this.jobs.find((job) => job.Name === ref) ??
      this.jobs.find((job) => job.ID.startsWith(ref));
    if (!found) throw new BacalhauError('NotFound', `job not found: ${ref}`, { component: 'JobStore' });
    return found;
  }

  replace(id: string, changes: Partial<Job>): void {
    const index = this.jobs.findIndex((job) => job.ID === id);
    this.jobs[index] = Object.freeze({ ...this.jobs[index]!, ...changes });
  }

  submit(request: SubmitRequest) {
    this.submitted.push(request);
    const number = 0x5f0c1d00 + this.submitted.length;
    const job = makeJob(number, { ...(request.job as object), State: { StateType: 'Pending' } });
    const stored = Object.freeze({ ...job, ID: makeJob(number).ID });
    this.jobs.push(stored);
    this.histories.set(stored.ID, [makeHistory(stored, 1, 'Submission', 'Job submitted')]);
    return Promise.resolve({ JobID: stored.ID, EvaluationID: 'ev-1', Warnings: [] });
  }
  getJob(ref: string) {
    return Promise.resolve().then(() => this.find(ref));
  }
  listJobs(query: Parameters<JobsBackend['listJobs']>[0]) {
    const wanted = query.labels.flatMap(({ Key, Operator, Values }) =>
      Operator === '=' ? [[Key, Values?.[0]] as const] : []
    );
    const all = this.jobs.filter((job) => wanted.every(([key, value]) => job.Labels[key] === value));
    if (query.reverse) all.reverse();
    const end = query.limit === 0 ? all.length : query.offset + query.limit;
    const items = all.slice(query.offset, end);
    return Promise.resolve(end < all.length ? { items, next: end } : { items });
  }
  async *allJobs(query: Parameters<JobsBackend['listJobs']>[0]) {
    yield* (await this.listJobs(query)).items;
  }
  stopJob(ref: string, { namespace, reason }: { namespace: string; reason: string }) {
    return Promise.resolve().then(() => {
      const job = this.find(ref);
      this.stopped.push({ ref, namespace, reason });
      this.replace(job.ID, { State: { StateType: 'Stopped', Message: reason } });
      return { EvaluationID: 'ev-stop' };
    });
  }
  history(ref: string, query: Parameters<JobsBackend['history']>[1]) {
    return Promise.resolve().then(() => {
      this.onHistory(ref);
      const job = this.find(ref);
      const all = (this.histories.get(job.ID) ?? []).filter((entry) => entry.SeqNum >= query.fromSeqNum);
      const items = all.slice(0, query.limit);
      const ended = ['Completed', 'Failed', 'Stopped'].includes(job.State.StateType);
      if (ended && items.length === all.length) return { items };
      return { items, next: (items.at(-1)?.SeqNum ?? query.fromSeqNum - 1n) + 1n };
    });
  }
  executions(ref: string) {
    return Promise.resolve().then(() => this.executionsOf.get(this.find(ref).ID) ?? []);
  }
  versions(ref: string) {
    return Promise.resolve().then(() => [this.find(ref)]);
  }
  results(ref: string) {
    return Promise.resolve().then(() => {
      this.find(ref);
      return this.resultsOf;
    });
  }
  async *logs(ref: string, query: LogQuery, signal: AbortSignal) {
    this.logQueries.push(query);
    this.find(ref);
    yield* this.log(signal);
  }
}

export interface Fake {
  readonly backends: Backends;
  readonly jobs: FakeJobs;
  readonly nodes: NodeState[];
}

export function makeFake(): Fake {
  const jobs = new FakeJobs();
  const nodes = [makeNode('n-b', 1), makeNode('n-a', 3)];
  return {
    jobs,
    nodes,
    backends: {
      jobs,
      nodes: {
        listNodes: ({ approval }) =>
          Promise.resolve(nodes.filter((node) => approval === '' || node.Membership === approval)),
        getNode: (ref) => {
          const node = nodes.find(({ Info }) => Info.NodeID.startsWith(ref));
          return node
            ? Promise.resolve(node)
            : Promise.reject(new BacalhauError('NotFound', `node not found: ${ref}`));
        },
      },
      agent: {
        node: () => Promise.resolve(nodes[0]!.Info),
        config: () => Promise.resolve({ API: { Host: '0.0.0.0' } }),
        debug: () => Promise.resolve({}),
      },
    },
  };
}
