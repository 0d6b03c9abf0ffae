/**
 * Host ports of executions (job-spec.md 1.13, compute.md 9). A port has one owner, whatever address it is bound on, so
 * none belongs to two runs (invariants.md S10). A port that a job names is claimed with the bid: a second job that wants
 * it is refused and placed elsewhere instead of failing here. Others are chosen when the run begins, round-robin through
 * the range of the node, each tried on the host first. All are free again when the program has ended.
 */
import { EventTopic } from '../model/mod.ts';
import type { PortMapping, Refusal, StringMap, Task } from '../model/mod.ts';
import type { World } from '../../runtime/world.ts';
import { RunFailure } from './failure.ts';

/** Which ports of this host jobs may have. */
export interface PortOptions {
  /** Range of the ports that jobs do not name, both ends included. */
  readonly first: number;
  readonly last: number;
  /** Tries a port on an address of this host ('' = all); null = it is free, else the system's word for why not. */
  readonly bindFailure: (port: number, address: string) => Promise<string | null>;
}

/** A host on which nothing but jobs uses ports. */
export const UNSHARED_PORTS: PortOptions = Object.freeze({
  first: 20_000,
  last: 32_000,
  bindFailure: () => Promise.resolve(null),
});

const PUBLISHING: readonly string[] = ['Host', 'Full', 'Bridge'];

/** An engine may report the end of a program a moment before it lets go of the port. */
const SETTLE_MS = 5_000;
const SETTLE_STEP_MS = 50;

export class Ports {
  /** Port → execution that has it. */
  readonly #owners = new Map<number, string>();
  readonly #byExecution = new Map<string, Set<number>>();
  /** Executions that are being stopped. */
  readonly #leaving = new Map<string, PromiseWithResolvers<void>>();
  /** Port → when it was released, for as long as that matters. */
  readonly #released = new Map<number, number>();
  #next: number;

  constructor(readonly options: PortOptions, readonly world: World) {
    // Not always the first: several nodes may share a host.
    this.#next = options.first + Math.floor(world.random() * (options.last - options.first + 1));
  }

  /** The execution that has this port. */
  owner(port: number): string | undefined {
    return this.#owners.get(port);
  }

  /**
   * At bid time: takes the ports that the job names and says why the others cannot be had. What was taken belongs to the
   * execution until {@link release}, whatever becomes of the bid. One that belongs to an execution which is being stopped
   * is waited for until the signal is aborted.
   */
  async claim(id: string, task: Task, signal: AbortSignal): Promise<readonly Refusal[]> {
    const wanted = portsOf(task);
    const size = this.options.last - this.options.first + 1;
    const dynamic = wanted.filter((port) => !port.Static).length;
    const refusals = dynamic > size ? [tooMany(dynamic, size)] : [];
    const answers = await Promise.all(
      wanted.filter((port) => port.Static).map(async (port) => {
        const rival = await this.#rival(id, port.Static!, signal);
        if (rival !== null) return [takenBy(port.Static!, rival)];
        const why = await this.#settled(port.Static!, port.HostNetwork ?? '');
        return why === null ? [] : [notBindable(port, why)];
      }),
    );
    return [...refusals, ...answers.flat()];
  }

  /** The execution is being stopped: what it has is free soon. */
  leave(id: string): void {
    if (this.#byExecution.has(id) && !this.#leaving.has(id)) {
      this.#leaving.set(id, Promise.withResolvers());
    }
  }

  /**
   * When the run begins: a host port for each mapping.
   * @throws RunFailure of the infrastructure when one cannot be had; what was taken is freed by {@link release}
   */
  async assign(id: string, task: Task): Promise<readonly PortMapping[]> {
    const isBridge = task.Network?.Type === 'Bridge';
    const given: PortMapping[] = [];
    for (const port of portsOf(task)) {
      const Static = port.Static ? await this.#named(id, port) : await this.#anyFree(id, port);
      given.push(Object.freeze({ ...port, Static, ...(isBridge ? { Target: port.Target || Static } : {}) }));
    }
    return Object.freeze(given);
  }

  /** After a restart: what its row says, without a try, since its program may have the ports bound. */
  hold(id: string, ports: readonly PortMapping[]): void {
    for (const { Static } of ports) if (Static) this.#take(id, Static);
  }

  /** Idempotent. */
  release(id: string): void {
    const now = this.world.elapsed();
    for (const [port, at] of this.#released) if (now - at > SETTLE_MS) this.#released.delete(port);
    for (const port of this.#byExecution.get(id) ?? []) {
      this.#owners.delete(port);
      this.#released.set(port, now);
    }
    this.#byExecution.delete(id);
    this.#leaving.get(id)?.resolve();
    this.#leaving.delete(id);
  }

  /** Takes the port. @returns null, or the execution that keeps it */
  async #rival(id: string, port: number, signal: AbortSignal): Promise<string | null> {
    const given = Promise.withResolvers<void>();
    const giveUp = () => given.resolve();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      while (!this.#take(id, port)) {
        const owner = this.#owners.get(port)!;
        const leaving = this.#leaving.get(owner);
        if (!leaving || signal.aborted) return owner;
        await Promise.race([leaving.promise, given.promise]);
      }
      return null;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #take(id: string, port: number): boolean {
    const owner = this.#owners.get(port);
    if (owner !== undefined) return owner === id;
    this.#owners.set(port, id);
    const own = this.#byExecution.get(id) ?? new Set();
    this.#byExecution.set(id, own.add(port));
    return true;
  }

  async #named(id: string, port: PortMapping): Promise<number> {
    const wanted = port.Static!;
    if (!this.#take(id, wanted)) throw failure(takenBy(wanted, this.#owners.get(wanted)!));
    const why = await this.#settled(wanted, port.HostNetwork ?? '');
    if (why !== null) throw failure(notBindable(port, why));
    return wanted;
  }

  async #anyFree(id: string, port: PortMapping): Promise<number> {
    const { first, last, bindFailure } = this.options;
    for (let tries = last - first + 1; tries > 0; tries--) {
      const candidate = this.#next;
      this.#next = candidate === last ? first : candidate + 1;
      if (this.#owners.has(candidate)) continue;
      // Taken before it is tried: another run that begins now must not try it, too.
      this.#take(id, candidate);
      const why = await bindFailure(candidate, port.HostNetwork ?? '');
      if (why === null) return candidate;
      this.#owners.delete(candidate);
      this.#byExecution.get(id)?.delete(candidate);
      if (why === NO_SUCH_ADDRESS) throw failure(notBindable(port, why));
    }
    throw failure({
      code: 'NoPortFree',
      reason: `this node has no port left for "${port.Name}" between ${first} and ${last}`,
      hint: 'Widen Compute.Network.PortRangeStart and PortRangeEnd of the node',
      retryable: true,
    });
  }

  /** As the host answers; a port that was released just now may take a moment. */
  async #settled(port: number, address: string): Promise<string | null> {
    for (;;) {
      const why = await this.options.bindFailure(port, address);
      const released = this.#released.get(port);
      const isSettling = released !== undefined && this.world.elapsed() - released < SETTLE_MS;
      if (why === null || why === NO_SUCH_ADDRESS || !isSettling) return why;
      await this.world.sleep(SETTLE_STEP_MS);
    }
  }
}

/** What a run has to publish; networks of other types have no ports, as validation says. */
export function portsOf(task: Task): readonly PortMapping[] {
  const { Type = 'Default', Ports: ports = [] } = task.Network ?? {};
  return PUBLISHING.includes(Type) ? ports ?? [] : [];
}

/** Variables that tell a program its ports: on the host, and where it is to listen if that is another. */
export function portEnvironment(ports: readonly PortMapping[]): StringMap {
  const env: Record<string, string> = {};
  for (const { Name, Static, Target } of ports) {
    if (Static) env[`BACALHAU_HOST_PORT_${Name}`] = String(Static);
    if (Target) env[`BACALHAU_PORT_${Name}`] = String(Target);
  }
  return env;
}

/** For the history: `http: 20000 → 80`. */
export function describePorts(ports: readonly PortMapping[]): string {
  return ports.map(({ Name, Static, Target, HostNetwork }) => {
    const host = HostNetwork ? `${HostNetwork.includes(':') ? `[${HostNetwork}]` : HostNetwork}:` : '';
    return `${Name}: ${host}${Static}${Target ? ` → ${Target}` : ''}`;
  }).join(', ');
}

const NO_SUCH_ADDRESS = 'EADDRNOTAVAIL';

function tooMany(wanted: number, size: number): Refusal {
  return {
    code: 'TooManyPorts',
    reason: `this node has ${size} ports for jobs, and the job asks for ${wanted}`,
    hint: 'Ask for fewer ports, or widen Compute.Network.PortRangeStart and PortRangeEnd of the node',
    retryable: false,
  };
}

function takenBy(port: number, owner: string): Refusal {
  return {
    code: 'PortTaken',
    reason: `this node has given port ${port} to execution "${owner}"`,
    hint:
      'Name another port, leave Static out to be given a free one, or wait until that execution has ended',
    retryable: true,
  };
}

function notBindable({ Name, Static, HostNetwork }: PortMapping, why: string): Refusal {
  if (why === NO_SUCH_ADDRESS) {
    return {
      code: 'NoSuchAddress',
      reason:
        `this node does not have the address "${HostNetwork}" that port "${Name}" is to be published on`,
      hint: 'Leave HostNetwork out to publish the port on all addresses of the node',
      retryable: false,
    };
  }
  return {
    code: 'PortInUse',
    reason: `this node cannot publish port ${Static} ("${Name}"): another program has it (${why})`,
    hint: 'Name another port, or leave Static out to be given a free one',
    retryable: true,
  };
}

function failure(refusal: Refusal): RunFailure {
  return new RunFailure({
    topic: EventTopic.PreparingEnvironment,
    class: 'infrastructure',
    code: refusal.code,
    message: `Cannot publish the ports of the task: ${refusal.reason}`,
    hint: refusal.hint,
  });
}
