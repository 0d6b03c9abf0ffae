/** A whole network in one process, for trying things out: each node has a folder and, but for the first, free ports. */
import { join } from 'node:path';
import type { Config } from '../config/mod.ts';
import { ContainedFiles } from '../../runtime/files/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { makeEngines } from './compute_role.ts';
import { type RunningNode, startNode } from './node.ts';

/** How many nodes of each role, and where they keep their data. */
export interface DevstackOptions {
  readonly orchestrators: number;
  readonly computes: number;
  readonly hybrids: number;
  /** Holds one folder per node. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** Several nodes in one process. */
export interface Devstack extends AsyncDisposable {
  /** Of the first orchestrator. */
  readonly apiUrl: string;
  readonly nodes: readonly RunningNode[];
  /** See {@link RunningNode.failed}. */
  readonly failed: RunningNode['failed'];
}

/** @throws BacalhauError as `startNode` */
export async function startDevstack(config: Config, options: DevstackOptions): Promise<Devstack> {
  await using stack = new AsyncDisposableStack();
  stack.use(new ContainedFiles(options.folder)); // made if need be
  // One pool of module processes for all: they are nodes of one machine.
  const engines = makeEngines(config, realWorld, options.folder);
  for (const engine of engines) stack.defer(() => engine.close());
  const start = async (index: number, roles: { orchestrator: boolean; compute: boolean }, nats?: string) =>
    stack.use(
      await startNode(nodeConfig(config, join(options.folder, `node-${index}`), index === 0, roles, nats), {
        name: `node-${index}`,
        log: options.log,
        engines,
      }),
    );
  const { orchestrators, hybrids, computes } = options;
  const first = await start(0, { orchestrator: true, compute: orchestrators === 0 });
  const rest: Promise<RunningNode>[] = [];
  for (let index = 1; index < orchestrators + hybrids + computes; index++) {
    const orchestrator = index < orchestrators + hybrids;
    rest.push(start(index, { orchestrator, compute: index >= orchestrators }, first.natsUrl));
  }
  const nodes = [first, ...await Promise.all(rest)];
  const kept = stack.move();
  return {
    apiUrl: first.apiUrl,
    nodes,
    failed: Promise.race(nodes.map((node) => node.failed)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Only the first node has the configured ports; all others take free ones. */
function nodeConfig(
  config: Config,
  DataDir: string,
  first: boolean,
  roles: { orchestrator: boolean; compute: boolean },
  nats?: string,
): Config {
  const local = config.Publishers.Types.Local;
  return {
    ...config,
    DataDir,
    API: { ...config.API, Port: first ? config.API.Port : 0 },
    Orchestrator: {
      ...config.Orchestrator,
      Enabled: roles.orchestrator,
      Port: first ? config.Orchestrator.Port : 0,
    },
    Compute: {
      ...config.Compute,
      Enabled: roles.compute,
      ...(nats ? { Orchestrators: [nats], Auth: config.Orchestrator.Auth } : {}),
    },
    Publishers: {
      ...config.Publishers,
      Types: { ...config.Publishers.Types, Local: { ...local, Port: 0 } },
    },
  };
}
