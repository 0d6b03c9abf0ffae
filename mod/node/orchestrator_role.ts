/** The orchestrator of this process: its store, the embedded message server, and the orchestrator over both. */
import { readFile } from 'node:fs/promises';
import { startNatsServer } from '../../runtime/nats/mod.ts';
import type { NatsServer, NatsServerOptions } from '../../runtime/nats/mod.ts';
import type { Config } from '../config/mod.ts';
import { BacalhauError, NANOS_PER_MILLI, type NodeInfo } from '../model/mod.ts';
import { type Orchestrator, startOrchestrator } from '../orchestrator/mod.ts';
import { openOrchestratorStore } from '../store/mod.ts';
import { LocalBus } from '../transport/mod.ts';
import type { NodeParts } from './parts.ts';
import { diskReserve } from './reserve.ts';

const MAX_PAYLOAD = 1_048_576;

export interface OrchestratorRole extends AsyncDisposable {
  readonly orchestrator: Orchestrator;
  readonly nats: NatsServer;
  /** Resolves when the store can no longer commit. */
  readonly failed: Promise<BacalhauError>;
}

/** @throws BacalhauError when store, address or certificate cannot be used */
export async function startOrchestratorRole(
  parts: NodeParts,
  self: () => NodeInfo,
): Promise<OrchestratorRole> {
  const { config, layout, files, identity, world, logger } = parts;
  await using stack = new AsyncDisposableStack();
  await files.makeFolder(layout.orchestratorFolder);
  const reserve = stack.use(diskReserve(parts, layout.orchestratorFolder));
  const store = stack.use(
    await openOrchestratorStore({
      path: layout.orchestratorDatabase,
      world,
      makeRoom: () => reserve.release(),
      waitMs: config.Orchestrator.StoreTimeout,
      orchestratorId: identity.nodeId,
    }),
  );
  const nats = stack.use(await startNats(config.Orchestrator, identity.nodeId, parts));
  const connect = () => new LocalBus(nats.connect(), world, MAX_PAYLOAD);
  const orchestrator = stack.use(
    await startOrchestrator({
      id: identity.nodeId,
      world,
      store,
      bus: connect(),
      timings: parts.timings,
      defaults: config.JobDefaults,
      compatibility: parts.compatibility,
      scheduler: schedulerPolicy(config.Orchestrator.Scheduler),
      settings: {
        disconnectTimeoutMs: config.Orchestrator.NodeManager.DisconnectTimeout,
        manualApproval: config.Orchestrator.NodeManager.ManualApproval,
        maxPendingNodes: config.Orchestrator.NodeManager.MaxPendingNodes,
        housekeepingMs: config.Orchestrator.Scheduler.HousekeepingInterval,
        maxTries: config.Orchestrator.EvaluationBroker.MaxRetryCount,
      },
      installationId: identity.installId,
      instanceId: world.uuid(),
      self,
      onError: (error) => logger.log('error', error.message, { code: error.code }),
    }),
  );
  const kept = stack.move();
  return {
    orchestrator,
    nats,
    failed: store.failed,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function schedulerPolicy(scheduler: Config['Orchestrator']['Scheduler']) {
  const nanos = (ms: number) => BigInt(Math.round(ms)) * NANOS_PER_MILLI;
  return {
    bidTimeout: nanos(scheduler.BidTimeout),
    timeoutGrace: nanos(scheduler.HousekeepingTimeout),
    disconnectWindow: nanos(scheduler.DisconnectWindow),
    avoid: nanos(scheduler.QueueBackoff),
    defaultQueueTimeout: nanos(scheduler.DefaultQueueTimeout),
    maxRetries: scheduler.MaxRetries,
    retryBackoff: nanos(scheduler.RetryBackoff),
    retryBackoffMax: nanos(scheduler.RetryBackoffMax),
  };
}

async function startNats(
  settings: Config['Orchestrator'],
  name: string,
  { logger }: NodeParts,
): Promise<NatsServer> {
  const tls = await tlsOptions(settings);
  try {
    return await startNatsServer({
      host: settings.Host,
      port: settings.Port,
      serverName: name,
      maxPayload: MAX_PAYLOAD,
      ...(settings.Auth.Token ? { token: settings.Auth.Token } : {}),
      ...(settings.Advertise ? { advertise: settings.Advertise } : {}),
      ...(tls ? { tls } : {}),
      ...(settings.TLS.ServerTimeout ? { authTimeoutMs: settings.TLS.ServerTimeout * 1000 } : {}),
      onFault: ({ name: client, address, reason }) =>
        logger.log('warn', `connection of a node closed: ${reason}`, { node: client, address }),
    });
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      ? 'address already in use'
      : (cause as Error).message;
    throw new BacalhauError(
      'ConfigurationError',
      `Cannot listen for compute nodes on "${settings.Host}:${settings.Port}": ${why}`,
      {
        hint: 'Choose another port with -c Orchestrator.Port=4223 (0 takes a free one).',
        cause,
      },
    );
  }
}

async function tlsOptions(
  { TLS, SupportReverseProxy }: Config['Orchestrator'],
): Promise<NatsServerOptions['tls']> {
  const { ServerCert, ServerKey } = TLS;
  if (Boolean(ServerCert) !== Boolean(ServerKey)) {
    throw new BacalhauError('ConfigurationError', 'Cannot use TLS: certificate and key belong together', {
      hint: 'Set both Orchestrator.TLS.ServerCert and Orchestrator.TLS.ServerKey, or neither.',
    });
  }
  if (!ServerCert) return SupportReverseProxy ? { allowPlain: true } : undefined;
  const [cert, key] = await Promise.all([readFile(ServerCert, 'utf8'), readFile(ServerKey, 'utf8')]);
  return { cert, key, ...(SupportReverseProxy ? { allowPlain: true } : {}) };
}
