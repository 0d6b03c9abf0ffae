/**
 * Where things lie in the data directory (config.md 21). What only this program writes has names of its own, so that a
 * data directory of the original stays usable by the original: its files are read at most, never changed or deleted. No
 * name has a `:`, which Windows does not allow.
 */
import { join } from 'node:path';
import type { Config } from './schema/mod.ts';

/** The paths of the data directory. */
export interface DataDirLayout {
  readonly root: string;
  /** Same as the original's; only `config set` writes it. */
  readonly configFile: string;
  /** The original's node name and instance id: read, never written. */
  readonly originalMetadataFile: string;
  /** Ours: node name, installation id. */
  readonly identityFile: string;
  /** Shell lines with the API's address while `serve` runs. */
  readonly runFile: string;
  readonly orchestratorFolder: string;
  readonly orchestratorDatabase: string;
  readonly computeFolder: string;
  readonly computeDatabase: string;
  /** One folder per execution; its file system's free space is the disk capacity. */
  readonly executionsFolder: string;
  /** `<execution>.tar.gz`, served by the local publisher. */
  readonly localResultsFolder: string;
}

/** Paths only: nothing is made or looked at. */
export function dataDirLayout({ DataDir: root }: Pick<Config, 'DataDir'>): DataDirLayout {
  const orchestratorFolder = join(root, 'orchestrator');
  const computeFolder = join(root, 'compute');
  return Object.freeze({
    root,
    configFile: join(root, 'config.yaml'),
    originalMetadataFile: join(root, 'system_metadata.yaml'),
    identityFile: join(root, 'identity.json'),
    runFile: join(root, 'bacalhau.run'),
    orchestratorFolder,
    orchestratorDatabase: join(orchestratorFolder, 'orchestrator.sqlite'),
    computeFolder,
    computeDatabase: join(computeFolder, 'compute.sqlite'),
    executionsFolder: join(computeFolder, 'runs'),
    localResultsFolder: join(computeFolder, 'results', 'local-publisher'),
  });
}
