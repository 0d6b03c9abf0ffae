/**
 * A simulated container engine beside each node: what it holds outlives the node, and at times it does not answer. A leak
 * is seen at the end of a run (invariants.md L6).
 */
import type { Engine, EngineIdentity, Run, RunEnd, RunRequest } from '../../mod/engine/engine.ts';
import type { SimClock, SimWorld } from './clock.ts';
import { maybeFail, moment } from './host.ts';
import type { Hosts, Params, Program } from './host.ts';

interface Container {
  readonly id: string;
  readonly request: RunRequest;
  readonly program: Program;
  end: RunEnd | null;
  readonly ended: PromiseWithResolvers<void>;
}

/** A removal fails now and then, as of a container whose file system is still in use. */
const REMOVAL_FAILS = 0.05;

export class Containers {
  readonly #containers = new Map<string, Container>();
  #away = false;
  #number = 0;
  /** Removed because no execution owned them. */
  discarded = 0;

  constructor(readonly nodeId: string, readonly hosts: Hosts, readonly clock: SimClock) {}

  /** Names of all that there are. */
  names(): readonly string[] {
    return [...this.#containers.keys()];
  }

  /** Does not answer for so long; programs go on. */
  goAway(ms: number): void {
    this.#away = true;
    this.clock.at(ms, () => this.#away = false);
  }

  engine(world: SimWorld): Engine {
    const call = async () => {
      await moment(world);
      if (this.#away) throw new Error('the engine does not answer');
    };
    return {
      type: 'lasting',
      available: () => Promise.resolve(null),
      check: () => Promise.resolve(null),
      close: () => Promise.resolve(),
      create: async (request) => {
        await call();
        maybeFail(request, world);
        this.hosts.beforeCreate(this.nodeId, request);
        const name = nameOf(request);
        const old = this.#containers.get(name);
        // Of a try whose node died before it could note it (C5).
        if (old && old.program.starts === 0) this.#containers.delete(name);
        else if (old) throw new Error(`the container ${name} exists and was started`);
        const container: Container = {
          id: `c-${++this.#number}`,
          request,
          program: this.hosts.program(this.nodeId, request, true),
          end: null,
          ended: Promise.withResolvers(),
        };
        this.#containers.set(name, container);
        await call();
        return this.#run(container, call, world);
      },
      find: async (identity, request) => {
        await call();
        const container = this.#containers.get(nameOf(request));
        return container?.id === identity.id ? this.#run(container, call, world) : null;
      },
      objects: async () => {
        await call();
        return [...this.#containers.values()].map(({ id, request }) => ({
          kind: 'container',
          id,
          executionId: request.executionId,
          runNo: request.runNo,
        }));
      },
      discard: async ({ executionId, runNo }) => {
        await call();
        this.discarded++;
        this.#remove(nameOf({ executionId, runNo }));
      },
    };
  }

  #run(container: Container, call: () => Promise<void>, world: SimWorld): Run {
    const { program, request, ended } = container;
    const identity: EngineIdentity = { engine: 'lasting', id: container.id };
    return {
      identity,
      state: container.end ? 'ended' : program.starts > 0 ? 'running' : 'created',
      start: async () => {
        this.hosts.beginning(program);
        await call();
        this.hosts.beforeStart(program);
        program.starts++;
        program.alive = true;
        this.#arrangeEnd(container, world);
      },
      wait: async () => {
        await ended.promise;
        // Nobody hears of it on a node that is down.
        await moment(world);
        return container.end!;
      },
      stop: async () => {
        await call();
        this.#end(container, { kind: 'exited', exitCode: 137 });
      },
      remove: async () => {
        await call();
        if (world.random() < REMOVAL_FAILS) throw new Error('the container cannot be removed now');
        this.#remove(nameOf(request));
      },
    };
  }

  #arrangeEnd(container: Container, world: SimWorld): void {
    const { program, request } = container;
    const params = (request.task.Engine?.Params ?? {}) as Params;
    const fails = params.Fault !== undefined && world.random() < params.Fault;
    // The host's clock: the node may be gone by then.
    this.clock.at(params.Ms ?? 10, () => {
      if (!program.alive) return;
      if (fails) {
        const text = { code: 'EngineFault', message: 'the host failed', hint: 'try again' };
        return this.#end(container, { kind: 'failed', ...text, class: 'infrastructure' });
      }
      program.exitCode = params.ExitCode ?? 0;
      this.hosts.onExit(request.jobId);
      this.#end(container, { kind: 'exited', exitCode: program.exitCode });
    });
  }

  #end(container: Container, end: RunEnd): void {
    container.program.alive = false;
    container.end ??= end;
    container.ended.resolve();
  }

  #remove(name: string): void {
    const container = this.#containers.get(name);
    if (container) this.#end(container, { kind: 'exited', exitCode: 137 });
    this.#containers.delete(name);
  }
}

function nameOf({ executionId, runNo }: Pick<RunRequest, 'executionId' | 'runNo'>): string {
  return `${executionId}.${runNo}`;
}
