/** One run of a module: a process of the pool that waits, then works, then goes back or dies. */
import type { EngineIdentity, Run, RunEnd } from '../engine.ts';
import type { RunFrame } from '../../../runtime/wasi/frames.ts';
import type { ModuleProcess } from './child_process.ts';
import type { ProcessPool } from './pool.ts';

const STOPPED: RunEnd = Object.freeze({
  kind: 'failed',
  code: 'Stopped',
  message: 'The module was stopped',
  hint: 'It was stopped on request or by a limit of its job',
  class: 'user',
  exitCode: 137,
});

export class WasmRun implements Run {
  readonly identity: EngineIdentity;
  readonly #process: ModuleProcess;
  readonly #pool: ProcessPool;
  readonly #frame: RunFrame;
  readonly #end = Promise.withResolvers<RunEnd>();
  /** `held`: the process is ours and waits; `done`: it is not ours any more. */
  #state: 'held' | 'running' | 'stopping' | 'done' = 'held';

  constructor(process: ModuleProcess, pool: ProcessPool, frame: RunFrame) {
    this.#process = process;
    this.#pool = pool;
    this.#frame = frame;
    const { pid, startTime } = process;
    this.identity = Object.freeze({
      engine: 'wasm',
      id: String(pid),
      ...(startTime === null ? {} : { startTime }),
    });
  }

  start(): Promise<void> {
    if (this.#state !== 'held') {
      return Promise.reject(
        new Error(`Cannot start run "${this.identity.id}": it was started or stopped before`),
      );
    }
    this.#state = 'running';
    this.#process.run(this.#frame).then((frame) => {
      const stopped = this.#state === 'stopping';
      this.#state = 'done';
      if (frame) {
        this.#pool.give(this.#process, frame.reusable && !stopped);
        return frame.end;
      }
      return stopped ? STOPPED : this.#died();
    }).then(this.#end.resolve, this.#end.reject);
    return Promise.resolve();
  }

  wait(): Promise<RunEnd> {
    return this.#end.promise;
  }

  /** A module knows no polite end, so the grace is not used. Resolves when the process is gone. */
  async stop(_graceMs: number): Promise<void> {
    if (this.#state === 'held') {
      this.#state = 'done';
      this.#pool.give(this.#process, true);
      this.#end.resolve(STOPPED);
    } else if (this.#state !== 'done') {
      this.#state = 'stopping';
      await this.#process.kill();
      await this.#end.promise;
    }
  }

  remove(): Promise<void> {
    return this.stop(0);
  }

  async #died(): Promise<RunEnd> {
    await this.#process.kill();
    return {
      kind: 'failed',
      code: 'ProcessDied',
      message: `The process of module "${this.#frame.entryModule}" died (${this.#process.epitaph})`,
      hint: 'The node may be short of memory; limit the task by Resources.Memory',
      class: 'infrastructure',
    };
  }
}
