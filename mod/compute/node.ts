/**
 * The compute node: opens its state, settles it with what the engines still have, and only then meets the orchestrator
 * (invariants.md C13). Composition and lifetime; what happens to an execution is in `executions.ts` and `runner.ts`.
 */
import { addResources, isFinite, maxResources, parseResources, subtractResources } from '../model/mod.ts';
import type { NodeInfo, Resources, Task } from '../model/mod.ts';
import { ComputeStore } from '../store/mod.ts';
import type { ComputeLink, InMessage, LogFrame, LogRequest, Received } from '../transport/mod.ts';
import { Executions } from './executions.ts';
import type { Held } from './held.ts';
import { executionLogs } from './logs.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMINGS } from './options.ts';
import type { ComputeNodeOptions } from './options.ts';
import { Ports, UNSHARED_PORTS } from './ports.ts';
import { type AllProviders, Providers } from './providers.ts';
import { remarkOn } from './preparation.ts';
import { removeLeftovers } from './leftovers.ts';
import { recover } from './recovery.ts';
import { executionStatus } from './reports.ts';
import { outputsOf, runPaths } from './results.ts';
import { Session } from './session.ts';
import { StatusReports } from './status.ts';
import { Sweep } from './sweep.ts';
import type { Drift } from './sweep.ts';
import { Upkeep } from './upkeep.ts';
import type { Workshop } from './workshop.ts';

/** What the node does with its work when it goes. */
export type Farewell =
  /**
   * Leave it: containers run on, modules are run again at the next start. The orchestrator is told only when there is no
   * work, since an original one would fail it.
   */
  | 'keep'
  /** Wait until what runs has ended, then tell the orchestrator. */
  | 'drain'
  /** End all at once, report it as failed by the node, and tell the orchestrator. */
  | 'stop';

/** What a node runs and what waits for it. */
export interface ComputeDebugInfo {
  readonly running: readonly {
    readonly executionId: string;
    readonly jobId: string;
    readonly resources: Resources;
  }[];
  /** In the order in which they are to start. */
  readonly queued: readonly {
    readonly executionId: string;
    readonly jobId: string;
    readonly resources: Resources;
  }[];
  readonly available: Resources;
  /** Where an engine and this node were not of one mind since the start. */
  readonly drift: Drift;
}

/** A running compute node. */
export interface ComputeNode extends AsyncDisposable {
  nodeInfo(): NodeInfo;
  debugInfo(): ComputeDebugInfo;
  readonly link: ComputeLink;
  /** @throws BacalhauError `NotFound` */
  logs(request: LogRequest, signal: AbortSignal): AsyncIterable<LogFrame>;
  /** Asks engines, sources and publishers again what they can do; the answer is told with the next node info. */
  refresh(): Promise<void>;
  /** Takes nothing new and resolves when nothing runs any more. What is queued stays queued. */
  drain(): Promise<void>;
  /** Idempotent. Engines and store are the caller's to close, afterwards. */
  close(farewell?: Farewell): Promise<void>;
}

const FLUSH_MS = 2_000;
const DEFAULT_RESOURCES: Resources = Object.freeze({ CPU: 0.1, Memory: 100 * 1024 * 1024 });

/** @throws BacalhauError when the store or the folder cannot be used */
export async function startComputeNode(options: ComputeNodeOptions): Promise<ComputeNode> {
  const { world, files } = options;
  const store = new ComputeStore(options.store);
  const timings = { ...DEFAULT_TIMINGS, ...options.timings };
  const providers = {
    engines: new Providers(options.engines),
    sources: new Providers(options.sources),
    publishers: new Providers(options.publishers),
  };
  await files.makeFolder(options.executionsFolder);
  const bootId = await store.boot();
  const session = new Session(store, world, await store.peer());
  const status = new StatusReports(store, world, timings.statusMs, () => session.extended);
  const upkeep = new Upkeep(() => shop, () => session.connected);
  const ports = new Ports(options.ports ?? UNSHARED_PORTS, world);
  const sweep = new Sweep(() => shop, options.engines, () => executions);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const shop: Workshop = {
    nodeId: options.nodeId,
    world,
    files,
    store,
    providers,
    environment: options.environment,
    ports,
    executionsFolder: options.executionsFolder,
    compatibility: options.compatibility,
    limits,
    timings,
    status,
    runRequest(held) {
      const paths = runPaths(options.executionsFolder, held.id, held.runNo);
      return {
        executionId: held.id,
        jobId: held.execution.JobID,
        runNo: held.runNo,
        task: options.admission?.rejectNetworkedJobs ? withoutNetwork(held.task) : held.task,
        env: {},
        resources: programResources(held, providers),
        inputs: [],
        outputs: outputsOf(held.task, paths),
        ports: held.ports,
        pinned: held.pinned,
        directory: paths.folder,
        logPath: paths.log,
        logLimit: limits.logBytes,
        remark: remarkOn(shop, held),
        longRunning: !isFinite(held.execution.Job?.Type ?? 'batch'),
      };
    },
    diskLimit: ({ task, resources }) =>
      task.Resources?.Disk || options.compatibility.diskGranted ? resources.Disk ?? 0 : 0,
    stopReport(held, now, events = [], remains = {}) {
      if (!session.extended) return { confirmedAt: now };
      const told = events.length > 0 ? events : null;
      const message = (revision: bigint) =>
        executionStatus(held.execution, 'stopped', revision, told, remains);
      return { report: { kind: 'status', message } };
    },
    ended: (id, phase) => upkeep.ended(id, phase),
    leftOver: () => sweep.soon(),
    confirmed: (id) => upkeep.confirmed(id),
    log: options.log ?? (() => {}),
  };
  const executions = new Executions(shop, {
    providers,
    environment: options.environment,
    ports,
    admission: options.admission ?? {},
    total: options.capacity,
    defaults: options.defaultResources ?? DEFAULT_RESOURCES,
  }, options.queueOvertakes ?? 16);

  let names = await available();
  async function available() {
    const [ExecutionEngines, StorageSources, Publishers] = await Promise.all([
      providers.engines.available(),
      providers.sources.available(),
      providers.publishers.available(),
    ]);
    return { ExecutionEngines, Publishers, StorageSources };
  }
  const capacity = () => ({
    available: executions.capacity.available,
    queued: executions.queued().resources.reduce(addResources, Object.freeze({}) as Resources),
  });
  const nodeInfo = (): NodeInfo => {
    const { available, queued } = capacity();
    return Object.freeze({
      NodeID: options.nodeId,
      NodeType: 'Compute',
      Labels: options.labels,
      SupportedProtocols: ['ncl/v1'],
      ComputeNodeInfo: Object.freeze({
        ...names,
        MaxCapacity: options.capacity,
        QueueCapacity: queued,
        AvailableCapacity: available,
        MaxJobRequirements: options.capacity,
        RunningExecutions: executions.capacity.count,
        EnqueuedExecutions: executions.queue.length,
        address: options.address ?? '',
      }),
      BacalhauVersion: options.version,
    });
  };

  await recover(shop, executions, session.extended);
  await sweep.round();
  sweep.start();
  for (const { id, phase } of await store.unconfirmed()) upkeep.ended(id, phase);
  upkeep.start();
  void removeLeftovers(shop, executions);
  const logs = (request: LogRequest, signal: AbortSignal) => executionLogs(shop, executions, request, signal);
  const receive = async ({ message, seq }: Received<InMessage>): Promise<void> => {
    await executions.receive(message);
    session.processed(seq);
  };
  const link = await options.startLink({
    nodeId: options.nodeId,
    world,
    installId: options.installId,
    // A copied data directory counts its starts alike.
    bootId: `${bootId}-${world.uuid()}`,
    nodeInfo,
    capacity,
    lastOrchestratorSeq: () => session.inSeq,
    connected: (response) => session.begin(response),
    // Each message is one write, issued in order; those that came together share a commit.
    receive: async (batch) => void await Promise.all(batch.map(receive)),
    outbox: session,
    logs,
    status(state, reason) {
      session.connected = state === 'connected';
      shop.log(
        state === 'disconnected' ? 'warn' : 'info',
        `orchestrator: ${state}`,
        reason ? { reason } : {},
      );
    },
  });

  async function close(farewell: Farewell): Promise<void> {
    if (farewell !== 'keep') executions.stopAccepting();
    if (farewell === 'drain') await executions.settled();
    if (farewell !== 'keep') await executions.stopAll();
    // Orders that still come are stored and bid for at the next start.
    executions.abandon();
    await status.flush();
    status.close();
    upkeep.close();
    sweep.close();
    await link.flush(FLUSH_MS);
    const idle = executions.held().length === 0;
    if (farewell !== 'keep' || (idle && link.status === 'connected')) {
      await link.notice('node stopped').catch((error: unknown) => {
        shop.log('warn', 'the orchestrator could not be told that this node stops', { error: String(error) });
      });
    }
    await link.close();
    await session.close();
  }
  let closed: Promise<void> | undefined;
  const describe = (id: string) => {
    const held = executions.get(id);
    return { executionId: id, jobId: held?.execution.JobID ?? '', resources: held?.resources ?? {} };
  };
  return {
    nodeInfo,
    link,
    logs,
    debugInfo: () => ({
      running: executions.capacity.ids().map(describe),
      queued: executions.queue.waiting().map(({ id }) => describe(id)),
      available: executions.capacity.available,
      drift: sweep.drift,
    }),
    async refresh() {
      names = await available();
    },
    async drain() {
      executions.stopAccepting();
      await executions.settled();
    },
    close: (farewell = 'keep') => closed ??= close(farewell),
    [Symbol.asyncDispose]: () => closed ??= close('keep'),
  };
}

/** Of what the node charges for a run, the part of its program: at least what the task asks for. */
function programResources({ resources, task }: Held, { engines }: AllProviders): Resources {
  const { overhead = {} } = engines.get(task.Engine?.Type ?? '') ?? {};
  return maxResources(subtractResources(resources, overhead), parseResources(task.Resources ?? {}));
}

/** On a node that takes no networked jobs, those that leave the choice to it get none (job-spec.md 1.13). */
function withoutNetwork(task: Task): Task {
  return { ...task, Network: { ...task.Network, Type: 'None' } };
}
