/**
 * What runs a task. The compute node writes an intent before each call that has a side effect and the outcome after it
 * (invariants.md section 4, C5-C8): `create` makes the object (container, waiting child process), its identity is
 * stored, then `start` lets the program go. After a restart `find` looks the object up by its identity.
 */
import type { PathHandle } from '../../runtime/files/mod.ts';
import type { PortMapping, Refusal, Resources, RunOutput, StringMap, Task } from '../model/mod.ts';

/** An input of a run, already on this host. */
export interface MountedInput {
  /** Absolute path on this host, a file or a directory. */
  readonly hostPath: string;
  /** Of what was checked there; open until the run is over. Absent = nobody else can change what is above the path. */
  readonly handle?: PathHandle;
  /** Absolute path that the program sees. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** A folder of this host that the program fills. */
export interface MountedOutput {
  readonly name: string;
  /** Absolute, empty directory on this host, below that of the run. */
  readonly hostPath: string;
  /** `ResultPath.Path`; a WebAssembly program sees it there and under `/<name>`. */
  readonly path: string;
}

/** All that an engine needs to run one execution. */
export interface RunRequest {
  readonly executionId: string;
  readonly jobId: string;
  /** Number of this run of the execution, from 1; part of every derived name. */
  readonly runNo: number;
  readonly task: Task;
  readonly env: Readonly<Record<string, string>>;
  readonly resources: Resources;
  readonly inputs: readonly MountedInput[];
  readonly outputs: readonly MountedOutput[];
  /** What the run publishes on the host: `Static` is the host port, `Target` the program's (bridge only). */
  readonly ports?: readonly PortMapping[];
  /** What {@link Engine.pin} found at bid time. */
  readonly pinned?: StringMap;
  /** Tells people who follow the job what goes on before the program starts (a pull); may be called often. */
  readonly progress?: (message: string, details?: StringMap) => void;
  /** Tells the same people what happens to the program while it runs (a host that it was refused); to be called rarely. */
  readonly remark?: (message: string, details?: StringMap) => void;
  /** Private directory of this run, exists. */
  readonly directory: string;
  /** File for `runtime/log/mod.ts` records; the engine appends stdout and stderr as they are written. */
  readonly logPath: string;
  /** Bytes of payload after which the log is closed with a visible mark. */
  readonly logLimit: number;
  /** A service or daemon: a full log is no reason to end it. */
  readonly longRunning?: boolean;
}

/** What identifies a run to the host: enough to find or kill it after a restart of the node. */
export interface EngineIdentity {
  readonly engine: string;
  /** Container id, or process id as text. */
  readonly id: string;
  /** Tells a process from a later one with the same id. */
  readonly startTime?: string;
}

/** How a run ended. */
export type RunEnd =
  | { readonly kind: 'exited'; readonly exitCode: number }
  /** Ended by a limit of ours or a fault of the program; `class` decides on retries. */
  | {
    readonly kind: 'failed';
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly class: 'user' | 'timeout' | 'infrastructure';
    readonly exitCode?: number;
  };

/** One run that exists on the host. */
export interface Run {
  readonly identity: EngineIdentity;
  /** Of a run that `find` gave: only one that is `created` may still be started. Absent = it was started. */
  readonly state?: 'created' | 'running' | 'ended';
  /** It is `created`, but what it was to mount was held by the process that made it: to be removed, and made anew. */
  readonly stale?: boolean;
  /** Lets the program go; called at most once per run number (invariants.md S13). */
  start(): Promise<void>;
  /** Resolves when the program has ended and its log is complete; may be called before `start`. */
  wait(): Promise<RunEnd>;
  /** Ends the program: politely first where the engine can, then by force after `graceMs`. Idempotent. */
  stop(graceMs: number): Promise<void>;
  /** Removes all that this run left on the host (container, child process). Idempotent. */
  remove(): Promise<void>;
  /** Bytes that the program wrote outside its mounts (a container's writable layer). Absent = it cannot. */
  usage?(): Promise<number>;
  /** Bytes of memory that the program and what carries it hold now. Absent = the engine holds it to its grant. */
  memory?(): number;
}

/** Something that the engine holds for this installation, as it can be told from the engine alone. */
export interface EngineObject {
  /** `container`, `network`, … */
  readonly kind: string;
  readonly id: string;
  readonly executionId: string;
  readonly runNo: number;
}

/** Runs executions of one type: `docker`, `wasm`, `noop`. The node knows no more of them than this. */
export interface Engine {
  /** `docker`, `wasm`, `noop`; compared ignoring case. */
  readonly type: string;
  /**
   * Programs are children of the node: they end with it, and nothing of a run is left once its program has ended. So
   * they may be run again after a restart (compatibility.md A7).
   */
  readonly endsWithNode?: boolean;
  /** What a run takes beside what its program does; charged to the node and no part of {@link RunRequest.resources}. */
  readonly overhead?: Resources;
  /** Null when it can run work here. */
  available(): Promise<Refusal | null>;
  /** At bid time: whether this task could run here, before any side effect. */
  check(task: Task, signal?: AbortSignal): Promise<Refusal | null>;
  /** After a check that refused nothing: facts that the run is to keep to (an image's digest), stored with the bid. */
  pin?(task: Task, signal: AbortSignal): Promise<StringMap>;
  create(request: RunRequest, signal: AbortSignal): Promise<Run>;
  /** The run with this identity if it still exists (running or ended but not removed), else null. */
  find(identity: EngineIdentity, request: RunRequest): Promise<Run | null>;
  /** All objects of this installation, whatever their state. Absent = nothing outlives its run. */
  objects?(): Promise<readonly EngineObject[]>;
  /** Removes one of them by force, with all that hangs on it. Fine when it is gone. */
  discard?(object: EngineObject): Promise<void>;
  /**
   * Makes all files below a folder of the node, in which no program runs any more, ones that the node may read and remove.
   * Absent = programs write as the node's own user.
   */
  reclaim?(folder: string): Promise<void>;
  /** Releases pools and connections; runs that can survive go on. Idempotent. */
  close(): Promise<void>;
}

export type { RunOutput };
