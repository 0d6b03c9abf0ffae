/** The compute node of this process: its store, engines, sources and publishers, and the node over them. */
import { join } from 'node:path';
import process from 'node:process';
import { bindFailure } from '../../runtime/ports.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import type { World } from '../../runtime/world.ts';
import { type ComputeNode, type PortOptions, startComputeNode } from '../compute/mod.ts';
import type { Engine } from '../engine/mod.ts';
import { noopEngine, wasmEngine } from '../engine/mod.ts';
import type { Config } from '../config/mod.ts';
import { BacalhauError } from '../model/mod.ts';
import { noopPublisher, type Publisher, startLocalPublisher } from '../publisher/mod.ts';
import { inlineSource, localSource, type Source, urlSource } from '../storage/mod.ts';
import { COMPUTE_MIGRATIONS, type ComputeSchema, openSqlite } from '../store/mod.ts';
import { natsConnect, startComputeLink } from '../transport/mod.ts';
// Not part of the room's face: only a real node needs the NATS client.
import { allocatedCapacity } from './capacity.ts';
import type { NodeParts } from './parts.ts';
import { keepRefreshed } from './refresh.ts';
import { diskReserve } from './reserve.ts';

export interface ComputeRole extends AsyncDisposable {
  readonly node: ComputeNode;
  readonly failed: Promise<BacalhauError>;
}

/**
 * @param servers of the orchestrator, besides those configured
 * @throws BacalhauError when store, folder, capacity or port cannot be used
 */
export async function startComputeRole(
  parts: NodeParts,
  servers: readonly string[],
  token: string,
): Promise<ComputeRole> {
  const { config, layout, identity, world, logger } = parts;
  await using stack = new AsyncDisposableStack();
  const files = stack.use(new ContainedFiles(layout.executionsFolder));
  const own = await ownEngines(parts);
  for (const engine of own) stack.defer(() => engine.close());
  const engines = [...own, ...parts.engines ?? []];
  const publishers = await localPublishers(parts);
  for (const publisher of publishers) stack.defer(() => publisher.close());
  const reserve = stack.use(diskReserve(parts, layout.computeFolder));
  const store = stack.use(
    await openSqlite<ComputeSchema>({
      path: layout.computeDatabase,
      migrations: COMPUTE_MIGRATIONS,
      world,
      makeRoom: () => reserve.release(),
      // Its work has nobody to tell but itself: it goes on when the store does.
      waitMs: Infinity,
    }),
  );
  const { Limits, Logs, Retention, SweepInterval, TLS, Env, Network, Heartbeat } = config.Compute;
  const node = stack.use(
    await startComputeNode({
      nodeId: identity.nodeId,
      installId: identity.installId,
      labels: parts.labels,
      version: parts.version,
      address: Network.AdvertisedAddress,
      world,
      files,
      store,
      engines,
      sources: sourcesOf(parts),
      publishers,
      capacity: await allocatedCapacity(
        config.Compute.AllocatedCapacity,
        layout.executionsFolder,
        parts.gpus,
      ),
      executionsFolder: layout.executionsFolder,
      environment: { get: (name) => process.env[name], allowList: Env.AllowList },
      ports: portsOf(config),
      admission: {
        rejectNetworkedJobs: config.JobAdmissionControl.RejectNetworkedJobs,
        rejectStatelessJobs: config.JobAdmissionControl.RejectStatelessJobs,
        diskFull: () => reserve.lacking,
      },
      compatibility: parts.compatibility,
      limits: {
        outputBytes: Limits.MaxOutputSize,
        logBytes: Logs.MaxSize,
        salvageMs: Limits.SalvageTimeout,
        engineAwayMs: Limits.EngineAway,
      },
      timings: {
        stopGraceMs: Limits.StopGrace,
        usageMs: Limits.DiskCheckInterval,
        sweepMs: SweepInterval,
        retentionMs: Retention.Confirmed,
        unconfirmedRetentionMs: Retention.Unconfirmed,
      },
      startLink: (side) =>
        startComputeLink({
          ...side,
          timings: parts.timings,
          connect: natsConnect({
            servers,
            token,
            requireTls: TLS.RequireTLS,
            ...(TLS.CACert ? { caCert: TLS.CACert } : {}),
          }),
        }),
      log: (level, message, fields) => logger.log(level, message, fields),
    }),
  );
  stack.use(keepRefreshed(node, world, logger, Heartbeat.Interval));
  const kept = stack.move();
  return { node, failed: store.failed, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** @throws BacalhauError when the range has no port */
function portsOf(
  { Compute: { Network: { PortRangeStart: first, PortRangeEnd: last } } }: Config,
): PortOptions {
  if (first <= last) return { first, last, bindFailure };
  throw new BacalhauError(
    'ConfigurationError',
    `Cannot use Compute.Network.PortRangeStart "${first}": it is above PortRangeEnd "${last}"`,
    { hint: 'Set Compute.Network.PortRangeStart to the first and PortRangeEnd to the last port for jobs.' },
  );
}

function notIn(disabled: readonly string[]): (type: string) => boolean {
  const names = disabled.map((name) => name.toLowerCase());
  return (type) => !names.includes(type.toLowerCase());
}

/** What this node does not share with others of its process: Docker's objects bear its id. */
async function ownEngines(parts: NodeParts): Promise<Engine[]> {
  const own = parts.engines ? [] : makeEngines(parts.config, parts.world, parts.layout.computeFolder);
  if (!notIn(parts.config.Engines.Disabled)('docker')) return own;
  const { makeDockerEngine } = await import('./docker.ts');
  return [await makeDockerEngine(parts), ...own];
}

/**
 * The engines that the configuration leaves on and that nodes of one process can share; the caller closes them.
 * @param folder in which they may make folders of their own
 */
export function makeEngines(config: Config, world: World, folder: string): Engine[] {
  const { Noop, WASM: { HTTP, MaxCPUTime, MaxFileSize, MaxOpenFiles, MemoryLimit, Pool } } =
    config.Engines.Types;
  const enabled = notIn(config.Engines.Disabled);
  const engines: Engine[] = [];
  if (enabled('wasm')) {
    engines.push(
      wasmEngine({
        world,
        directory: join(folder, 'wasm'),
        maxIdle: Pool.Size,
        oneShot: Pool.OneShot,
        memoryDefault: MemoryLimit,
        openFiles: MaxOpenFiles,
        fileBytes: MaxFileSize,
        logBytes: config.Compute.Logs.MaxSize,
        cpuMs: MaxCPUTime,
        http: {
          timeoutMs: HTTP.Timeout,
          maxBytes: HTTP.MaxResponse,
          bytesPerSecond: HTTP.BytesPerSecond,
          privateHosts: HTTP.PrivateHosts,
        },
      }),
    );
  }
  if (Noop.Enabled && enabled('noop')) engines.push(noopEngine({ world }));
  return engines;
}

function sourcesOf({ config, world }: NodeParts): Source[] {
  const { ReadTimeout, MaxRetryCount, Disabled } = config.InputSources;
  const all = [
    inlineSource(),
    urlSource({ readTimeoutMs: ReadTimeout, maxRetryCount: MaxRetryCount, world }),
    localSource({ allowList: config.Compute.AllowListedLocalPaths }),
  ];
  return all.filter(({ type }) => notIn(Disabled)(type));
}

async function localPublishers({ config, layout }: NodeParts): Promise<Publisher[]> {
  const enabled = notIn(config.Publishers.Disabled);
  const { Address, Port } = config.Publishers.Types.Local;
  return [
    ...(enabled('noop') ? [noopPublisher()] : []),
    ...(enabled('local')
      ? [await startLocalPublisher({ directory: layout.localResultsFolder, port: Port, address: Address })]
      : []),
  ];
}
