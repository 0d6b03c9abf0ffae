/** Who runs a module: a node of ours or of the original over REST, a runtime directly, another runtime's command. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { connectedNodes, startCompute, startOrchestrator } from '../../support/cluster.ts';
import { Connection } from '../../support/http_load.ts';
import { cleanEnv, ROOT, type Runtime } from '../../support/program.ts';
import { findProgram } from '../../../runtime/process.ts';
import { warmUp } from '../warm_up.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const NODE = 'n-modules';
/** How often a job is looked at: the figures are that exact. */
const LOOK_MS = 1;
/** No program of the bench takes as long anywhere. */
const PATIENCE_MS = 300_000;
const ORIGINAL = process.env.BACALHAU_ORIGINAL ?? '/tmp/bacalhau-original';

export interface Outcome {
  readonly ms: number;
  readonly stdout: string;
}

export interface Input {
  readonly hostPath: string;
  readonly target: string;
  readonly readWrite?: boolean;
}

/** Runs the module of a file. @throws Error when it fails */
export type RunModule = (
  module: string,
  args: readonly string[],
  inputs?: readonly Input[],
) => Promise<Outcome>;

export interface Subject extends AsyncDisposable {
  readonly run: RunModule;
}

/** Orchestrator and compute node, two processes; they may read and write what is in `folder`. */
export async function ours(runtime: Runtime, folder: string): Promise<Subject> {
  const data = join(folder, runtime);
  const orchestrator = await startOrchestrator(runtime, data);
  const compute = await startCompute(runtime, data, NODE, orchestrator.natsPort, [
    '-c',
    `Compute.AllowListedLocalPaths=${folder}/**:rw`,
  ]);
  await connectedNodes(orchestrator.apiPort, [NODE]);
  await warmUp(orchestrator.apiPort);
  return {
    run: (module, args, inputs) => job(orchestrator.apiPort, module, args, inputs),
    async [Symbol.asyncDispose]() {
      await compute.end();
      await orchestrator.end();
    },
  };
}

async function job(
  port: number,
  module: string,
  args: readonly string[],
  inputs: readonly Input[] = [],
): Promise<Outcome> {
  const source = ({ hostPath, target, readWrite = false }: Input) => ({
    Source: { Type: 'localDirectory', Params: { SourcePath: hostPath, ReadWrite: readWrite } },
    Target: target,
  });
  const body = {
    Job: {
      Name: `bench-${crypto.randomUUID()}`,
      Type: 'batch',
      Count: 1,
      Tasks: [{
        Name: 'main',
        Engine: {
          Type: 'wasm',
          Params: { EntryModule: '/main.wasm', Entrypoint: '_start', Parameters: args },
        },
        InputSources: [source({ hostPath: module, target: '/main.wasm' }), ...inputs.map(source)],
        Resources: { Memory: '1Gi' },
      }],
    },
  };
  // Between two jobs a server may close what it takes for idle.
  using api = new Connection(port);
  const begin = performance.now();
  const { JobID } = await api.json<{ JobID: string }>('PUT', JOBS, body);
  let state = '';
  while (state !== 'Completed') {
    const { Job } = await api.json<{ Job: { State: { StateType: string; Message?: string } } }>(
      'GET',
      `${JOBS}/${JobID}`,
    );
    state = Job.State.StateType;
    if (state === 'Failed' || performance.now() - begin > PATIENCE_MS) {
      throw new Error(`job ${JobID} of ${module} is ${state}: ${Job.State.Message}`);
    }
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
  const ms = performance.now() - begin;
  const { Items } = await api.json<{ Items: { RunOutput?: { Stdout?: string } }[] }>(
    'GET',
    `${JOBS}/${JobID}/executions`,
  );
  return { ms, stdout: Items[0]?.RunOutput?.Stdout ?? '' };
}

const BARE = {
  bun: [join(ROOT, 'node_modules', 'bun', 'bin', 'bun.exe')],
  deno: [process.execPath, 'run', '--allow-all', '--quiet', '--no-config'],
} as const;

/** Nothing but the runtime: a fresh process reads, compiles and runs the module, and tells how long that took itself. */
export function directly(runtime: Runtime): RunModule {
  return async (module, args) => {
    const [command, ...first] = BARE[runtime];
    const script = join(import.meta.dirname!, 'direct.mjs');
    const { stdout, stderr } = await commandOutput(command, [...first, script, module, ...args]);
    return { ms: (JSON.parse(stderr) as { end: number }).end, stdout };
  };
}

/** A runtime with a command of its own, by its name; null when it is not installed. */
export function byCommand(name: string, ...options: readonly string[]): RunModule | null {
  const path = findProgram(name) ?? [`${process.env.GOBIN ?? '/tmp/gobin'}/${name}`].find(existsSync);
  if (!path) return null;
  return async (module, args) => {
    const begin = performance.now();
    const { stdout } = await commandOutput(path, [...options, module, ...args]);
    return { ms: performance.now() - begin, stdout };
  };
}

/** The original as one process, or null when it is not here. */
export async function original(folder: string): Promise<Subject | null> {
  if (!existsSync(ORIGINAL)) return null;
  const data = join(folder, 'original');
  mkdirSync(data);
  const [port, nats, publisher] = await Promise.all([freePort(), freePort(), freePort()]);
  const settings = [
    'API.Host=127.0.0.1',
    `API.Port=${port}`,
    `Orchestrator.Port=${nats}`,
    `Compute.Orchestrators=nats://127.0.0.1:${nats}`,
    `Compute.AllowListedLocalPaths=${folder}/**`,
    `Publishers.Types.Local.Port=${publisher}`,
    'UpdateConfig.Interval=0',
    'DisableAnalytics=true',
  ];
  const child = spawn(ORIGINAL, [
    'serve',
    '--orchestrator',
    '--compute',
    '--name',
    NODE,
    '--data-dir',
    data,
    ...settings.flatMap((set) => ['-c', set]),
  ], { env: cleanEnv({ BACALHAU_DIR: data }), stdio: 'ignore' });
  const ended = new Promise((done) => child.once('close', done));
  for (let left = 200, ready = false; !ready; left--) {
    try {
      await connectedNodes(port, [NODE]);
      ready = true;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((next) => setTimeout(next, 100));
    }
  }
  return {
    run: (module, args) => job(port, module, args),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer().once('error', failed).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => found(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Runs a command to its end. @throws Error with what it said when it fails */
export function commandOutput(
  command: string,
  args: readonly string[],
): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout += text);
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr += text);
  return new Promise((done, failed) => {
    child.once('error', failed).once('close', (code) => {
      if (code === 0) done({ stdout, stderr });
      else failed(new Error(`${command} ${args.join(' ')}: exit code ${code}: ${stderr}`));
    });
  });
}
