/** `Engines.Types.Docker.*` (config.md 10): images, and how containers are confined. */
import { choice, duration, flag, HOUR, int, list, size } from '../key.ts';

export const Docker = {
  ManifestCache: {
    Size: int(1000, 'Image manifests that are remembered.'),
    TTL: duration(HOUR, 'How long a manifest is remembered.'),
    Refresh: duration(HOUR, 'How often old manifests are removed; 0 = every hour.'),
  },
  Pull: choice(
    ['missing', 'always', 'never'],
    'missing',
    'When images are pulled: where no local one satisfies the name, for every execution, or not at all. (Not in 1.9)',
  ),
  Prune: {
    MaxAge: duration(
      0,
      'Images that no job has used for so long, and for 2 minutes at least, are removed; 0 = none. (Not in 1.9)',
    ),
    MaxSize: size(
      0,
      'Space for images that jobs brought; above it the longest unused are removed; 0 = no limit. (Not in 1.9)',
    ),
    Interval: duration(HOUR, 'Time between two looks for images to remove. (Not in 1.9)', { min: 1 }),
  },
  Security: {
    NoNewPrivileges: flag(
      true,
      'Programs gain no rights by set-user-id files; images that call sudo or su need false. (Not in 1.9)',
    ),
    PidsLimit: int(4096, 'Processes and threads of one container; 0 = no limit. (Not in 1.9)'),
    DropCapabilities: list(
      ['NET_RAW', 'MKNOD'],
      "Capabilities taken from Docker's usual ones; ALL takes each of them. (Not in 1.9)",
    ),
    BlockMetadata: flag(
      true,
      "Containers on a bridge do not reach the cloud's metadata address 169.254.169.254. (Not in 1.9)",
    ),
    HostGateway: flag(true, 'host.docker.internal leads containers to this machine. (Not in 1.9)'),
  },
  ShmSize: size(
    0,
    "Size of a container's /dev/shm where its job names none; 0 = the engine's default. (Not in 1.9)",
  ),
  HTTPNetwork: {
    MaxConnections: int(
      256,
      'Connections that one execution with an HTTP network may have open. (Not in 1.9)',
      { min: 1 },
    ),
    BytesPerSecond: size(
      12_500_000,
      'Bytes per second, in both directions together, of one such execution; 0 = no limit. (Not in 1.9)',
    ),
  },
};
