/**
 * One run of the simulation: users submit jobs while processes crash and the network misbehaves; then the faults stop, and
 * within bounds of simulated time everything has to come to its end and to rest (invariants.md section 3). The seed is
 * the run: the digest over all that happened is the same each time.
 */
import { createHash } from 'node:crypto';
import { CAPACITY } from './capacity.ts';
import { EPOCH_SECONDS } from './clock.ts';
import { SimCluster } from './cluster.ts';
import { Committed } from './committed.ts';
import { type Faults, LATE_MS, NO_FAULTS, ORCHESTRATOR } from './network.ts';
import { Epochs } from './epochs.ts';
import { Observer } from './observer.ts';
import type { Plant } from './planted.ts';
import { Random } from './random.ts';
import { JOB_ENDED } from './tables.ts';
import { Violation } from './violation.ts';
import { Users } from './workload.ts';
import { Wire } from './wire.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Until everything has its name and its connection. */
const CALM_MS = 3 * SECOND;
/** Faults stop then (T). */
const FAULTS_MS = 4 * MINUTE;
/** L3. */
const CONNECTED_MS = 2 * SECOND;
/** L1 and L5. */
const SETTLED_MS = 20 * MINUTE;
/** L8: so long nothing may happen. */
const QUIET_MS = 5 * MINUTE;

export interface Outcome {
  readonly seed: number;
  /** Over all events; the same for the same seed and version. */
  readonly digest: string;
  readonly steps: number;
  readonly states: Readonly<Record<string, number>>;
  readonly crashes: number;
  readonly messages: number;
  /** What happened how often. */
  readonly seen: Readonly<Record<string, number>>;
  /** Simulated ms from T until all was settled. */
  readonly settledAfter: number;
}

export interface RunOptions {
  /** Told of each event. */
  readonly trace?: (line: string) => void;
  /** A fault of the product's, planted to see that a check shows it. */
  readonly plant?: Plant;
}

/** @throws SimulationFailed */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const simulation = new Simulation(seed, options);
  try {
    return await simulation.run();
  } catch (cause) {
    throw new SimulationFailed(seed, cause, simulation.recent());
  } finally {
    simulation.close();
  }
}

export class SimulationFailed extends Error {
  constructor(readonly seed: number, cause: unknown, readonly last: readonly string[]) {
    super(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'SimulationFailed';
  }
}

/** Events kept for a report. */
const KEPT = 80;

class Simulation {
  readonly #random: Random;
  readonly #cluster: SimCluster;
  readonly #orchestrator: Committed;
  readonly #nodes: ReadonlyMap<string, Committed>;
  readonly #observer: Observer;
  readonly #wire: Wire;
  readonly #users: Users;
  readonly #hash = createHash('sha256');
  readonly #recent: string[] = [];
  #steps = 0;
  #crashes = 0;
  #failure: unknown = null;
  #over = false;

  constructor(readonly seed: number, readonly options: RunOptions) {
    this.#random = new Random(seed);
    const cluster = this.#cluster = new SimCluster(
      this.#random.fork(),
      2 + this.#random.below(3),
      options.plant ?? {},
    );
    this.#orchestrator = new Committed(cluster.file(ORCHESTRATOR));
    this.#nodes = new Map(cluster.nodes.map((name) => [name, new Committed(cluster.file(name))]));
    const { clock } = cluster;
    const wire = this.#wire = new Wire(this.#orchestrator, this.#nodes);
    const epochs = new Epochs(this.#orchestrator, (reply) => wire.isDone(reply));
    const observer = this.#observer = new Observer(this.#orchestrator, this.#nodes, cluster.hosts, {
      now: () => clock.now,
      seconds: () => EPOCH_SECONDS + clock.now / 1000,
      capacityOf: (node) => cluster.capacityOf(node),
    }, epochs);
    wire.onTaken = (reply) => epochs.acknowledged(reply);
    wire.onHeard = (node) => observer.silence.sign(node);
    wire.hasHeld = (node, executionId) => observer.hasHeld(node, executionId);
    cluster.watch = (connect) => epochs.watch(connect);
    cluster.orchestratorIs = (up) => observer.orchestratorIs(up);
    this.#users = new Users(cluster, this.#observer, this.#random.fork());
    const trace = (what: string) => this.#event(what);
    cluster.trace = this.#observer.trace = this.#wire.trace = trace;
    // A violation must stop the run, not the process that it is found in.
    cluster.network.onSend = (from, to, message) => this.#guard(() => this.#wire.onSend(from, to, message));
    const { beginning, beforeCreate, beforeStart } = cluster.hosts;
    cluster.hosts.beginning = (...of) => this.#guard(() => beginning(...of));
    cluster.hosts.beforeCreate = (...of) => this.#guard(() => beforeCreate(...of));
    cluster.hosts.beforeStart = (...of) => this.#guard(() => beforeStart(...of));
  }

  recent(): readonly string[] {
    return this.#recent;
  }

  close(): void {
    this.#over = true;
    this.#cluster.close();
    for (const file of [this.#orchestrator, ...this.#nodes.values()]) file.close();
  }

  async run(): Promise<Outcome> {
    const { clock, network, nodes } = this.#cluster;
    for (const name of [ORCHESTRATOR, ...nodes]) this.#cluster.start(name);
    await this.#until(CALM_MS, () => false);
    network.faults = this.#faults();
    this.#arrangeJobs();
    this.#arrangeFaults();
    await this.#until(FAULTS_MS, () => false);

    this.#event('faults stop');
    for (const name of nodes) {
      // What a smaller node has promised is too much for it, and no other may have room.
      if (this.#cluster.capacityOf(name) === CAPACITY) continue;
      this.#cluster.crash(name);
      this.#cluster.setCapacity(name, false);
    }
    network.healAll();
    this.#cluster.spareAll();
    for (const name of [ORCHESTRATOR, ...nodes]) this.#cluster.start(name);
    if (!await this.#until(CONNECTED_MS, () => this.#allConnected())) this.#fail('L3', this.#sessions());
    const stopped = clock.now;
    await this.#settle(SETTLED_MS);
    const settledAfter = clock.now - stopped;
    await this.#stayAtRest();
    await this.#sayAllAgain();
    this.#observer.checkAnswered();
    this.#observer.checkRemains();
    return {
      seed: this.seed,
      digest: this.#hash.digest('hex').slice(0, 16),
      steps: this.#steps,
      states: this.#states(),
      crashes: this.#crashes,
      messages: this.#wire.count,
      seen: {
        ...Object.fromEntries(this.#observer.seen),
        ...this.#codes(),
        repeats: network.repeats,
        losses: network.losses,
        discarded: [...this.#cluster.containers.values()].reduce((sum, { discarded }) => sum + discarded, 0),
        acknowledgements: this.#wire.taken.size,
      },
      settledAfter: Math.round(settledAfter),
    };
  }

  // ---- what happens

  #faults(): Faults {
    const random = this.#random;
    if (random.chance(0.1)) return { ...NO_FAULTS, delay: 50 };
    return {
      loss: random.pick([0, 0.01, 0.05]),
      gap: random.pick([0, 0.01, 0.05]),
      breakage: random.pick([0, 0.005, 0.02]),
      repeat: random.pick([0, 0.05, 0.2]),
      delay: random.pick([5, 50, 500]),
    };
  }

  #arrangeJobs(): void {
    const count = 8 + this.#random.below(10);
    for (let i = 0; i < count; i++) {
      this.#cluster.clock.at(this.#random.between(0, FAULTS_MS - 20 * SECOND), () => this.#users.begin());
    }
  }

  #arrangeFaults(): void {
    const { clock } = this.#cluster;
    const pace = this.#random.pick([4, 10, 30]) * SECOND;
    const end = clock.now + FAULTS_MS - CALM_MS;
    const next = () => {
      if (clock.now >= end) return;
      this.#oneFault(end - clock.now);
      clock.at(this.#random.between(0, 2 * pace), next);
    };
    clock.at(this.#random.between(0, pace), next);
  }

  #oneFault(left: number): void {
    const random = this.#random;
    const { clock, network, nodes } = this.#cluster;
    const name = random.chance(0.25) ? ORCHESTRATOR : random.pick(nodes);
    const away = Math.min(left, random.pick([500, 5_000, 20_000, name === ORCHESTRATOR ? 20_000 : 120_000]));
    const kind = random.pick([
      'crash',
      'crash',
      'crash at commit',
      'crash at commit',
      'cut off',
      'engine away',
      'clock step',
      'other capacity',
    ]);
    this.#event(`fault: ${kind} ${name}`);
    if (kind === 'crash at commit') {
      return this.#cluster.crashAtCommit(name, random.below(random.pick([20, 100, 500])));
    }
    const ms = random.between(50, away);
    if (kind === 'clock step') {
      return this.#cluster.stepClock(ORCHESTRATOR, random.pick([2_000, 60_000, 3_600_000]));
    }
    if (kind === 'other capacity') this.#cluster.setCapacity(name, random.chance(0.5));
    if (kind === 'engine away') return this.#cluster.containers.get(name)?.goAway(ms);
    if (kind === 'cut off') return network.cutOff(name, ms);
    this.#cluster.crash(name);
    clock.at(ms, () => this.#cluster.start(name));
  }

  // ---- what has to be

  #allConnected(): boolean {
    const rows = this.#sessionRows();
    return rows.length === this.#nodes.size && rows.every(({ status }) => status === 'connected');
  }

  #sessionRows() {
    return this.#orchestrator.rows<{ node_id: string; status: string }>(
      'select node_id, status from node_sessions order by node_id',
    );
  }

  #sessions(): string {
    return `after ${CONNECTED_MS} ms the sessions are ${JSON.stringify(this.#sessionRows())}`;
  }

  async #settle(ms: number): Promise<void> {
    if (await this.#until(ms, () => this.#unsettled() === null)) return;
    const { invariant, text } = this.#unsettled()!;
    this.#fail(invariant, text);
  }

  /** What is not at its end yet. */
  #unsettled(): { readonly invariant: string; readonly text: string } | null {
    if (!this.#users.content) return { invariant: 'L1', text: 'a user still waits for an answer' };
    const owed = (invariant: string, where: string, file: Committed, sql: string) => {
      const rows = file.rows(sql);
      return rows.length === 0 ? null : { invariant, text: `${where}: ${JSON.stringify(rows.slice(0, 3))}` };
    };
    const orchestrator = this.#orchestrator;
    const ended = [...JOB_ENDED].map((state) => `'${state}'`).join(', ');
    const atOrchestrator =
      owed('L1', 'jobs', orchestrator, `select id, state from jobs where state not in (${ended})`) ??
        owed(
          'L1',
          'evaluations',
          orchestrator,
          'select job_id, triggered_by from evaluations',
        ) ??
        owed(
          'L5',
          'executions',
          orchestrator,
          `select id, node_id, phase from executions where phase not in
          ('stopped', 'rejected', 'refused', 'completed', 'failed', 'lost')`,
        ) ?? owed('L5', 'outbox', orchestrator, 'select node_id, execution_id, kind from outbox');
    if (atOrchestrator) return atOrchestrator;
    for (const [name, file] of this.#nodes) {
      const atNode = owed('L5', `outbox of ${name}`, file, 'select seq, execution_id, kind from outbox') ??
        owed('L5', `unconfirmed on ${name}`, file, 'select id, phase from executions where confirmed_at = 0');
      if (atNode) return atNode;
    }
    for (const [name, containers] of this.#cluster.containers) {
      const [left] = containers.names();
      if (left) return { invariant: 'L6', text: `${name} still has the container ${left}` };
    }
    const [program] = this.#cluster.hosts.alive();
    return program
      ? { invariant: 'L5', text: `${program.executionId} still runs on ${program.nodeId}` }
      : null;
  }

  /** L8: a settled state is a fixed point. */
  async #stayAtRest(): Promise<void> {
    // What the faults had made late comes first, and what has to follow from it; positions are saved a little later.
    await this.#until(LATE_MS + 30 * SECOND, () => false);
    await this.#settle(MINUTE);
    const before = this.#state();
    const messages = this.#wire.count;
    await this.#until(QUIET_MS, () => false);
    const after = this.#state();
    if (after !== before) {
      this.#fail('L8', `at rest, and yet there was a change: ${difference(before, after)}`);
    }
    if (this.#wire.count > messages) this.#fail('L8', 'at rest, and yet messages flow');
  }

  /** S7, all at once: everything that was ever taken comes again, in any order, and nothing follows from it. */
  async #sayAllAgain(): Promise<void> {
    const { clock, network, hosts } = this.#cluster;
    const before = this.#state();
    const programs = hosts.programs.length;
    this.#wire.replaying = true;
    for (const message of this.#wire.taken) {
      clock.at(this.#random.between(0, MINUTE), () => network.again(message));
    }
    await this.#until(3 * MINUTE, () => false);
    this.#wire.replaying = false;
    const after = this.#state();
    if (after !== before) {
      this.#fail('S7', `a repeated message changed something: ${difference(before, after)}`);
    }
    if (hosts.programs.length > programs) this.#fail('S7', 'a repeated message made a program start');
    const unsettled = this.#unsettled();
    if (unsettled) this.#fail('S7', `a repeated message left something to do: ${unsettled.text}`);
  }

  /** All that means something, as text: heartbeats and positions left out. */
  #state(): string {
    const tables = ['jobs', 'executions', 'history', 'evaluations', 'outbox'];
    const lines = tables.flatMap((table) =>
      text(`orchestrator ${table}`, this.#orchestrator, `select * from ${table}`)
    );
    for (const [name, file] of this.#nodes) {
      for (const table of ['executions', 'outbox', 'tombstones']) {
        lines.push(...text(`${name} ${table}`, file, `select * from ${table}`));
      }
    }
    return lines.join('\n');
  }

  /** Why executions ended otherwise than they should. */
  #codes(): Record<string, number> {
    const rows = this.#orchestrator.rows<{ code: string; count: number }>(
      `select code, count(*) as count from executions where code <> '' group by code order by code`,
    );
    return Object.fromEntries(rows.map(({ code, count }) => [code, count]));
  }

  #states(): Record<string, number> {
    const rows = this.#orchestrator.rows<{ state: string; count: number }>(
      'select state, count(*) as count from jobs group by state order by state',
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  }

  // ---- the machinery

  async #until(ms: number, done: () => boolean): Promise<boolean> {
    const { clock } = this.#cluster;
    const limit = clock.now + ms;
    const reached = await clock.run(limit, () => done(), () => {
      this.#steps++;
      this.#observer.look();
      const failure = this.#failure ?? this.#cluster.failure;
      if (failure) throw failure;
    });
    if (!reached) clock.now = limit;
    return reached;
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #event(what: string): void {
    if (this.#over) return;
    const line = `${(this.#cluster.clock.now / 1000).toFixed(3).padStart(9)} ${what}`;
    if (what.startsWith('crash ')) this.#crashes++;
    this.#hash.update(line);
    this.#recent.push(line);
    if (this.#recent.length > KEPT) this.#recent.shift();
    this.options.trace?.(line);
  }

  #fail(invariant: string, what: string): never {
    throw new Violation(invariant, what);
  }
}

function text(where: string, file: Committed, sql: string): string[] {
  // Nanoseconds exceed the integers that a number can hold: as text.
  const columns = file.rows<{ name: string }>(
    `select name from pragma_table_info('${sql.split(' ').at(-1)}')`,
  );
  const list = columns.map(({ name }) => `cast(${name} as text) as ${name}`).join(', ');
  return file.rows(`${sql.replace('*', list)} order by 1, 2`).map((row) => `${where} ${JSON.stringify(row)}`);
}

function difference(before: string, after: string): string {
  const old = new Set(before.split('\n'));
  const now = new Set(after.split('\n'));
  const gone = [...old].filter((line) => !now.has(line)).slice(0, 3);
  const come = [...now].filter((line) => !old.has(line)).slice(0, 3);
  return `\n- ${gone.join('\n- ')}\n+ ${come.join('\n+ ')}`;
}
