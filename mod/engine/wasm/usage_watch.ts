/**
 * What a run takes of its process, looked at from outside (Linux): processor time, which the system would count over all
 * runs of the process; and all of its memory, since a guest makes the engine take some beside its own: tables, objects
 * of its garbage collector, compiled code.
 */
import type { World } from '../../../runtime/world.ts';
import type { RunEnd } from '../engine.ts';
import type { ModuleProcess } from './child_process.ts';

export interface UsageLimits {
  /** Milliseconds of processor time; 0 = no limit. */
  readonly cpuMs: number;
  /** Bytes of the guest's own memory; growth beyond it fails inside the guest. */
  readonly memory: number;
}

/** Between two looks at the processor time, at least. */
const CPU_STEP_MS = 50;
const MEMORY_STEP_MS = 250;

/** Bytes beside the guest's own memory and what a process has from its start. */
const HEADROOM = 512 * 2 ** 20;

const STOPPED_EXIT = 137;

/** Calls `exceeded` at most once, with what the run has come to. */
export class UsageWatch implements Disposable {
  readonly #timers = new Set<Disposable>();

  constructor(
    readonly world: World,
    readonly process: ModuleProcess,
    readonly module: string,
    readonly limits: UsageLimits,
    readonly exceeded: (end: RunEnd) => void,
  ) {
    const { cpuMs } = process;
    if (limits.cpuMs > 0 && cpuMs !== null) this.#watchCpu(cpuMs);
    if (process.memoryAtStart > 0) this.#watchMemory(process.memoryAtStart + limits.memory + HEADROOM);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) timer[Symbol.dispose]();
    this.#timers.clear();
  }

  #watchCpu(before: number): void {
    const { cpuMs } = this.limits;
    const used = (this.process.cpuMs ?? before) - before;
    if (used >= cpuMs) return this.#end(cpuLimit(this.module, cpuMs));
    // Compilers run beside the module, on threads of their own: time may pass faster there than here.
    this.#later(Math.max(CPU_STEP_MS, (cpuMs - used) / 2), () => this.#watchCpu(before));
  }

  #watchMemory(most: number): void {
    this.#later(MEMORY_STEP_MS, () => {
      const used = this.process.memory ?? 0;
      if (used > most) this.#end(memoryLimit(this.module, used, this.limits.memory));
      else this.#watchMemory(most);
    });
  }

  #later(ms: number, step: () => void): void {
    const timer = this.world.after(ms, () => {
      this.#timers.delete(timer);
      step();
    });
    this.#timers.add(timer);
  }

  #end(end: RunEnd): void {
    this[Symbol.dispose]();
    this.exceeded(end);
  }
}

function cpuLimit(module: string, limit: number): RunEnd {
  return {
    kind: 'failed',
    code: 'CpuTimeLimit',
    message: `Module "${module}" was stopped: it used ${
      limit / 1000
    } s of processor time, all that it may use`,
    hint: 'Let the program do less at a time; the limit is Engines.Types.WASM.MaxCPUTime of the node',
    class: 'timeout',
    exitCode: STOPPED_EXIT,
  };
}

function memoryLimit(module: string, used: number, limit: number): RunEnd {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  return {
    kind: 'failed',
    code: 'MemoryLimit',
    message: `Module "${module}" was stopped: its process had come to ${mebibytes(used)} of memory, ` +
      `${mebibytes(limit)} for the module and ${mebibytes(HEADROOM)} for all else that it needs`,
    hint: 'Use smaller tables and fewer objects, or ask for more by Resources.Memory of the task',
    class: 'user',
    exitCode: STOPPED_EXIT,
  };
}
