/** What all runs of one engine share. */
import type { StringMap } from '../../model/mod.ts';
import type { Docker } from '../../../runtime/docker/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { EngineFacts } from './facts.ts';
import type { DockerEngineSettings, HttpNetworkSource, MetadataGuardSource } from './options.ts';

export interface RunHost {
  readonly docker: Docker;
  readonly world: World;
  readonly settings: DockerEngineSettings;
  readonly http?: HttpNetworkSource | undefined;
  readonly guard?: MetadataGuardSource | undefined;
  /** Runs that are listened to. */
  readonly live: Set<{ detach(): void }>;
  facts(): Promise<EngineFacts>;
  log(level: 'info' | 'warn' | 'error', message: string, fields: StringMap): void;
}
