/** An orchestrator over a real SQLite store and a network in memory, and nodes that speak the real protocol. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compatibility, type NodeInfo, type Resources } from '../../mod/model/mod.ts';
import {
  type Orchestrator,
  type OrchestratorOptions,
  startOrchestrator,
} from '../../mod/orchestrator/mod.ts';
import { openOrchestratorStore, type OrchestratorStore } from '../../mod/store/mod.ts';
import {
  type ComputeLink,
  type ExecutionInventory,
  type InMessage,
  type LogFrame,
  type OutMessage,
  startComputeLink,
  type Timings,
} from '../../mod/transport/mod.ts';
import type { Bus } from '../../mod/transport/bus/bus.ts';
import { decodeEnvelope, encodeEnvelope } from '../../mod/transport/wire/envelope.ts';
import { MemoryNetwork } from '../support/memory_bus.ts';
import { realWorld } from '../../runtime/world.ts';
import { MemoryOutbox } from '../transport/rig.ts';
import { until } from '../support/until.ts';

export const TIMINGS: Timings = {
  heartbeatMs: 50,
  infoUpdateMs: 1000,
  requestMs: 2000,
  ackMs: 300,
  reconnectMs: 10,
  reconnectMaxMs: 50,
};

export function spec(changes: Record<string, unknown> = {}, task: Record<string, unknown> = {}) {
  return {
    Name: '',
    Type: 'batch',
    Count: 1,
    Tasks: [{ Name: 'main', Engine: { Type: 'noop' }, Resources: { CPU: '1', Memory: '1Mb' }, ...task }],
    ...changes,
  };
}

export class Cluster implements AsyncDisposable {
  readonly network = new MemoryNetwork();
  readonly nodes: FakeNode[] = [];
  readonly errors: string[] = [];
  store!: OrchestratorStore;
  orchestrator!: Orchestrator;
  #bus: { close(): Promise<void> } | undefined;

  private constructor(
    readonly folder: string,
    readonly options: Partial<OrchestratorOptions>,
    readonly wrap: (store: OrchestratorStore) => OrchestratorStore,
  ) {}

  /** @param wrap what the orchestrator sees of the store */
  static async start(
    options: Partial<OrchestratorOptions> = {},
    wrap = (store: OrchestratorStore) => store,
  ): Promise<Cluster> {
    const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'orchestrator-')), options, wrap);
    await cluster.boot();
    return cluster;
  }

  async boot(): Promise<void> {
    this.store = await openOrchestratorStore({
      path: join(this.folder, 'orchestrator.db'),
      world: realWorld,
      orchestratorId: 'o-1',
    });
    const bus = await this.network.connector(realWorld)({ name: 'orchestrator' });
    this.#bus = bus;
    this.orchestrator = await startOrchestrator({
      id: 'o-1',
      world: realWorld,
      store: this.wrap(this.store),
      bus,
      timings: TIMINGS,
      defaults: {},
      compatibility: compatibility(''),
      onError: (error) => void this.errors.push(`${error.code}: ${error.message}`),
      ...this.options,
    });
  }

  /** As kill -9 and a new start on the same files. */
  async restart(): Promise<void> {
    this.store.abandon();
    this.network.crash('orchestrator');
    // The dead one's timers and calls run into a store that never answers.
    void this.orchestrator.close().catch(() => undefined);
    await this.boot();
  }

  async node(id: string, options: NodeOptions = {}): Promise<FakeNode> {
    const node = new FakeNode(this, id, options);
    this.nodes.push(node);
    await node.up();
    return node;
  }

  async submit(job: unknown, force = false): Promise<string> {
    return (await this.orchestrator.jobs.submit({ job, force })).JobID;
  }

  async state(id: string): Promise<string> {
    return (await this.orchestrator.jobs.getJob(id, { namespace: '' })).State.StateType;
  }

  ended(id: string, state: string): Promise<string> {
    return until(async () => (await this.state(id)) === state && state, `job is ${state}`);
  }

  executions(id: string) {
    return this.store.read((reader) => reader.executions.byJob(id));
  }

  async history(id: string): Promise<string[]> {
    const { items } = await this.orchestrator.jobs.history(id, {
      namespace: '',
      eventType: 'all',
      executionId: '',
      since: 0n,
      fromSeqNum: 0n,
      limit: 0,
      allVersions: true,
    });
    return items.map(({ Event }) => `${Event.Topic}: ${Event.Message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.down();
    await this.orchestrator.close();
    await this.#bus?.close();
    await this.store.close();
    await rm(this.folder, { recursive: true });
  }
}

export interface NodeOptions {
  readonly cpu?: number;
  readonly labels?: Record<string, string>;
  readonly engines?: readonly string[];
  /** Answers asks and runs at once; otherwise the test does. */
  readonly automatic?: boolean;
  readonly installId?: string;
  readonly exitCode?: number;
  /** Does not name our extension, as a node of the original. */
  readonly foreign?: boolean;
}

/** A connection over which no handshake names an extension. */
function asForeign(bus: Bus): Bus {
  const request: Bus['request'] = (subject, data, options) => {
    const { metadata, payload } = decodeEnvelope(data);
    const { Extensions: _, ...rest } = payload as { readonly Extensions?: unknown };
    return bus.request(subject, encodeEnvelope(metadata, rest), options);
  };
  return new Proxy(bus, {
    get(target, key) {
      if (key === 'request') return request;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A node whose program ends at once. Its memory survives `down` as a disk would. */
export class FakeNode {
  readonly outbox = new MemoryOutbox<OutMessage>();
  readonly inbox: InMessage[] = [];
  /** Executions by id: last phase and job. */
  readonly held = new Map<string, { phase: string; jobId: string; revision: bigint }>();
  /** Times a run was begun, by execution. */
  readonly runs = new Map<string, number>();
  link: ComputeLink | undefined;
  automatic: boolean;
  /** What its queue holds, as its heartbeats tell. */
  queued: Resources = {};
  connections = 0;
  heartbeats = 0;
  lastStatus = '';
  boot = 0;
  /** Of the process, so to say. */
  readonly uuid = realWorld.uuid();
  #seq = 0n;

  constructor(readonly cluster: Cluster, readonly id: string, readonly options: NodeOptions) {
    this.automatic = options.automatic ?? true;
  }

  info(): NodeInfo {
    const capacity = { CPU: this.options.cpu ?? 2, Memory: 1e10, Disk: 1e12 };
    return {
      NodeID: this.id,
      NodeType: 'Compute',
      Labels: { name: this.id, ...this.options.labels },
      SupportedProtocols: ['ncl/v1'],
      ComputeNodeInfo: {
        ExecutionEngines: this.options.engines ?? ['noop', 'wasm'],
        Publishers: ['local'],
        StorageSources: ['inline'],
        MaxCapacity: capacity,
        QueueCapacity: {},
        AvailableCapacity: capacity,
        MaxJobRequirements: capacity,
        RunningExecutions: 0,
        EnqueuedExecutions: 0,
        address: '',
      },
      BacalhauVersion: {
        GitVersion: 'v1.10.0',
        GitCommit: '',
        BuildDate: '1970-01-01T00:00:00Z',
        GOOS: '',
        GOARCH: '',
      },
    };
  }

  async up(): Promise<void> {
    this.boot++;
    const before = this.connections;
    const capacity = this.info().ComputeNodeInfo.MaxCapacity;
    this.link = startComputeLink({
      nodeId: this.id,
      world: realWorld,
      connect: this.options.foreign
        ? async (to) => asForeign(await this.cluster.network.connector(realWorld)(to))
        : this.cluster.network.connector(realWorld),
      timings: TIMINGS,
      installId: this.options.installId ?? `install-${this.id}`,
      bootId: `${this.boot}-${this.uuid}`,
      nodeInfo: () => this.info(),
      capacity: () => {
        this.heartbeats++;
        return { available: capacity, queued: this.queued };
      },
      lastOrchestratorSeq: () => this.#seq,
      connected: () => {
        this.connections++;
        this.outbox.add(this.inventory());
        return Promise.resolve();
      },
      receive: (batch) => {
        for (const { message, seq } of batch) {
          this.#seq = seq;
          this.inbox.push(message);
          this.react(message);
        }
        return Promise.resolve();
      },
      outbox: this.outbox,
      async *logs(): AsyncIterable<LogFrame> {
        yield { Type: 1, Line: 'hello\n' };
      },
      status: (status, reason) => void (this.lastStatus = `${status}: ${reason}`),
    });
    await until(() => this.connections > before, `${this.id} is connected`);
  }

  async down(): Promise<void> {
    await this.link?.close();
    this.link = undefined;
  }

  inventory(): OutMessage {
    const Executions: ExecutionInventory['Executions'][number][] = [...this.held].map((
      [ExecutionID, { phase, jobId, revision }],
    ) => ({ ExecutionID, JobID: jobId, Phase: phase, Revision: revision }));
    return { type: 'ExecutionInventory', payload: { Executions } };
  }

  react(message: InMessage): void {
    const id = message.type === 'AskForBid' ? message.payload.Execution.ID : message.payload.ExecutionID;
    const held = this.held.get(id);
    switch (message.type) {
      case 'AskForBid':
        if (held) return;
        this.held.set(id, { phase: 'received', jobId: message.payload.Execution.JobID, revision: 1n });
        if (this.automatic) this.bid(id, true);
        return;
      case 'BidAccepted':
        if (held?.phase !== 'offered') return;
        held.phase = 'running';
        this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
        if (this.automatic) this.finish(id, this.options.exitCode ?? 0);
        return;
      case 'BidRejected':
        this.held.delete(id);
        return;
      case 'CancelExecution':
        this.held.delete(id);
        if (held && !['completed', 'failed', 'refused'].includes(held.phase)) {
          this.outbox.add({
            type: 'ExecutionStatus',
            payload: { ...this.about(id, held.jobId), Phase: 'stopped', Revision: 99n },
          });
        }
    }
  }

  about(ExecutionID: string, JobID = this.held.get(ExecutionID)?.jobId ?? '') {
    return { ExecutionID, JobID, JobType: 'batch' as const, Events: null };
  }

  /** Reports what the run does. */
  progress(id: string, Phase: 'queued' | 'preparing' | 'running'): void {
    const held = this.held.get(id)!;
    Object.assign(held, { phase: Phase, revision: held.revision + 1n });
    this.outbox.add({
      type: 'ExecutionStatus',
      payload: { ...this.about(id), Phase, Revision: held.revision },
    });
  }

  bid(id: string, Accepted: boolean, message = '', details: Record<string, string> = {}): void {
    this.held.get(id)!.phase = Accepted ? 'offered' : 'refused';
    const Events = Accepted
      ? null
      : [{ Message: message, Topic: 'Exec Scanning', Timestamp: '2026-11-21T00:00:00Z', Details: details }];
    this.outbox.add({ type: 'BidResult', payload: { ...this.about(id), Events, Accepted } });
  }

  finish(id: string, ExitCode = 0, errorMsg = ''): void {
    this.held.get(id)!.phase = 'completed';
    this.outbox.add(this.result(id, ExitCode, errorMsg));
  }

  result(id: string, ExitCode = 0, ErrorMsg = ''): OutMessage {
    return {
      type: 'RunResult',
      payload: {
        ...this.about(id),
        Events: [{
          Message: 'Completed successfully',
          Topic: 'Execution',
          Timestamp: '2026-11-21T00:00:00Z',
        }],
        PublishResult: { Type: 'local', Params: { file: id } },
        RunCommandResult: {
          Stdout: 'out',
          StdoutTruncated: false,
          stderr: '',
          StderrTruncated: false,
          ExitCode,
          ErrorMsg,
        },
      },
    };
  }

  fail(id: string, message: string, details: Record<string, string> = {}): void {
    this.held.get(id)!.phase = 'failed';
    this.outbox.add({
      type: 'ComputeError',
      payload: {
        ...this.about(id),
        Events: [{
          Message: message,
          Topic: 'Running Execution',
          Timestamp: '2026-11-21T00:00:00Z',
          Details: { IsError: 'true', ...details },
        }],
      },
    });
  }

  asked(): string[] {
    return [...this.held].filter(([, { phase }]) => phase === 'received').map(([id]) => id);
  }

  running(): string[] {
    return [...this.held].filter(([, { phase }]) => phase === 'running').map(([id]) => id);
  }
}
