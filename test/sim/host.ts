/**
 * The hosts below the nodes: which programs really ran, seen from outside. Programs end with their node, as modules do.
 * The engine here runs what `Params` say: `{Ms, ExitCode, Fault}`.
 */
import type { Engine, EngineIdentity, Run, RunEnd, RunRequest } from '../../mod/engine/engine.ts';
import type { SimWorld } from './clock.ts';

interface Params {
  /** Length of the run. */
  readonly Ms?: number;
  readonly ExitCode?: number;
  /** Fails as the node's fault on these runs of the execution's node. */
  readonly Fault?: boolean;
}

export interface Program {
  readonly nodeId: string;
  readonly executionId: string;
  readonly runNo: number;
  starts: number;
  alive: boolean;
}

export class Hosts {
  readonly programs: Program[] = [];
  /** Called before an object comes into being; throws when no row told of it before (S12). */
  beforeCreate: (nodeId: string, request: RunRequest) => void = () => undefined;

  crash(nodeId: string): void {
    for (const program of this.programs) if (program.nodeId === nodeId) program.alive = false;
  }

  alive(): readonly Program[] {
    return this.programs.filter((program) => program.alive);
  }

  engine(nodeId: string, world: SimWorld): Engine {
    return {
      type: 'noop',
      available: () => Promise.resolve(null),
      check: () => Promise.resolve(null),
      find: (_identity: EngineIdentity) => Promise.resolve(null),
      close: () => Promise.resolve(),
      create: (request) => {
        this.beforeCreate(nodeId, request);
        const program: Program = {
          nodeId,
          executionId: request.executionId,
          runNo: request.runNo,
          starts: 0,
          alive: false,
        };
        this.programs.push(program);
        return Promise.resolve(simRun(program, request, world));
      },
    };
  }
}

function simRun(program: Program, request: RunRequest, world: SimWorld): Run {
  const params = (request.task.Engine?.Params ?? {}) as Params;
  let settle: (end: RunEnd) => void;
  const end = new Promise<RunEnd>((done) => settle = done);
  const finish = (result: RunEnd) => {
    program.alive = false;
    settle(result);
  };
  return {
    identity: { engine: 'noop', id: `${program.executionId}.${program.runNo}` },
    start: () => {
      program.starts++;
      program.alive = true;
      world.after(params.Ms ?? 10, () =>
        finish(
          params.Fault && world.random() < 0.5
            ? {
              kind: 'failed',
              code: 'EngineFault',
              message: 'the host failed',
              hint: 'try again',
              class: 'infrastructure',
            }
            : { kind: 'exited', exitCode: params.ExitCode ?? 0 },
        ));
      return Promise.resolve();
    },
    wait: () => end,
    stop: () => {
      finish({ kind: 'exited', exitCode: 137 });
      return Promise.resolve();
    },
    remove: () => {
      program.alive = false;
      return Promise.resolve();
    },
  };
}
