/**
 * The command tree as data: name, one line, and how to load what is behind it. Only the command that runs is loaded, so
 * that start-up costs the same however many commands there are.
 */
import type { AnyCommand } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load?: () => Promise<{ readonly command: AnyCommand }>;
  /** Commands below it; an entry has either these or `load`. */
  readonly commands?: readonly CommandEntry[];
}

const agent: readonly CommandEntry[] = [
  { name: 'alive', summary: "Get the agent's liveness", load: () => import('./agent/alive.ts') },
  { name: 'config', summary: "Get the agent's configuration", load: () => import('./agent/config.ts') },
  { name: 'node', summary: "Get the agent's node info", load: () => import('./agent/node.ts') },
  { name: 'version', summary: "Get the agent's version", load: () => import('./agent/version.ts') },
];

const job: readonly CommandEntry[] = [
  { name: 'describe', summary: 'Describe a job', load: () => import('./job/describe.ts') },
  { name: 'executions', summary: 'List the executions of a job', load: () => import('./job/executions.ts') },
  { name: 'get', summary: 'Download the results of a job', load: () => import('./job/get.ts') },
  { name: 'history', summary: 'List what happened to a job', load: () => import('./job/history.ts') },
  { name: 'list', summary: 'List jobs', load: () => import('./job/list.ts') },
  { name: 'logs', summary: 'Print or follow the output of a job', load: () => import('./job/logs.ts') },
  { name: 'run', summary: 'Run a job from a file', load: () => import('./job/run.ts') },
  { name: 'stop', summary: 'Stop a job', load: () => import('./job/stop.ts') },
  { name: 'validate', summary: 'Check a job file', load: () => import('./job/validate.ts') },
  { name: 'versions', summary: 'List the versions of a job', load: () => import('./job/versions.ts') },
];

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'agent', summary: 'The node that the client talks to', commands: agent },
  {
    name: 'config',
    summary: 'The configuration',
    commands: [
      { name: 'list', summary: 'List all keys with their values', load: () => import('./config/list.ts') },
    ],
  },
  {
    name: 'devstack',
    summary: 'Start a local network for trying things out',
    load: () => import('./devstack.ts'),
  },
  {
    name: 'docker',
    summary: 'Run containers',
    commands: [{ name: 'run', summary: 'Run a container', load: () => import('./docker/run.ts') }],
  },
  { name: 'job', summary: 'Submit, watch and manage jobs', commands: job },
  {
    name: 'node',
    summary: 'Nodes of the network',
    commands: [
      { name: 'describe', summary: 'Describe a node', load: () => import('./node/describe.ts') },
      { name: 'list', summary: 'List nodes', load: () => import('./node/list.ts') },
    ],
  },
  { name: 'serve', summary: 'Start a node', load: () => import('./serve.ts') },
  { name: 'version', summary: 'Versions of client and server', load: () => import('./version.ts') },
  {
    name: 'wasm',
    summary: 'Run WebAssembly modules',
    commands: [
      { name: 'run', summary: 'Run a WebAssembly module', load: () => import('./wasm/run.ts') },
      {
        name: 'validate',
        summary: 'Check a module and list what it needs',
        load: () => import('./wasm/validate.ts'),
      },
    ],
  },
];
