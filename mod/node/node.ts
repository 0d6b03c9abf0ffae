/** One node: its data directory, its roles and its API. */
import { join } from 'node:path';
import process from 'node:process';
import { BUILD_INFO } from '../../runtime/build_info.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { lockFile } from '../../runtime/folder_lock.ts';
import { discoverGpus } from '../../runtime/gpus.ts';
import { createLogger } from '../../runtime/logger.ts';
import { uncaughtErrors } from '../../runtime/uncaught.ts';
import { realWorld } from '../../runtime/world.ts';
import { startApiServer } from '../api/server/mod.ts';
import { type Config, configToRest, dataDirLayout, refuseUnprotected } from '../config/mod.ts';
import type { Engine } from '../engine/mod.ts';
import { BacalhauError, compatibility, type NodeInfo } from '../model/mod.ts';
import { gpuLabels } from './capacity.ts';
import { type ComputeRole, startComputeRole } from './compute_role.ts';
import { loadIdentity } from './identity.ts';
import { type OrchestratorRole, startOrchestratorRole } from './orchestrator_role.ts';
import { type NodeParts, timingsOf } from './parts.ts';

/** What a node is told beside its configuration. */
export interface NodeOptions {
  /** Name of the node, kept from then on. */
  readonly name?: string;
  /** Takes log lines. */
  readonly log: (line: string) => void;
  /** See {@link NodeParts.engines}. */
  readonly engines?: readonly Engine[];
}

/** A node: an orchestrator, a compute node or both. */
export interface RunningNode extends AsyncDisposable {
  readonly id: string;
  /** `http://127.0.0.1:1234` */
  readonly apiUrl: string;
  /** `nats://127.0.0.1:4222` where this process orchestrates. */
  readonly natsUrl?: string;
  /** Resolves when a store can no longer commit: the process has to end. */
  readonly failed: Promise<BacalhauError>;
}

/** @throws BacalhauError that names what cannot be used and how to mend it */
export async function startNode(config: Config, options: NodeOptions): Promise<RunningNode> {
  refuseUnprotected(config);
  if (!config.Orchestrator.Enabled && !config.Compute.Enabled) throw noRole();
  await using stack = new AsyncDisposableStack();
  const layout = dataDirLayout(config);
  const files = stack.use(new ContainedFiles(layout.root, 0o755));
  const lock = lockFile(join(layout.root, 'lock.sqlite'));
  if (!lock) throw inUse(layout.root);
  stack.use(lock);

  const identity = await loadIdentity(layout, files, config.NameProvider, realWorld, options.name);
  const logger = createLogger(config.Logging, options.log);
  const gpus = config.Compute.Enabled ? await discoverGpus({ warn: (text) => logger.log('warn', text) }) : [];
  const parts: NodeParts = {
    config,
    layout,
    files,
    identity,
    world: realWorld,
    logger,
    version: BUILD_INFO,
    compatibility: compatibility(config.Compatibility),
    labels: {
      ...config.Labels,
      name: identity.nodeId,
      os_type: BUILD_INFO.GOOS,
      os_arch: BUILD_INFO.GOARCH,
      ...gpuLabels(gpus),
    },
    gpus,
    timings: timingsOf(config),
    ...(options.engines ? { engines: options.engines } : {}),
  };
  let compute: ComputeRole | undefined;
  const self = () => compute?.node.nodeInfo() ?? requesterInfo(parts);
  let orchestrating: OrchestratorRole | undefined;
  if (config.Orchestrator.Enabled) orchestrating = stack.use(await startOrchestratorRole(parts, self));
  if (config.Compute.Enabled) {
    const own = orchestrating?.nats.url;
    compute = stack.use(
      await startComputeRole(
        parts,
        own ? [own] : config.Compute.Orchestrators,
        own ? config.Orchestrator.Auth.Token : config.Compute.Auth.Token,
      ),
    );
  }
  const { Limits } = config.API;
  const api = await startApiServer({
    host: config.API.Host,
    port: config.API.Port,
    nodeId: identity.nodeId,
    version: BUILD_INFO,
    bodyLimit: Limits.MaxBodySize,
    rateLimit: Limits.RequestsPerSecond,
    handlerTimeout: Limits.HandlerTimeout,
    trustedProxies: Limits.TrustedProxies,
    backends: {
      agent: {
        node: () => Promise.resolve(self()),
        config: () => Promise.resolve(configToRest(config)),
        debug: () => Promise.resolve(debugInfo(orchestrating, compute)),
      },
      ...(orchestrating
        ? { jobs: orchestrating.orchestrator.jobs, nodes: orchestrating.orchestrator.nodes }
        : {}),
    },
    onError: (error, method, path) =>
      parts.logger.log('error', error instanceof Error ? error.message : String(error), { method, path }),
  });
  stack.defer(() => api.close());
  const kept = stack.move();
  return {
    id: identity.nodeId,
    apiUrl: api.url,
    ...(orchestrating ? { natsUrl: orchestrating.nats.url } : {}),
    failed: Promise.race(
      [orchestrating, compute].filter((role) => role !== undefined).map((role) => role.failed),
    ),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What a node without compute role tells of itself. */
function requesterInfo({ identity, labels, version }: NodeParts): NodeInfo {
  return Object.freeze({
    NodeID: identity.nodeId,
    NodeType: 'Requester',
    Labels: labels,
    SupportedProtocols: ['ncl/v1'],
    ComputeNodeInfo: {
      ExecutionEngines: null,
      Publishers: null,
      StorageSources: null,
      MaxCapacity: {},
      QueueCapacity: {},
      AvailableCapacity: {},
      MaxJobRequirements: {},
      RunningExecutions: 0,
      EnqueuedExecutions: 0,
      address: '',
    },
    BacalhauVersion: version,
  });
}

function debugInfo(orchestrating?: OrchestratorRole, compute?: ComputeRole): Record<string, unknown> {
  return {
    Memory: process.memoryUsage(),
    UncaughtErrors: uncaughtErrors(),
    ...(orchestrating ? { NATSServer: orchestrating.nats.stats() } : {}),
    ...(compute ? { Compute: compute.node.debugInfo() } : {}),
  };
}

function noRole(): BacalhauError {
  return new BacalhauError('ConfigurationError', 'Cannot start a node: it has no role', {
    hint: 'Start with --orchestrator, --compute or both, or set Orchestrator.Enabled or Compute.Enabled.',
  });
}

function inUse(folder: string): BacalhauError {
  return new BacalhauError(
    'ResourceInUse',
    `Cannot use data directory "${folder}": another process uses it`,
    {
      hint: 'Stop that process, or choose another folder with --data-dir.',
    },
  );
}
