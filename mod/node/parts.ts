/** What both roles of a node are built from. */
import type { ContainedFiles } from '../../runtime/files/mod.ts';
import type { FoundGpu } from '../../runtime/gpus.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { World } from '../../runtime/world.ts';
import type { Config, DataDirLayout } from '../config/mod.ts';
import type { BuildVersion, Compatibility, StringMap } from '../model/mod.ts';
import type { Engine } from '../engine/mod.ts';
import type { Timings } from '../transport/mod.ts';
import type { Identity } from './identity.ts';

export interface NodeParts {
  readonly config: Config;
  readonly layout: DataDirLayout;
  /** Those of the data directory. */
  readonly files: ContainedFiles;
  readonly identity: Identity;
  readonly world: World;
  readonly logger: Logger;
  readonly version: BuildVersion;
  readonly compatibility: Compatibility;
  readonly labels: StringMap;
  /** Devices of this machine; none where the process has no compute role. */
  readonly gpus: readonly FoundGpu[];
  readonly timings: Timings;
  /** Engines of the process, where several nodes share them; absent: the node makes its own. */
  readonly engines?: readonly Engine[];
}

/** Waits of control requests and acknowledgements are those of the original; ours reconnects much sooner. */
export function timingsOf({ Compute: { Heartbeat } }: Config): Timings {
  return Object.freeze({
    heartbeatMs: Heartbeat.Interval,
    infoUpdateMs: Heartbeat.InfoUpdateInterval,
    requestMs: 10_000,
    ackMs: 30_000,
    reconnectMs: 100,
    reconnectMaxMs: 1_500,
  });
}
