/**
 * The all-knowing observer of invariants.md section 3: looks at what is committed on all sides after each step, at what
 * the hosts run, and at each acknowledgement as it leaves. Throws a {@link Violation} that names the invariant.
 */
import type { Committed } from './committed.ts';
import type { Hosts, Program } from './host.ts';
import type { RunRequest } from '../../mod/engine/engine.ts';
import { addResources, exceeding } from '../../mod/model/mod.ts';
import type { Resources } from '../../mod/model/mod.ts';
import { COMPUTE_LATER, JOB_ENDED, LIVE, ORCHESTRATOR_LATER } from './tables.ts';
import { Epochs } from './epochs.ts';
import { RETENTION_MS } from './settings.ts';
import { Silence } from './silence.ts';
import { Stops } from './stops.ts';
import { type Placed, Usage } from './usage.ts';
import { Violation } from './violation.ts';
import { Waiting } from './waiting.ts';

interface ExecutionRow {
  readonly id: string;
  readonly job_id: string;
  readonly version: number;
  readonly slot: string;
  readonly attempt: number;
  readonly node_id: string;
  readonly phase: string;
  readonly counted: number;
  /** Of the node's last report that was applied. */
  readonly node_rev: number;
  readonly code: string;
}

interface NodeRow {
  readonly id: string;
  readonly phase: string;
  readonly run_no: number;
  /** Seconds since the epoch; 0 = not confirmed. */
  readonly confirmed: number;
}

/** What a node has held; `gone` once its row was removed. */
interface OnNode {
  readonly node: string;
  row: NodeRow;
  gone: boolean;
}

/** What the observer knows of the world, being above it. */
interface World {
  /** ms since the start */
  now(): number;
  /** Since the epoch. */
  seconds(): number;
  capacityOf(node: string): Resources;
}

/** A job whose submit was answered. */
interface Answered {
  readonly name: string;
  readonly body: string;
}

export class Observer {
  readonly #executions = new Map<string, ExecutionRow>();
  readonly #onNodes = new Map<string, OnNode>();
  readonly #counted = new Map<string, string>();
  readonly #attempts = new Map<string, number>();
  readonly #jobs = new Map<string, { version: number; state: string }>();
  readonly #answered = new Map<string, Answered>();
  #historyAfter = 0;
  readonly #events = new Set<string>();
  /** How often what was seen, so that a test can tell whether the faults had any bite. */
  readonly seen = new Map<string, number>();
  trace: (what: string) => void = () => undefined;
  readonly stops: Stops;
  readonly silence: Silence;
  readonly #usage: Usage;
  readonly #waiting: Waiting;

  constructor(
    readonly orchestrator: Committed,
    readonly nodes: ReadonlyMap<string, Committed>,
    readonly hosts: Hosts,
    readonly world: World,
    readonly epochs: Epochs,
  ) {
    this.stops = new Stops(orchestrator, nodes);
    this.silence = new Silence(world.now);
    this.#usage = new Usage(orchestrator);
    this.#waiting = new Waiting(orchestrator, this.#usage, world.now);
    hosts.beginning = (program) => {
      if (this.stops.beginning(program)) this.#see('begun before its cancel came');
    };
    hosts.beforeCreate = (nodeId, request) => this.#beforeCreate(nodeId, request);
    hosts.beforeStart = (program) => this.#beforeStart(program);
  }

  /** After each step of the simulation. */
  look(): void {
    if (this.orchestrator.changed()) this.#lookAtOrchestrator();
    for (const [node, file] of this.nodes) if (file.changed()) this.#lookAtNode(node, file);
    this.#waiting.check();
    this.silence.settle();
  }

  /** The orchestrator's process starts or ends. */
  orchestratorIs(up: boolean): void {
    this.silence.orchestrator(up);
    this.#waiting.orchestratorIs(up);
  }

  /** Whether the node has held the execution, or still does. */
  hasHeld(node: string, executionId: string): boolean {
    return this.#onNodes.get(executionId)?.node === node;
  }

  /** A submit was answered: from now on the job has to be there as it is (S1). */
  answered(id: string, name: string): void {
    const [row] = this.orchestrator.rows<{ name: string; body: string }>(
      `select name, body from jobs join job_versions on job_id = id and job_versions.version = 1 where id = ?`,
      id,
    );
    if (!row || row.name !== name) {
      throw new Violation('S1', `submit of "${name}" was answered with ${id}, which is not stored`);
    }
    const known = this.#answered.get(id);
    if (!known) this.#answered.set(id, row);
  }

  checkAnswered(): void {
    for (const [id, { name, body }] of this.#answered) {
      const rows = this.orchestrator.rows<{ version: number; body: string }>(
        `select jobs.version, body from jobs join job_versions on job_id = id and job_versions.version = 1
          where id = ? and name = ?`,
        id,
        name,
      );
      if (rows.length !== 1) throw new Violation('S1', `job ${id} ("${name}") was answered and is gone`);
      if (rows[0]!.version !== 1) throw new Violation('S1', `job ${id} became version ${rows[0]!.version}`);
      if (rows[0]!.body !== body) throw new Violation('S1', `the spec of job ${id} has changed`);
    }
  }

  /** What a started program left is kept whatever ended it: its exit code, and results where it is to publish some. */
  checkRemains(): void {
    const rows = this.orchestrator.rows<
      {
        id: string;
        phase: string;
        run_output: string | null;
        published: string | null;
        publisher: string | null;
      }
    >(
      `select executions.id, phase, run_output, published,
          json_extract(body, '$.Tasks[0].Publisher.Type') as publisher
        from executions join job_versions
          on job_versions.job_id = executions.job_id and job_versions.version = executions.version
        where phase in ('failed', 'stopped', 'completed')`,
    );
    for (const { id, phase, run_output, published, publisher } of rows) {
      const held = this.#onNodes.get(id)?.row;
      const last = this.hosts.programs.findLast((ran) => ran.executionId === id);
      // A run that never began again after a restart has nothing to keep.
      if (!held || !last || last.starts === 0 || last.runNo !== held.run_no) continue;
      if (!run_output) throw new Violation('S14', `${id} is ${phase} and nothing of its output was kept`);
      if (publisher && !published) {
        throw new Violation('S14', `${id} is ${phase} and its results were not kept`);
      }
      if (phase !== 'completed') this.#see(`kept of ${phase}`);
    }
  }

  #see(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  #lookAtOrchestrator(): void {
    const rows = this.orchestrator.rows<ExecutionRow>(
      'select id, job_id, version, slot, attempt, node_id, phase, counted, node_rev, code from executions order by attempt',
    );
    const live = new Map<string, string>();
    const placed: Placed[] = [];
    for (const row of rows) {
      const before = this.#executions.get(row.id);
      if (!before) placed.push(row);
      const slot = `${row.job_id}/${row.version}/${row.slot}`;
      this.#sameExecution(row, before, slot);
      if (LIVE.has(row.phase)) {
        const other = live.get(slot);
        if (other) throw new Violation('S3', `${row.id} and ${other} are both live for slot ${slot}`);
        live.set(slot, row.id);
      }
      this.#count(row, before, slot);
      this.#executions.set(row.id, row);
    }
    this.#lookAtJobs(rows);
    this.#lookAtHistory();
    this.epochs.look();
    this.#usage.look(rows, placed);
    if (this.#waiting.look() > 0) this.#see('looks at who waits');
    if (this.#answered.size > 0) this.checkAnswered();
  }

  #sameExecution(row: ExecutionRow, before: ExecutionRow | undefined, slot: string): void {
    if (!before) {
      this.stops.placed(row.job_id, row.id);
      if (row.attempt > 1) this.#see('attempted again');
      if (row.attempt <= (this.#attempts.get(slot) ?? 0)) {
        throw new Violation('S3', `the attempts of ${slot} shrank`);
      }
      this.#attempts.set(slot, row.attempt);
      const held = this.#onNodes.get(row.id);
      if (held && held.node !== row.node_id) {
        throw new Violation('S3', `${row.id} is placed on ${row.node_id} and held by ${held.node}`);
      }
      return this.trace(`${row.id} ${slot} on ${row.node_id}: ${row.phase}`);
    }
    if (before.node_id !== row.node_id || before.slot !== row.slot || before.attempt !== row.attempt) {
      throw new Violation(
        'S3',
        `${row.id} moved from ${before.node_id} ${before.slot} to ${row.node_id} ${slot}`,
      );
    }
    if (row.node_rev < before.node_rev) {
      throw new Violation(
        'S7',
        `an older report of ${row.id} was applied: ${row.node_rev} after ${before.node_rev}`,
      );
    }
    if (before.phase === row.phase) return;
    this.trace(`${row.id} ${slot} on ${row.node_id}: ${before.phase} → ${row.phase}`);
    this.#see(row.phase);
    this.silence.changed(row.id, row.node_id, before.phase, row.phase);
    if (before.phase === 'unknown' && LIVE.has(row.phase)) this.#see('adopted');
    // Disks are safe here: what a node has acknowledged it still knows.
    if (row.code === 'ExecutionForgotten') {
      throw new Violation('S8', `${row.node_id} has forgotten ${row.id}`);
    }
    if (!ORCHESTRATOR_LATER.get(before.phase)!.has(row.phase)) {
      throw new Violation('S5', `${row.id} went from ${before.phase} to ${row.phase} at the orchestrator`);
    }
  }

  #count(row: ExecutionRow, before: ExecutionRow | undefined, slot: string): void {
    const counted = this.#counted.get(slot);
    if (!row.counted) {
      if (counted === row.id) {
        throw new Violation('S2', `${row.id} was counted for ${slot} and is not any more`);
      }
      return;
    }
    if (counted === row.id) return;
    if (counted) throw new Violation('S2', `${slot} counts ${row.id}, having counted ${counted}`);
    if (before && !LIVE.has(before.phase)) {
      throw new Violation('S4', `${row.id} was counted though it was ${before.phase}`);
    }
    if (row.phase !== 'completed') {
      throw new Violation('S4', `${row.id} was counted though it is ${row.phase}`);
    }
    const program = this.hosts.programs.find((ran) => ran.executionId === row.id && ran.exitCode === 0);
    if (!program) throw new Violation('S4', `${row.id} was counted and no program of it has ended well`);
    this.#counted.set(slot, row.id);
  }

  #lookAtJobs(executions: readonly ExecutionRow[]): void {
    const jobs = this.orchestrator.rows<{ id: string; version: number; state: string; count: number }>(
      `select id, jobs.version, jobs.state, json_extract(body, '$.Count') as count
        from jobs join job_versions on job_id = id and job_versions.version = jobs.version`,
    );
    for (const { id, version, state, count } of jobs) {
      const before = this.#jobs.get(id);
      if (before?.state === state && before.version === version) continue;
      this.trace(`job ${id} v${version}: ${before?.state ?? ''} → ${state}`);
      if (before && version < before.version) {
        throw new Violation('S5', `job ${id} went back to version ${version}`);
      }
      if (before && version === before.version && JOB_ENDED.has(before.state)) {
        throw new Violation('S5', `job ${id} went from ${before.state} to ${state}`);
      }
      this.#jobs.set(id, { version, state });
      if (state !== 'Completed') continue;
      const done = executions.filter((row) => row.job_id === id && row.version === version && row.counted);
      if (done.length !== count) {
        throw new Violation('S2', `job ${id} is Completed with ${done.length} of ${count} slots counted`);
      }
    }
  }

  /** Whatever is said twice has the same event, its time included (S7). */
  #lookAtHistory(): void {
    const rows = this.orchestrator.rows<{ rowid: number; execution_id: string; event: string }>(
      `select rowid, execution_id, event from history where rowid > ? and execution_id <> '' order by rowid`,
      this.#historyAfter,
    );
    for (const { rowid, execution_id, event } of rows) {
      this.#historyAfter = rowid;
      const key = `${execution_id} ${event}`;
      if (this.#events.has(key)) {
        throw new Violation('S7', `the history of ${execution_id} has twice ${event}`);
      }
      this.#events.add(key);
    }
  }

  #lookAtNode(node: string, file: Committed): void {
    const rows = file.rows<NodeRow>(
      'select id, phase, run_no, confirmed_at / 1000000000 as confirmed from executions',
    );
    this.#lookAtRemoved(node, new Set(rows.map(({ id }) => id)));
    for (const row of rows) {
      const known = this.#onNodes.get(row.id);
      if (known && known.node !== node) {
        throw new Violation('S3', `${row.id} is on ${known.node} and ${node}`);
      }
      const placed = this.#executions.get(row.id);
      if (placed && placed.node_id !== node) {
        throw new Violation('S3', `${row.id} of ${placed.node_id} is on ${node}`);
      }
      if (!known) this.#onNodes.set(row.id, { node, row, gone: false });
      else if (known.gone) throw new Violation('S16', `${node} has ${row.id} again, which it has removed`);
      else {
        const before = known.row;
        known.row = row;
        if (before.phase === row.phase && before.run_no === row.run_no) continue;
        if (row.run_no > before.run_no) this.#see('run again');
        if (row.run_no < before.run_no) throw new Violation('S5', `the run number of ${row.id} shrank`);
        if (before.phase !== row.phase && !COMPUTE_LATER.get(before.phase)!.has(row.phase)) {
          throw new Violation('S5', `${row.id} went from ${before.phase} to ${row.phase} on ${node}`);
        }
      }
      this.trace(`${node} ${row.id}.${row.run_no}: ${row.phase}`);
    }
  }

  /** S14: a row goes when it is confirmed and past its retention. */
  #lookAtRemoved(node: string, there: ReadonlySet<string>): void {
    for (const [id, known] of this.#onNodes) {
      if (known.node !== node || known.gone || there.has(id)) continue;
      known.gone = true;
      this.#see('removed from its node');
      const kept = this.world.seconds() - known.row.confirmed;
      if (known.row.confirmed > 0 && kept >= RETENTION_MS / 1000 - 2) continue;
      throw new Violation(
        'S14',
        `${node} has removed ${id}, confirmed at ${known.row.confirmed}, after ${kept} s`,
      );
    }
  }

  #beforeCreate(nodeId: string, { executionId, runNo }: RunRequest): void {
    if (this.#onNodes.get(executionId)?.gone) {
      throw new Violation('S16', `${nodeId} runs ${executionId} again, which it has removed`);
    }
    const [row] = this.nodes.get(nodeId)!.rows<NodeRow>(
      'select id, phase, run_no from executions where id = ?',
      executionId,
    );
    const intended = row && row.run_no === runNo && ['queued', 'preparing'].includes(row.phase);
    // A cancel may be committed while the object is being made; the row is older all the same.
    if (!intended && row?.phase !== 'cancelling') {
      throw new Violation(
        'S12',
        `${nodeId} makes an object for run ${runNo} of ${executionId}, whose row is ${JSON.stringify(row)}`,
      );
    }
  }

  #beforeStart(program: Program): void {
    const { nodeId, executionId, runNo, starts } = program;
    const others = this.hosts.programs.filter((other) =>
      other.executionId === executionId && other.runNo === runNo && other.starts > 0
    );
    if (starts > 0 || others.length > 0) {
      throw new Violation('S13', `run ${runNo} of ${executionId} is started again on ${nodeId}`);
    }
    const [row] = this.nodes.get(nodeId)!.rows<{ identity: string }>(
      'select identity from executions where id = ?',
      executionId,
    );
    if (!row || row.identity === '') {
      throw new Violation(
        'S12',
        `${nodeId} starts run ${runNo} of ${executionId} before its identity is stored`,
      );
    }
    this.#shares(program);
  }

  /** What runs on a node fits into it, and no device or port belongs to two (S10). */
  #shares({ nodeId, executionId, request }: Program): void {
    let used = request.resources;
    for (const other of this.hosts.alive()) {
      if (other.nodeId !== nodeId) continue;
      used = addResources(used, other.request.resources);
      const ports = portsOf(other.request);
      const both = portsOf(request).find((port) => ports.includes(port));
      if (both === undefined) continue;
      throw new Violation('S10', `${other.executionId} and ${executionId} have port ${both} on ${nodeId}`);
    }
    const over = exceeding(used, this.world.capacityOf(nodeId));
    if (over.length > 0) {
      throw new Violation('S10', `${executionId} exceeds ${over.join(', ')} of ${nodeId}`);
    }
    if ((used.GPU ?? 0) !== (used.GPUs?.length ?? 0)) {
      throw new Violation('S10', `${executionId} shares a device on ${nodeId}`);
    }
    if (portsOf(request).length > 0) this.#see('with ports');
    if (request.resources.GPUs) this.#see('with devices');
  }
}

function portsOf({ ports = [] }: RunRequest): readonly number[] {
  return ports.map(({ Static }) => Static!);
}
