/** The Docker engine of a node, from its configuration; loaded only where Docker is not disabled. */
import { join } from 'node:path';
import process from 'node:process';
import type { Config } from '../config/mod.ts';
import { dockerEngine } from '../engine/docker/mod.ts';
import type { Engine } from '../engine/mod.ts';
import type { NodeParts } from './parts.ts';

/** The original's way of forbidding pulls: the variable exists. */
const SKIP_PULL = 'SKIP_IMAGE_PULL';

/** Dials nothing: whether a daemon answers is asked later, and again while the node runs. */
export function makeDockerEngine(parts: NodeParts): Promise<Engine> {
  const { config, layout, identity, world, logger } = parts;
  const { ManifestCache, Prune, Pull, Security, ShmSize, HTTPNetwork } = config.Engines.Types.Docker;
  return dockerEngine({
    world,
    nodeId: identity.nodeId,
    installId: identity.installId,
    directory: join(layout.computeFolder, 'docker'),
    images: {
      pullPolicy: process.env[SKIP_PULL] === undefined ? Pull : 'never',
      manifestCache: { size: ManifestCache.Size, ttlMs: ManifestCache.TTL, refreshMs: ManifestCache.Refresh },
      prune: pruneOf(Prune),
    },
    httpLimits: { connections: HTTPNetwork.MaxConnections, bytesPerSecond: HTTPNetwork.BytesPerSecond },
    noNewPrivileges: Security.NoNewPrivileges,
    pidsLimit: Security.PidsLimit,
    dropCapabilities: Security.DropCapabilities,
    blockMetadata: Security.BlockMetadata,
    hostGateway: Security.HostGateway,
    shmSize: ShmSize,
    gpuUuid: ({ Vendor, Index }) =>
      parts.gpus.find((gpu) => gpu.vendor === Vendor && gpu.index === Index)?.uuid,
    engineGraceMs: config.Compute.Limits.EngineAway,
    logger,
  });
}

/** Off where the key is 0. */
function pruneOf({ MaxAge, MaxSize, Interval }: Config['Engines']['Types']['Docker']['Prune']) {
  return {
    everyMs: Interval,
    ...(MaxAge > 0 ? { maxAgeMs: MaxAge } : {}),
    ...(MaxSize > 0 ? { maxBytes: MaxSize } : {}),
  };
}
