/** An orchestrator and one compute node of the executable on a test's Docker engine, with a user at the command line. */
import { readFileSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from './cluster.ts';
import type { TestDocker } from './docker.ts';
import { Connection } from './http_load.ts';
import { type Ended, run, type Runtime, type Server, start, temporaryFolder } from './program.ts';
import { until } from './until.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const NODE = 'n-docker';

export interface Execution {
  readonly ID: string;
  readonly NodeID: string;
  readonly ComputeState: { readonly StateType: number; readonly Message?: string };
  readonly RunOutput: {
    readonly Stdout: string;
    readonly stderr: string;
    readonly ExitCode: number;
    readonly ErrorMsg: string;
  } | null;
}

export interface JobState {
  readonly StateType: string;
  readonly Message?: string;
}

export interface History {
  readonly Event: {
    readonly Message: string;
    readonly Topic: string;
    readonly Details?: Record<string, string>;
  };
}

/** How the compute node is started. */
export interface ComputeProcess {
  /** See `start`. */
  readonly wrapper?: readonly string[];
  /** User and group of its folder, as a number. */
  readonly owner?: number;
}

export class DockerCluster implements AsyncDisposable {
  compute!: Server;
  readonly #stack = new AsyncDisposableStack();

  private constructor(
    readonly runtime: Runtime,
    readonly docker: TestDocker,
    /** A folder whose `data` jobs may read and write. */
    readonly folder: string,
    readonly orchestrator: Orchestrator,
    readonly settings: readonly string[],
    readonly as: ComputeProcess,
  ) {}

  static async start(
    runtime: Runtime,
    docker: TestDocker,
    settings: readonly string[] = [],
    as: ComputeProcess = {},
  ): Promise<DockerCluster> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder());
    await mkdir(join(folder.path, 'data'));
    const orchestrator = stack.use(await startOrchestrator(runtime, folder.path));
    const cluster = new DockerCluster(runtime, docker, folder.path, orchestrator, settings, as);
    if (as.owner !== undefined) await chown(folder.path, as.owner, as.owner);
    cluster.#stack.use(stack);
    await cluster.startCompute();
    await connectedNodes(orchestrator.apiPort, [NODE]);
    return cluster;
  }

  /** Again, after a kill. */
  async startCompute(): Promise<void> {
    this.compute = await startCompute(
      this.runtime,
      this.folder,
      NODE,
      this.orchestrator.natsPort,
      [
        '-c',
        `Compute.AllowListedLocalPaths=${this.folder}/data,${this.folder}/data/**:rw`,
        ...this.settings.flatMap((setting) => ['-c', setting]),
      ],
      this.docker.env,
      this.as.wrapper,
    );
  }

  /** A connection to the API; dispose it. */
  api(): Connection {
    return new Connection(this.orchestrator.apiPort);
  }

  get clientEnv(): Record<string, string> {
    return {
      BACALHAU_DIR: join(this.folder, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(this.orchestrator.apiPort),
    };
  }

  /** Runs one client command to its end. */
  cli(...args: readonly string[]): Promise<Ended> {
    return run(this.runtime, args, { env: this.clientEnv });
  }

  /** Starts a client command that goes on by itself. */
  begin(...args: readonly string[]): Server {
    return start(this.runtime, args, this.clientEnv);
  }

  async submit(body: unknown): Promise<string> {
    using api = this.api();
    return (await api.json<{ JobID: string }>('PUT', JOBS, body)).JobID;
  }

  async job(id: string): Promise<JobState> {
    using api = this.api();
    return (await api.json<{ Job: { State: JobState } }>('GET', `${JOBS}/${id}`)).Job.State;
  }

  async executions(id: string): Promise<readonly Execution[]> {
    using api = this.api();
    return (await api.json<{ Items: Execution[] }>('GET', `${JOBS}/${id}/executions`)).Items;
  }

  async history(id: string): Promise<readonly History[]> {
    using api = this.api();
    return (await api.json<{ Items: History[] }>('GET', `${JOBS}/${id}/history?limit=200`)).Items;
  }

  /** Its state once it is terminal. */
  ended(id: string, ms = 60_000): Promise<JobState> {
    return until(
      async () => {
        const state = await this.job(id);
        return ['Completed', 'Failed', 'Stopped'].includes(state.StateType) ? state : null;
      },
      `job ${id} ends`,
      ms,
    );
  }

  /** Host ports of the job's `count` ports named `name`, as its history tells them. */
  ports(id: string, name: string, count = 1): Promise<number[]> {
    const pattern = new RegExp(`\\b${name}: (?:[\\d.]+:)?(\\d+)`);
    return until(async () => {
      const found = (await this.history(id)).map(({ Event }) => pattern.exec(Event.Message)?.[1])
        .filter((port) => port !== undefined).map(Number);
      return new Set(found).size >= count ? [...new Set(found)] : null;
    }, `${count} ports of job ${id}`);
  }

  /** Tells the objects of this node from those of any other on the same engine. */
  get install(): string {
    const identity = JSON.parse(readFileSync(join(this.folder, NODE, 'identity.json'), 'utf8'));
    return (identity as { installId: string }).installId;
  }

  /** Containers, networks and mounts that this node has made and that are still there. */
  async left(): Promise<string[]> {
    const { containers, networks } = await this.docker.ours(this.install);
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
      .filter((line) => line.includes(this.folder));
    return [...containers, ...networks, ...mounts];
  }

  /** Removal comes after the report of an end, so it is waited for. */
  async nothingLeft(ms = 15_000): Promise<void> {
    let left: string[] = [];
    await until(async () => (left = await this.left()).length === 0, 'nothing is left on the engine', ms)
      .catch((error: Error) => {
        throw new Error(`${error.message}: ${left.join(', ')}\n${this.compute.lines.slice(-30).join('\n')}`);
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.compute.end();
    await this.orchestrator.end();
    await this.#stack.disposeAsync();
  }
}
