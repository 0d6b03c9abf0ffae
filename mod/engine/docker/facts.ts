/** What an engine can do, as far as it shapes a container; asked once per connection. */
import type { DockerInfo } from '../../../runtime/docker/mod.ts';

export interface EngineFacts {
  /** Swap can be limited; without it a limit is only a warning of the engine. */
  readonly swapLimit: boolean;
  readonly pidsLimit: boolean;
  /** A container's writable layer can be limited (`storage-opt size`), as far as the driver's name tells. */
  readonly storageSize: boolean;
  /** `local` keeps each byte as it was written; null = the engine's own default. */
  readonly logDriver: 'local' | 'json-file' | null;
  /** Containers outlive a restart of the engine. */
  readonly liveRestore: boolean;
  /** Containers of another system than Linux. */
  readonly osType: string;
}

const SIZED_DRIVERS: readonly string[] = ['btrfs', 'zfs', 'windowsfilter'];

export function factsOf(info: DockerInfo): EngineFacts {
  const drivers = info.Plugins?.Log ?? [];
  return Object.freeze({
    swapLimit: info.SwapLimit,
    pidsLimit: info.PidsLimit !== false,
    storageSize: SIZED_DRIVERS.includes(info.Driver) || isOverlayOnXfs(info),
    logDriver: drivers.includes('local') ? 'local' : drivers.includes('json-file') ? 'json-file' : null,
    liveRestore: info.LiveRestoreEnabled === true,
    osType: info.OSType,
  });
}

/** There it needs the mount option `pquota`, too, which nobody tells: the first refusal does. */
function isOverlayOnXfs({ Driver, DriverStatus }: DockerInfo): boolean {
  return Driver === 'overlay2' &&
    (DriverStatus ?? []).some(([key, value]) => key === 'Backing Filesystem' && value === 'xfs');
}
