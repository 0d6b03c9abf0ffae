/**
 * Warm module processes. One is started in the background, more while there is work for them, and all but the warm ones
 * go when they were idle for a while (each holds some 35 MB). When none is idle and none comes back for longer than short
 * modules take, another is started: so a long run, or one that is killed with its process, keeps nobody waiting.
 *
 * `size` bounds the pool softly: a run that found no process free within {@link PATIENCE_MS} gets one beyond it. So a
 * burst of short modules is served by as many processes as there are cores, and a few long ones do not keep others
 * out; how much runs at once is the node's capacity, not ours.
 */
import type { World } from '../../../runtime/world.ts';
import { ModuleProcess } from './child_process.ts';

const PATIENCE_MS = 25;
const START_TIMEOUT_MS = 15_000;
const SPARE_MS = 100;

export interface PoolOptions {
  readonly world: World;
  readonly command: readonly string[];
  /** What the command starts, for people. */
  readonly name: string;
  /** Working directory of the processes; exists and stays empty. */
  readonly directory: string;
  readonly size: number;
  /** Processes that are kept however long they are idle. */
  readonly warm: number;
  /** Idle milliseconds after which the others go. */
  readonly idleMs: number;
  /** A process serves one run only. */
  readonly oneShot: boolean;
}

interface Waiter {
  resolve(process: ModuleProcess): void;
  reject(error: unknown): void;
}

export class ProcessPool {
  readonly #options: PoolOptions;
  readonly #all = new Set<ModuleProcess>();
  /** Least recently used first; work goes to the last. */
  readonly #idle: { process: ModuleProcess; since: number }[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #abort = new AbortController();
  #starting = 0;
  #patience: Disposable | null = null;
  #shrink: Disposable | null = null;
  #spare: Disposable | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    for (let index = 0; index < options.warm; index++) this.#start();
  }

  /** Processes that exist or are being started. */
  get count(): number {
    return this.#all.size + this.#starting;
  }

  /** Whether this process is one of ours and alive. */
  owns(pid: number): boolean {
    return [...this.#all].some((process) => process.pid === pid);
  }

  /**
   * A process that is ready and nobody else's until it is given back.
   * @throws BacalhauError when none could be started, the signal's reason when aborted
   */
  take(signal: AbortSignal): Promise<ModuleProcess> {
    signal.throwIfAborted();
    this.#planSpare();
    for (let entry = this.#idle.pop(); entry; entry = this.#idle.pop()) {
      if (entry.process.alive) return Promise.resolve(entry.process);
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const index = this.#waiters.indexOf(waiter);
        if (index >= 0) this.#waiters.splice(index, 1);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        resolve: (process) => {
          signal.removeEventListener('abort', onAbort);
          resolve(process);
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#grow();
    });
  }

  /** Takes a process back: for the next run, or to be killed. */
  give(process: ModuleProcess, reusable: boolean): void {
    if (!reusable || this.#options.oneShot || !process.alive || this.#abort.signal.aborted) {
      process.kill();
      this.#grow();
    } else this.#offer(process);
  }

  /** Kills all processes; resolves when they are gone. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort(new Error('the engine is closed'));
    this.#patience?.[Symbol.dispose]();
    this.#shrink?.[Symbol.dispose]();
    this.#spare?.[Symbol.dispose]();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#abort.signal.reason);
    await Promise.all([...this.#all].map((process) => process.kill()));
  }

  #offer(process: ModuleProcess): void {
    // Processes come back, so nobody will wait for long.
    this.#spare?.[Symbol.dispose]();
    this.#spare = null;
    const waiter = this.#waiters.shift();
    if (waiter) return waiter.resolve(process);
    this.#idle.push({ process, since: this.#options.world.elapsed() });
    this.#planShrink();
  }

  /** Starts a process for the first waiter: at once within the size, after some patience beyond it. */
  #grow(): void {
    if (this.#abort.signal.aborted || this.#waiters.length <= this.#starting) return;
    if (this.count < this.#options.size) return this.#start();
    if (this.#patience) return;
    const first = this.#waiters[0];
    this.#patience = this.#options.world.after(PATIENCE_MS, () => {
      this.#patience = null;
      // When the first in line was served meanwhile, processes do come free.
      if (this.#waiters[0] === first && this.#starting === 0) this.#start();
      this.#grow();
    });
  }

  #start(): void {
    const { command, name, directory, world } = this.#options;
    this.#starting++;
    const timeout = new AbortController();
    const timer = world.after(START_TIMEOUT_MS, () => timeout.abort());
    const signal = AbortSignal.any([this.#abort.signal, timeout.signal]);
    ModuleProcess.start(command, name, directory, signal).finally(() => {
      timer[Symbol.dispose]();
      this.#starting--;
    }).then((process) => {
      this.#all.add(process);
      process.gone.then(() => this.#forget(process));
      if (this.#abort.signal.aborted) process.kill();
      else this.#offer(process);
    }, (error) => {
      // A warm process that does not start is nobody's failure yet; the next run tries again and reports it.
      this.#waiters.shift()?.reject(error);
      this.#grow();
    });
  }

  #forget(process: ModuleProcess): void {
    this.#all.delete(process);
    const index = this.#idle.findIndex((entry) => entry.process === process);
    if (index >= 0) this.#idle.splice(index, 1);
    if (!this.#abort.signal.aborted && this.count < this.#options.warm) this.#start();
    else this.#grow();
  }

  #planSpare(): void {
    const { world, warm } = this.#options;
    this.#spare ??= world.after(SPARE_MS, () => {
      this.#spare = null;
      for (let count = this.#idle.length + this.#starting; count < warm; count++) this.#start();
    });
  }

  /** One timer for all idle processes, only while there are more than the warm ones. */
  #planShrink(): void {
    const { world, warm, idleMs } = this.#options;
    const oldest = this.#idle[0];
    if (this.#shrink || !oldest || this.count <= warm) return;
    this.#shrink = world.after(Math.max(1, oldest.since + idleMs - world.elapsed()), () => {
      this.#shrink = null;
      const before = world.elapsed() - idleMs;
      while (this.#idle.length > 0 && this.#idle[0]!.since <= before && this.#all.size > warm) {
        const { process } = this.#idle.shift()!;
        this.#all.delete(process);
        process.kill();
      }
      this.#planShrink();
    });
  }
}
