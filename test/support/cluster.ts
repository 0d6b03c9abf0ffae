/** An orchestrator and compute nodes, each a process of its own, as an operator would start them. */
import { join } from 'node:path';
import { Connection } from './http_load.ts';
import { type Runtime, type Server, start } from './program.ts';
import { until } from './until.ts';

export interface Orchestrator extends Server {
  readonly apiPort: number;
  readonly natsPort: number;
}

const FREE = ['-c', 'API.Host=127.0.0.1', '-c', 'Orchestrator.Host=127.0.0.1'];

/** Both ports are free ones unless given (a restart keeps them). */
export async function startOrchestrator(
  runtime: Runtime,
  folder: string,
  ports: { api?: number; nats?: number } = {},
  extra: readonly string[] = [],
): Promise<Orchestrator> {
  const server = start(runtime, [
    'serve',
    '--orchestrator',
    '--data-dir',
    join(folder, 'orchestrator'),
    ...FREE,
    '-c',
    `API.Port=${ports.api ?? 0}`,
    '-c',
    `Orchestrator.Port=${ports.nats ?? 0}`,
    ...extra,
  ]);
  const nats = await server.line(/nats:\/\/[^:\s]+:(\d+)/);
  const api = await server.line(/http:\/\/[^:\s]+:(\d+)/);
  return Object.assign(server, { apiPort: Number(api[1]), natsPort: Number(nats[1]) });
}

export async function startCompute(
  runtime: Runtime,
  folder: string,
  name: string,
  natsPort: number,
  extra: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
): Promise<Server> {
  const server = start(
    runtime,
    [
      'serve',
      '--compute',
      '--name',
      name,
      '--data-dir',
      join(folder, name),
      ...FREE,
      '-c',
      'API.Port=0',
      '-c',
      'Publishers.Types.Local.Port=0',
      '-c',
      `Compute.Orchestrators=nats://127.0.0.1:${natsPort}`,
      ...extra,
    ],
    env,
    wrapper,
  );
  await server.line(/http:\/\/[^:\s]+:(\d+)/);
  return server;
}

interface NodeList {
  readonly Nodes: readonly {
    readonly Info: { readonly NodeID: string };
    readonly Connection: string;
  }[];
}

/** Resolves when all the named nodes are connected. */
export async function connectedNodes(apiPort: number, names: readonly string[]): Promise<void> {
  using api = new Connection(apiPort);
  await until(async () => {
    const { Nodes } = await api.json<NodeList>('GET', '/api/v1/orchestrator/nodes');
    const connected = Nodes.filter((node) => node.Connection === 'CONNECTED').map((node) => node.Info.NodeID);
    return names.every((name) => connected.includes(name));
  }, `nodes ${names.join(', ')} connected`);
}
