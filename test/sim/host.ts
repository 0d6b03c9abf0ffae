/**
 * The hosts below the nodes: which programs really ran, seen from outside. Those of the engine `noop` end with their node,
 * as modules do; those of `lasting` (`containers.ts`) outlive it.
 * The engine here runs what `Params` say; each of its calls takes a moment in which the node may die.
 */
import type { Engine, Run, RunEnd, RunRequest } from '../../mod/engine/engine.ts';
import { BacalhauError } from '../../mod/model/mod.ts';
import type { Publisher } from '../../mod/publisher/publisher.ts';
import type { SimWorld } from './clock.ts';

export interface Params {
  /** Length of the run. */
  readonly Ms?: number;
  readonly ExitCode?: number;
  /** Each step fails as the node's fault with this probability. */
  readonly Fault?: number;
}

export interface Program {
  readonly nodeId: string;
  readonly executionId: string;
  readonly runNo: number;
  readonly request: RunRequest;
  starts: number;
  alive: boolean;
  /** Does not end with its node. */
  readonly lasts: boolean;
  /** Exit code of a run that ended by itself. */
  exitCode: number | null;
}

export class Hosts {
  readonly programs: Program[] = [];
  /** Called before an object comes into being; throws when no row told of it before (S12). */
  beforeCreate: (nodeId: string, request: RunRequest) => void = () => undefined;
  /** Called when a node asks an engine to start a program; throws when it must not (S6). */
  beginning: (program: Program) => void = () => undefined;
  /** Called before a program is let go; throws when it must not be (S13). */
  beforeStart: (program: Program) => void = () => undefined;

  /** Called when a program has ended by itself, before its node knows. */
  onExit: (jobId: string) => void = () => undefined;

  crash(nodeId: string): void {
    for (const program of this.programs) {
      if (program.nodeId === nodeId && !program.lasts) program.alive = false;
    }
  }

  alive(): readonly Program[] {
    return this.programs.filter((program) => program.alive);
  }

  program(nodeId: string, request: RunRequest, lasts: boolean): Program {
    const { executionId, runNo } = request;
    const program = { nodeId, executionId, runNo, request, starts: 0, alive: false, lasts, exitCode: null };
    this.programs.push(program);
    return program;
  }

  engine(nodeId: string, world: SimWorld): Engine {
    return {
      type: 'noop',
      endsWithNode: true,
      available: () => Promise.resolve(null),
      check: () => Promise.resolve(null),
      find: () => Promise.resolve(null),
      close: () => Promise.resolve(),
      create: async (request) => {
        await moment(world);
        maybeFail(request, world);
        this.beforeCreate(nodeId, request);
        const program = this.program(nodeId, request, false);
        await moment(world);
        return simRun(program, request, world, this);
      },
    };
  }
}

/** Results go nowhere, but publishing them takes its time and may fail. */
export function simPublisher(world: SimWorld): Publisher {
  return {
    type: 'local',
    available: () => Promise.resolve(null),
    check: () => Promise.resolve(null),
    close: () => Promise.resolve(),
    publish: async ({ executionId }) => {
      await world.sleep(world.random() * 500);
      return { Type: 'local', Params: { Key: executionId } };
    },
  };
}

export const moment = (world: SimWorld) => world.sleep(world.random() * 20);

export function maybeFail({ task }: RunRequest, world: SimWorld): void {
  const { Fault } = (task.Engine?.Params ?? {}) as Params;
  if (Fault && world.random() < Fault) {
    throw new BacalhauError('EngineFault', 'the host failed', { retryable: true });
  }
}

function simRun(
  program: Program,
  request: RunRequest,
  world: SimWorld,
  hosts: Hosts,
): Run {
  const params = (request.task.Engine?.Params ?? {}) as Params;
  const { promise: end, resolve: settle } = Promise.withResolvers<RunEnd>();
  const finish = (result: RunEnd) => {
    program.alive = false;
    settle(result);
  };
  return {
    identity: { engine: 'noop', id: `${program.executionId}.${program.runNo}` },
    start: async () => {
      hosts.beginning(program);
      await moment(world);
      hosts.beforeStart(program);
      program.starts++;
      program.alive = true;
      world.after(params.Ms ?? 10, () => {
        if (!program.alive) return;
        if (params.Fault && world.random() < params.Fault) {
          const text = { code: 'EngineFault', message: 'the host failed', hint: 'try again' };
          return finish({ kind: 'failed', ...text, class: 'infrastructure' });
        }
        program.exitCode = params.ExitCode ?? 0;
        hosts.onExit(request.jobId);
        finish({ kind: 'exited', exitCode: program.exitCode });
      });
    },
    wait: () => end,
    stop: async () => {
      await moment(world);
      finish({ kind: 'exited', exitCode: 137 });
    },
    remove: async () => {
      await moment(world);
      program.alive = false;
    },
  };
}
