/** The simulated processes: one orchestrator and compute nodes on files in tmpfs, each started, crashed, started again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startComputeNode } from '../../mod/compute/mod.ts';
import { compatibility, type Resources } from '../../mod/model/mod.ts';
import { type Orchestrator, startOrchestrator } from '../../mod/orchestrator/mod.ts';
import { COMPUTE_MIGRATIONS, type ComputeSchema } from '../../mod/store/compute_schema.ts';
import { type Connect, startComputeLink, type Timings } from '../../mod/transport/mod.ts';
import { openOrchestratorStore, openSqlite } from '../../mod/store/mod.ts';
import { SimClock, SimWorld } from './clock.ts';
import { CAPACITY, LESS } from './capacity.ts';
import { Containers } from './containers.ts';
import { simFiles } from './files.ts';
import { Hosts, simPublisher } from './host.ts';
import { ORCHESTRATOR, SimNetwork } from './network.ts';
import type { Plant } from './planted.ts';
import type { Random } from './random.ts';
import { DISCONNECT_MS, PRUNE_MS, RETENTION_MS, TOMBSTONE_MS, WINDOW_MS } from './settings.ts';

/** Those of the product (`mod/node/parts.ts`). */
const TIMINGS: Timings = {
  heartbeatMs: 15_000,
  infoUpdateMs: 60_000,
  requestMs: 10_000,
  ackMs: 30_000,
  reconnectMs: 100,
  reconnectMaxMs: 1_500,
};
const NANOS_PER_MILLI = 1_000_000n;

/** Longest wait for the disk at a commit. */
const COMMIT_MS = 5;

interface Process {
  readonly name: string;
  readonly path: string;
  world: SimWorld | null;
  abandon: () => void;
  commits: () => number;
  /** What the clock of its machine is wrong by. */
  stepMs: number;
  capacity: Resources;
  /** Microtasks from the next opening of a transaction to a crash. */
  dieIn: number | null;
}

export class SimCluster {
  readonly clock = new SimClock();
  readonly hosts = new Hosts();
  readonly network: SimNetwork;
  readonly folder = mkdtempSync(join(tmpfs(), 'sim-'));
  readonly nodes: readonly string[];
  /** The container engine of each node. */
  readonly containers: ReadonlyMap<string, Containers>;
  orchestrator: Orchestrator | null = null;
  trace: (what: string) => void = () => undefined;
  /** A process that could not start, or an error that it did not expect. */
  failure: unknown = null;
  readonly #processes = new Map<string, Process>();

  /** Between the orchestrator and its connections, and told when its process starts or ends. */
  watch: (connect: Connect) => Connect = (connect) => connect;
  orchestratorIs: (up: boolean) => void = () => undefined;

  constructor(readonly random: Random, nodes: number, readonly plant: Plant) {
    this.network = new SimNetwork(this.clock, random.fork());
    this.nodes = Array.from({ length: nodes }, (_, index) => `n-${index + 1}`);
    this.containers = new Map(
      this.nodes.map((name) => [name, new Containers(name, this.hosts, this.clock)]),
    );
    for (const name of [ORCHESTRATOR, ...this.nodes]) {
      this.#processes.set(name, {
        name,
        path: join(this.folder, `${name}.db`),
        world: null,
        abandon: () => undefined,
        commits: () => 0,
        stepMs: 0,
        capacity: CAPACITY,
        dieIn: null,
      });
    }
  }

  file(name: string): string {
    return this.#processes.get(name)!.path;
  }

  isUp(name: string): boolean {
    return this.#processes.get(name)!.world !== null;
  }

  start(name: string): void {
    const process = this.#processes.get(name)!;
    if (process.world) return;
    const world = process.world = new SimWorld(
      this.clock,
      this.random.fork(),
      process.stepMs + this.random.between(-50, 50),
    );
    this.trace(`start ${name}`);
    const starting = name === ORCHESTRATOR
      ? this.#startOrchestrator(process, world)
      : this.#startNode(process, world);
    starting.catch((error) => {
      if (!world.crashed) this.failure ??= error;
    });
  }

  /** As kill -9: nothing of it settles any more, and what it had not committed is gone. */
  crash(name: string): void {
    const process = this.#processes.get(name)!;
    if (!process.world) return;
    this.trace(`crash ${name}`);
    process.world.crash();
    process.world = null;
    process.dieIn = null;
    this.network.crash(name);
    process.abandon();
    process.abandon = () => undefined;
    this.hosts.crash(name);
    if (name !== ORCHESTRATOR) return;
    this.orchestrator = null;
    this.orchestratorIs(false);
    // Its process is the message server too.
    this.network.network.down = true;
    this.network.network.cut();
  }

  /** Crashes at its next transaction: before, in, or just after it, as many microtasks later as said. */
  crashAtCommit(name: string, microtasks: number): void {
    this.#processes.get(name)!.dieIn = microtasks;
  }

  /** Its machine's clock goes forward by so much. */
  stepClock(name: string, ms: number): void {
    const process = this.#processes.get(name)!;
    process.stepMs += ms;
    if (process.world) process.world.skewMs += ms;
  }

  capacityOf(name: string): Resources {
    return this.#processes.get(name)!.capacity;
  }

  /** From its next start on a node has less to give, or all again. */
  setCapacity(name: string, less: boolean): void {
    this.#processes.get(name)!.capacity = less ? LESS : CAPACITY;
  }

  /** Forgets the crashes that have not happened yet. */
  spareAll(): void {
    for (const process of this.#processes.values()) process.dieIn = null;
  }

  close(): void {
    for (const name of this.#processes.keys()) this.crash(name);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #turn(process: Process, world: SimWorld): () => Promise<void> {
    return async () => {
      await world.sleep(world.random() * COMMIT_MS);
      const { dieIn } = process;
      process.dieIn = null;
      if (dieIn !== null) void this.#dieAfter(process, world, dieIn);
    };
  }

  async #dieAfter(process: Process, world: SimWorld, microtasks: number): Promise<void> {
    for (let count = 0; count < microtasks; count++) await Promise.resolve();
    if (process.world !== world) return;
    this.crash(process.name);
    this.clock.at(this.random.between(100, 20_000), () => this.start(process.name));
  }

  #connect(world: SimWorld): Connect {
    const connect = this.network.network.connector(world);
    return (options) => world.crashed ? new Promise(() => undefined) : connect(options);
  }

  async #startOrchestrator(process: Process, world: SimWorld): Promise<void> {
    const { path, name } = process;
    this.network.network.down = false;
    this.orchestratorIs(true);
    const connect = this.watch(this.#connect(world));
    const store = await openOrchestratorStore({
      path,
      world,
      orchestratorId: 'o-1',
      turn: this.#turn(process, world),
    });
    process.abandon = () => store.abandon();
    this.plant.opened?.(name, path);
    const orchestrator = await startOrchestrator({
      id: name,
      world,
      store: this.plant.store?.(store, world) ?? store,
      bus: await connect({ name }),
      connect,
      timings: TIMINGS,
      defaults: {},
      compatibility: compatibility(''),
      scheduler: { disconnectWindow: BigInt(this.plant.windowMs ?? WINDOW_MS) * NANOS_PER_MILLI },
      settings: { disconnectTimeoutMs: DISCONNECT_MS },
      onError: (error) => this.trace(`orchestrator error ${error.code}: ${error.message}`),
    });
    if (!world.crashed) this.orchestrator = orchestrator;
  }

  async #startNode(process: Process, world: SimWorld): Promise<void> {
    const { path, name } = process;
    const store = await openSqlite<ComputeSchema>({
      path,
      migrations: COMPUTE_MIGRATIONS,
      world,
      turn: this.#turn(process, world),
    });
    process.abandon = () => store.abandon();
    this.plant.opened?.(name, path);
    const connect = this.#connect(world);
    const engines = [this.hosts.engine(name, world), this.containers.get(name)!.engine(world)];
    await startComputeNode({
      nodeId: name,
      installId: `install-${name}`,
      labels: {},
      version: {
        GitVersion: 'v1.10.0',
        GitCommit: '',
        BuildDate: '2026-01-01T00:00:00Z',
        GOOS: 'linux',
        GOARCH: 'amd64',
      },
      world,
      files: simFiles(world),
      store,
      engines: engines.map((engine) => this.plant.engine?.(engine) ?? engine),
      sources: [],
      publishers: [simPublisher(world)],
      capacity: this.plant.capacity ?? process.capacity,
      timings: { retentionMs: RETENTION_MS, tombstoneMs: TOMBSTONE_MS, pruneMs: PRUNE_MS },
      ports: { first: 20_000, last: 20_011, bindFailure: () => Promise.resolve(null) },
      executionsFolder: join(this.folder, name),
      environment: { allowList: [], get: () => undefined },
      compatibility: compatibility(''),
      startLink: (side) => startComputeLink({ ...side, connect, timings: TIMINGS }),
      log: (level, message, fields) => {
        this.trace(`${name} ${level}: ${message} ${JSON.stringify(fields)}`);
      },
    });
  }
}

function tmpfs(): string {
  try {
    const probe = mkdtempSync('/dev/shm/sim-');
    rmSync(probe, { recursive: true });
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
