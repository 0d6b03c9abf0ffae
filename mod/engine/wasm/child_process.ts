/** The parent's end of one module process (runtime/wasi/child.ts): start it, hand it a run, kill it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { BacalhauError } from '../../model/mod.ts';
import {
  killGroup,
  offerToOomKiller,
  processCpuMs,
  processMemory,
  processStartTime,
} from '../../../runtime/process.ts';
import { CpuShare } from '../../../runtime/cpu_share.ts';
import { childEnvironment } from '../../../runtime/self.ts';
import {
  type ChildFrame,
  encodeFrame,
  type EndFrame,
  type HttpParentFrame,
  Lines,
  type RunFrame,
} from '../../../runtime/wasi/mod.ts';
import type { RunHttp } from './http_run.ts';

/** What is kept of a child's stderr to explain its death. */
const STDERR_BYTES = 2000;

export class ModuleProcess {
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
  readonly pid: number;
  /** See `processStartTime`; null where the system cannot tell. */
  readonly startTime: string | null;
  /** Bytes of memory when it was ready; 0 where the system does not tell. */
  memoryAtStart = 0;
  readonly share: CpuShare;
  #child: ChildProcess;
  #alive = true;
  #answer: ((frame: EndFrame | null) => void) | null = null;
  #http: RunHttp | null = null;
  #stderr = '';

  private constructor(child: ChildProcess, gone: Promise<void>) {
    this.#child = child;
    this.gone = gone;
    this.pid = child.pid!;
    this.startTime = processStartTime(this.pid);
    this.share = new CpuShare(this.pid);
  }

  /**
   * Starts a process and resolves when it is ready for work.
   * @param command may begin with programs that isolate it
   * @param name of it, for people
   * @param signal aborted when it took too long or is not wanted any more; the process is killed then
   * @throws BacalhauError of class infrastructure
   */
  static async start(
    command: readonly string[],
    name: string,
    directory: string,
    signal: AbortSignal,
  ): Promise<ModuleProcess> {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: directory,
      env: childEnvironment(),
      // A group of its own: Ctrl-C at the terminal reaches us, not the pool.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const { promise: gone, resolve: onGone } = Promise.withResolvers<void>();
    let spawnError: Error | undefined;
    child.once('error', (error) => {
      spawnError = error;
      if (child.pid === undefined) onGone();
    });
    child.once('exit', () => onGone());
    const fail = (why: string, cause?: unknown) =>
      new BacalhauError('EngineFailure', `Cannot start a module process "${name}": ${why}`, {
        component: 'WasmEngine',
        hint:
          'The node starts its own executable again for modules: it must be runnable, and memory must be left',
        details: { class: 'infrastructure' },
        cause,
      });
    if (child.pid === undefined) {
      await gone;
      throw fail(spawnError?.message ?? 'the system refused', spawnError);
    }
    // Where memory runs out, it goes before the node and everything else of this host.
    offerToOomKiller(child.pid);
    const self = new ModuleProcess(child, gone);
    const hello = self.#listen();
    const { promise: aborted, resolve: onAbort } = Promise.withResolvers<'aborted'>();
    const abort = () => onAbort('aborted');
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const first = await Promise.race([hello, gone, aborted]);
    signal.removeEventListener('abort', abort);
    if (first === 'hello') {
      self.memoryAtStart = self.memory ?? 0;
      return self;
    }
    await self.kill();
    const text = self.#stderr.trim();
    throw fail(
      first === 'aborted' ? 'it did not answer in time' : `it ended at once${text && `: ${text}`}`,
      signal.reason,
    );
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** The signal that ended the process. */
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  /** Milliseconds of processor time used so far; null where the system does not tell. */
  get cpuMs(): number | null {
    return processCpuMs(this.pid);
  }

  /** Bytes of memory that it holds now; null where the system does not tell. */
  get memory(): number | null {
    return processMemory(this.pid);
  }

  /** How the process ended, for people. */
  get epitaph(): string {
    const { exitCode, signalCode } = this.#child;
    const text = this.#stderr.trim().split('\n').slice(-3).join(' ');
    return (signalCode ? `killed by ${signalCode}` : `exit code ${exitCode}`) + (text && `: ${text}`);
  }

  /**
   * Runs one module; null when the process died over it.
   * @param http what answers its requests
   */
  async run(frame: RunFrame, http: RunHttp | null): Promise<EndFrame | null> {
    if (!this.#alive) return null;
    this.#http = http;
    const { promise, resolve } = Promise.withResolvers<EndFrame | null>();
    this.#answer = resolve;
    this.#child.stdin!.write(encodeFrame(frame));
    const end = await promise;
    this.#answer = null;
    this.#http = null;
    return end;
  }

  /** Resolves when the pipe has taken it, or the process is gone. */
  async #send(frame: HttpParentFrame): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#child.stdin!.write(encodeFrame(frame), () => resolve());
    await Promise.race([promise, this.gone]);
  }

  /** Kills the process and its group; resolves when it is gone. Idempotent. */
  async kill(): Promise<void> {
    if (this.#alive) killGroup(this.pid);
    await this.gone;
  }

  #listen(): Promise<'hello'> {
    const { promise, resolve } = Promise.withResolvers<'hello'>();
    const { stdin, stdout, stderr } = this.#child;
    const lines = new Lines();
    stdout!.setEncoding('utf8').on('data', (text: string) => {
      for (const line of lines.push(text)) {
        const frame = JSON.parse(line) as ChildFrame;
        if (frame.type === 'hello') resolve('hello');
        else if (frame.type === 'end') this.#answer?.(frame);
        else this.#http?.take(frame, (answer) => this.#send(answer));
      }
    });
    stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES);
    });
    // A write to a child that just died; its end is noticed by `exit`.
    stdin!.on('error', () => this.#answer?.(null));
    this.gone.then(() => {
      this.#alive = false;
      this.share[Symbol.dispose]();
      this.#answer?.(null);
    });
    return promise;
  }
}
