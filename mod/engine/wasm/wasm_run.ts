/** One run of a module: a process of the pool that waits, then works, then goes back or dies. */
import type { EngineIdentity, Run, RunEnd } from '../engine.ts';
import type { HeldMounts } from '../mounts.ts';
import type { RunFrame } from '../../../runtime/wasi/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { ModuleProcess } from './child_process.ts';
import type { RunHttp } from './http_run.ts';
import type { ProcessPool } from './pool.ts';
import { UsageWatch } from './usage_watch.ts';

const STOPPED: RunEnd = Object.freeze({
  kind: 'failed',
  code: 'Stopped',
  message: 'The module was stopped',
  hint: 'It was stopped on request or by a limit of its job',
  class: 'user',
  exitCode: 137,
});

export interface WasmRunOptions {
  readonly world: World;
  /** Milliseconds of processor time; 0 = no limit. */
  readonly cpuMs: number;
  /** Its part of the processors while they are short; 0 = one. */
  readonly cpus: number;
  /** Bytes that the module may grow to. */
  readonly memory: number;
  /** Null for a task without network. */
  readonly http: RunHttp | null;
  /** The run's own from now on. */
  readonly mounts: HeldMounts;
}

export class WasmRun implements Run {
  readonly identity: EngineIdentity;
  readonly #process: ModuleProcess;
  readonly #pool: ProcessPool;
  readonly #frame: RunFrame;
  readonly #options: WasmRunOptions;
  readonly #end = Promise.withResolvers<RunEnd>();
  /** `held`: the process is ours and waits; `done`: it is not ours any more. */
  #state: 'held' | 'running' | 'stopping' | 'done' = 'held';
  /** Why the process is being killed. */
  #verdict = STOPPED;
  #watch: Disposable | null = null;

  constructor(process: ModuleProcess, pool: ProcessPool, frame: RunFrame, options: WasmRunOptions) {
    this.#options = options;
    const release = () => options.mounts[Symbol.dispose]();
    this.#end.promise.then(release, release);
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
    try {
      this.#options.mounts.check();
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    this.#state = 'running';
    const { world, cpuMs, cpus, memory, http } = this.#options;
    this.#process.share.set(cpus || 1);
    const { entryModule } = this.#frame;
    this.#watch = new UsageWatch(
      world,
      this.#process,
      entryModule,
      { cpuMs, memory },
      (end) => this.#abandon(end),
    );
    http?.fault.then((error) => this.#abandon(unrecorded(entryModule, error)));
    this.#process.run(this.#frame, http).then(async (frame) => {
      this.#watch?.[Symbol.dispose]();
      const stopped = this.#state === 'stopping';
      this.#state = 'done';
      if (frame) this.#pool.give(this.#process, frame.reusable && !stopped);
      await http?.close();
      if (frame) return frame.end;
      return stopped ? this.#verdict : await this.#died();
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

  memory(): number {
    return this.#state === 'running' ? this.#process.memory ?? 0 : 0;
  }

  remove(): Promise<void> {
    return this.stop(0);
  }

  #abandon(verdict: RunEnd): void {
    this.#verdict = verdict;
    this.stop(0).catch(this.#end.reject);
  }

  async #died(): Promise<RunEnd> {
    await this.#process.kill();
    const { signal, epitaph } = this.#process;
    const module = `"${this.#frame.entryModule}"`;
    if (signal === 'SIGXFSZ') {
      return {
        kind: 'failed',
        code: 'FileSizeLimit',
        message: `Module ${module} wrote a file beyond the limit of its process`,
        hint: 'Write several smaller files; the limit is Engines.Types.WASM.MaxFileSize of the node',
        class: 'user',
      };
    }
    return {
      kind: 'failed',
      code: 'ProcessDied',
      message: `The process of module ${module} died (${epitaph})`,
      hint: signal === 'SIGKILL'
        ? 'Somebody killed it, most likely the system for want of memory; limit modules by Resources.Memory'
        : 'This is a fault of the node or of its WebAssembly engine, not of the job; nothing else was touched',
      class: 'infrastructure',
    };
  }
}

function unrecorded(module: string, error: unknown): RunEnd {
  return {
    kind: 'failed',
    code: 'DecisionLogFailed',
    message: `Module "${module}" was stopped: its requests cannot be recorded (${(error as Error).message})`,
    hint: 'See whether the disk of the node is full',
    class: 'infrastructure',
  };
}
