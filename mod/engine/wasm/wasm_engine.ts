/**
 * The engine `wasm`: modules under WASI preview 1, each run in a process of its own from a warm pool, because nothing
 * else ends a busy module. Limits are memory (by rewriting the module) and output (by the log); time is the node's to
 * watch, which calls `stop`.
 *
 * The task's file system: inputs at their targets, each output under `/<name>` and at its path.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BacalhauError, type Refusal, type Task } from '../../model/mod.ts';
import { DECISION_LOG } from '../../../runtime/egress/mod.ts';
import { killGroup, processStartTime } from '../../../runtime/process.ts';
import { selfCommand } from '../../../runtime/self.ts';
import { CHILD_COMMAND, type Mount, type RunFrame } from '../../../runtime/wasi/mod.ts';
import type { World } from '../../../runtime/world.ts';
import type { Engine, EngineIdentity, Run, RunRequest } from '../engine.ts';
import { HeldMounts } from '../mounts.ts';
import { RunHttp } from './http_run.ts';
import { httpOffer, type HttpSettings } from './http_settings.ts';
import { checkModules } from './module_check.ts';
import { isolated, prepareDirectory, processLimits, removeDirectory } from './isolation.ts';
import { isRefusal, parseWasmParams, type WasmParams } from './wasm_params.ts';
import { ProcessPool } from './pool.ts';
import { WasmRun } from './wasm_run.ts';

/** What 32-bit addresses reach. */
const MAX_MEMORY = 4 * 1024 ** 3;

/** Files that a program may have open where the configuration does not say. */
const OPEN_FILES = 1024;

/** Where and in how many processes modules run, and what they may use. */
export interface WasmEngineOptions {
  readonly world: World;
  /** Of this engine alone: the working directory of its processes. Made anew, with all that it had in it removed. */
  readonly directory: string;
  /** Processes for short runs; long ones get theirs beyond it. Default: the number of cores. */
  readonly poolSize?: number;
  /** Idle processes that are kept, the first of them started at once. Default 1. */
  readonly maxIdle?: number;
  /** Milliseconds after which further idle processes go. Default 10,000. */
  readonly idleMs?: number;
  /** A fresh process for each run. */
  readonly oneShot?: boolean;
  /** How to start a module process. Default: this program with its hidden sub-command. */
  readonly childCommand?: readonly string[];
  /** Bytes for a task that asks for none; 0 (default) leaves it what 32-bit addresses reach. */
  readonly memoryDefault?: number;
  /** Files and directories that a program may have open at once. Default 1024. */
  readonly openFiles?: number;
  /** Bytes of the largest file that a program may write. Default 0 = no limit. */
  readonly fileBytes?: number;
  /** Bytes of the largest log that a run is ever given; files of a process may be as large. Default 1 GiB. */
  readonly logBytes?: number;
  /** Milliseconds of processor time of one run (where the system tells it). Default 0 = no limit. */
  readonly cpuMs?: number;
  /** For modules that send HTTP requests. */
  readonly http?: HttpSettings;
}

/** The engine; its first process is started in the background. Call `close` to end them all. */
export function wasmEngine(options: WasmEngineOptions): Engine {
  return new WasmEngine(options);
}

/** Bytes that a module's process holds beside the module's own memory, as a rule. */
const PROCESS_MEMORY = 64 * 2 ** 20;

class WasmEngine implements Engine {
  readonly type = 'wasm';
  readonly overhead = Object.freeze({ Memory: PROCESS_MEMORY });
  readonly endsWithNode = true;
  readonly #options: WasmEngineOptions;
  readonly #openFiles: number;
  readonly #runs = new Map<string, WasmRun>();
  readonly #pool: ProcessPool;

  constructor(options: WasmEngineOptions) {
    this.#options = options;
    this.#openFiles = options.openFiles ?? OPEN_FILES;
    prepareDirectory(options.directory);
    const command = options.childCommand ?? selfCommand(CHILD_COMMAND);
    this.#pool = new ProcessPool({
      world: options.world,
      name: command[0] ?? '',
      command: isolated(
        command,
        processLimits(this.#openFiles, options.fileBytes ?? 0, options.logBytes ?? 2 ** 30),
      ),
      directory: options.directory,
      size: options.poolSize ?? availableParallelism(),
      warm: options.maxIdle ?? 1,
      idleMs: options.idleMs ?? 10_000,
      oneShot: options.oneShot ?? false,
    });
  }

  available(): Promise<Refusal | null> {
    return Promise.resolve(null);
  }

  check(task: Task): Promise<Refusal | null> {
    const params = parseWasmParams(task.Engine);
    return Promise.resolve(isRefusal(params) ? params : null);
  }

  async create(request: RunRequest, signal: AbortSignal): Promise<Run> {
    const params = parseWasmParams(request.task.Engine);
    if (isRefusal(params)) {
      throw new BacalhauError(params.code, `Cannot run task "${request.task.Name}": ${params.reason}`, {
        component: 'WasmEngine',
        hint: params.hint,
        details: { class: 'user' },
      });
    }
    using stack = new DisposableStack();
    const mounts = stack.use(await HeldMounts.of(request));
    const frame = this.#frame(request, params, mounts);
    checkModules(frame);
    const { world, cpuMs = 0, http: settings = {} } = this.#options;
    const { jobId, task: { Network: network }, directory, remark } = request;
    const decisionLog = join(directory, DECISION_LOG);
    const http = frame.http && new RunHttp({ world, settings, network, jobId, decisionLog, remark });
    const run = new WasmRun(await this.#pool.take(signal), this.#pool, frame, {
      world,
      cpuMs,
      cpus: request.resources.CPU ?? 0,
      memory: frame.memoryLimit || MAX_MEMORY,
      http,
      mounts,
    });
    stack.move();
    const key = runKey(request);
    this.#runs.set(key, run);
    const forget = () => this.#runs.delete(key);
    run.wait().then(forget, forget);
    return run;
  }

  /**
   * A module ends with its node (compatibility.md A7), so there is nothing to adopt but a run of this very engine: what an
   * earlier process of the node left behind is killed.
   */
  find(identity: EngineIdentity, request: RunRequest): Promise<Run | null> {
    return new Promise((resolve) => resolve(this.#find(identity, request)));
  }

  async close(): Promise<void> {
    await this.#pool.close();
    removeDirectory(this.#options.directory);
  }

  #find(identity: EngineIdentity, request: RunRequest): Run | null {
    const run = this.#runs.get(runKey(request));
    if (run && run.identity.id === identity.id && run.identity.startTime === identity.startTime) return run;
    const pid = Number(identity.id);
    if (!identity.startTime || processStartTime(pid) !== identity.startTime) return null;
    // The process may serve another run of ours by now.
    if (!this.#pool.owns(pid)) killGroup(pid);
    return null;
  }

  #frame(request: RunRequest, params: WasmParams, mounts: HeldMounts): RunFrame {
    const memory = request.resources.Memory ?? this.#options.memoryDefault ?? 0;
    return {
      type: 'run',
      entryModule: params.entryModule,
      entryPoint: params.entryPoint,
      importModules: params.importModules,
      args: params.parameters,
      env: params.systemEnvironment ? request.env : ownEnvironment(request),
      mounts: mountsOf(request, mounts),
      memoryLimit: Math.min(memory, MAX_MEMORY),
      openFiles: this.#openFiles,
      fileBytes: this.#options.fileBytes ?? 0,
      http: httpOffer(request.task.Network, this.#options.http ?? {}),
      logPath: request.logPath,
      logLimit: request.logLimit,
      endAtLogLimit: !request.longRunning,
    };
  }
}

/** What the task itself names: a program may count its variables, as those of the wasi-testsuite do. */
function ownEnvironment({ env, task }: RunRequest): RunFrame['env'] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => Object.hasOwn(task.Env ?? {}, name)));
}

function runKey({ executionId, runNo }: RunRequest): string {
  return `${executionId} ${runNo}`;
}

/** @throws BacalhauError when two of them claim one path */
function mountsOf(request: RunRequest, held: HeldMounts): Mount[] {
  const mounts = new Map<string, Mount>();
  const add = (guestPath: string, hostPath: string, readOnly: boolean) => {
    const key = guestPath.split('/').filter((part) => part !== '' && part !== '.').join('/');
    const other = mounts.get(key);
    // An output whose name and path are the same place is one mount.
    if (other?.hostPath === hostPath) return;
    if (other) {
      throw new BacalhauError(
        'ValidationError',
        `Cannot mount "${guestPath}": an input or output is there already`,
        {
          component: 'WasmEngine',
          hint: 'Give every input source and result path a place of its own',
          details: { class: 'user' },
        },
      );
    }
    mounts.set(key, { guestPath, hostPath, readOnly, identity: held.identity(hostPath) });
  };
  for (const { target, hostPath, readOnly } of request.inputs) add(target, hostPath, readOnly);
  for (const { name, path, hostPath } of request.outputs) {
    add(`/${name}`, hostPath, false);
    if (path !== '') add(path, hostPath, false);
  }
  return [...mounts.values()];
}
