/**
 * The engine `noop` for tests and simulation: programs that only wait, print and end, driven by the World alone. No
 * process, no file but the log.
 */
import { LogStream, LogWriter } from '../../runtime/log/mod.ts';
import type { World } from '../../runtime/world.ts';
import type { Refusal, Task } from '../model/mod.ts';
import type { Engine, EngineIdentity, Run, RunEnd, RunRequest } from './engine.ts';

/** Engine parameters, all optional. */
interface NoopParams {
  /** Default 0. */
  readonly ExitCode?: number;
  /** Written to stdout when the program starts. */
  readonly Output?: string;
  /** Milliseconds of the World that the program takes. */
  readonly DelayMs?: number;
  /** `user`, `timeout` or `infrastructure`: fails in this way instead of exiting; any other text is a user failure's. */
  readonly Fail?: string;
  /** The node refuses at bid time, with this reason. */
  readonly Refuse?: string;
}

/** What a simulation or test sets of the engine that runs nothing. */
export interface NoopEngineOptions {
  readonly world: World;
  /** Whether runs write their log. Default true; a simulation without disk turns it off. */
  readonly log?: boolean;
  /** Called whenever a program is let go: a test counts starts here (invariants.md S13). */
  readonly onStart?: (request: RunRequest) => void;
}

/** Runs live as long as this object: a node that restarts with a new one finds none of them, as with modules. */
export function noopEngine(options: NoopEngineOptions): Engine {
  const runs = new Map<string, NoopRun>();
  return {
    type: 'noop',
    endsWithNode: true,
    available: () => Promise.resolve(null),
    check(task: Task): Promise<Refusal | null> {
      const { Refuse } = paramsOf(task);
      if (!Refuse) return Promise.resolve(null);
      return Promise.resolve({
        code: 'Refused',
        reason: Refuse,
        hint: 'The task asks to be refused',
        retryable: false,
      });
    },
    create(request, signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      const id = `${request.executionId}/${request.runNo}`;
      const run = new NoopRun(id, request, options, () => runs.delete(id));
      runs.set(id, run);
      return Promise.resolve(run);
    },
    find: (identity) => Promise.resolve(runs.get(identity.id) ?? null),
    async close() {
      await Promise.all([...runs.values()].map((run) => run.remove()));
    },
  };
}

class NoopRun implements Run {
  readonly identity: EngineIdentity;
  readonly #request: RunRequest;
  readonly #options: NoopEngineOptions;
  readonly #forget: () => void;
  readonly #end = Promise.withResolvers<RunEnd>();
  #timer: Disposable | null = null;
  #started = false;
  #ended = false;

  constructor(id: string, request: RunRequest, options: NoopEngineOptions, forget: () => void) {
    this.identity = Object.freeze({ engine: 'noop', id });
    this.#request = request;
    this.#options = options;
    this.#forget = forget;
  }

  start(): Promise<void> {
    if (this.#started) {
      return Promise.reject(new Error(`Cannot start run "${this.identity.id}": it was started before`));
    }
    if (this.#ended) return Promise.reject(new Error(`Cannot start run "${this.identity.id}": it has ended`));
    this.#started = true;
    this.#options.onStart?.(this.#request);
    const { Output, DelayMs = 0 } = paramsOf(this.#request.task);
    this.#log(Output ?? '');
    if (DelayMs <= 0) this.#finish(this.#outcome());
    else this.#timer = this.#options.world.after(DelayMs, () => this.#finish(this.#outcome()));
    return Promise.resolve();
  }

  wait(): Promise<RunEnd> {
    return this.#end.promise;
  }

  stop(_graceMs: number): Promise<void> {
    this.#finish(failure('Stopped', 'The program was stopped', 'user'));
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    await this.stop(0);
    this.#forget();
  }

  #finish(end: RunEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.[Symbol.dispose]();
    this.#end.resolve(end);
  }

  #outcome(): RunEnd {
    const { ExitCode = 0, Fail } = paramsOf(this.#request.task);
    if (!Fail) return { kind: 'exited', exitCode: ExitCode };
    const known = Fail === 'timeout' || Fail === 'infrastructure' ? Fail : 'user';
    return failure('NoopFailed', `The task asked to fail: ${Fail}`, known);
  }

  #log(text: string): void {
    if (this.#options.log === false) return;
    const { logPath, logLimit } = this.#request;
    const log = new LogWriter(logPath, { bytes: logLimit, now: () => this.#options.world.now() });
    log.write(LogStream.stdout, new TextEncoder().encode(text));
    log.close();
  }
}

function paramsOf(task: Task): NoopParams {
  return (task.Engine?.Params ?? {}) as NoopParams;
}

function failure(code: string, message: string, kind: 'user' | 'timeout' | 'infrastructure'): RunEnd {
  return { kind: 'failed', code, message, hint: '', class: kind };
}
