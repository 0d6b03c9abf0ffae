/** What the Docker engine is told by its node, and what it asks of its neighbours. */
import type { Gpu, Refusal, StringMap } from '../../model/mod.ts';
import type { Docker } from '../../../runtime/docker/mod.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { World } from '../../../runtime/world.ts';
import type { RunRequest } from '../engine.ts';

/** How containers are confined beyond what Docker does by itself. Every default can be changed by configuration. */
export interface Hardening {
  /**
   * Programs cannot gain privileges by set-user-id files. Default true. Images that call `sudo` or `su` need false.
   */
  readonly noNewPrivileges?: boolean;
  /** Processes and threads of a container; 0 = no limit. Default 4096. */
  readonly pidsLimit?: number;
  /**
   * Capabilities taken from Docker's default set, without `CAP_`; `ALL` takes each. Default {@link DROPPED}.
   */
  readonly dropCapabilities?: readonly string[];
  /** Containers on the bridge cannot reach the cloud's metadata address. Default true. */
  readonly blockMetadata?: boolean;
  /** `host.docker.internal` leads to the host, as in the original. Default true. */
  readonly hostGateway?: boolean;
  /** Bytes of `/dev/shm` where the task names no `ShmSize`; 0 = the engine's default of 64 MB. Default 0. */
  readonly shmSize?: number;
}

/**
 * `NET_RAW` forges the packets of other containers on the same bridge (`ping` does without it), `MKNOD` makes device
 * files, which no task needs and which stay behind in outputs. The rest of Docker's set is what package managers, web
 * servers that change their user and `sshd` are known to need.
 */
export const DROPPED: readonly string[] = ['NET_RAW', 'MKNOD'];

/** Which image a task gets; see images/. */
export interface ImageSource {
  /** Whether the image can be had here, asked at bid time. */
  check(image: string, signal?: AbortSignal): Promise<Refusal | null>;
  /** What the run is to keep to, stored with the bid. */
  pin(image: string, signal: AbortSignal): Promise<StringMap>;
  /** What `ensure` would return, where a bid saw the image here a moment ago; it may be gone since. */
  seen(image: string, pinned: StringMap): Promise<string | null>;
  /** Makes sure that the image is here. @returns what to give to `create` */
  ensure(
    image: string,
    pinned: StringMap,
    progress: (message: string, details?: StringMap) => void,
    signal: AbortSignal,
  ): Promise<string>;
  close(): void | Promise<void>;
}

/** A run that is to have such a network. */
export interface HttpRun {
  readonly executionId: string;
  readonly jobId: string;
  readonly runNo: number;
  /** Of the container that holds the network namespace. */
  readonly name: string;
  /** Of that container, beside those that find it again. */
  readonly labels: StringMap;
  readonly domains: readonly string[];
  /** File for the decisions of the proxy. */
  readonly decisionLog: string;
  /** See {@link RunRequest.remark}. */
  readonly remark?: RunRequest['remark'];
}

/** Networks that reach the named domains only; see http_network/. */
export interface HttpNetworkSource {
  available(): Promise<Refusal | null>;
  /** Execution ids of objects that {@link available} makes and removes by itself. */
  readonly trials: ReadonlySet<string>;
  check(domains: readonly string[]): Refusal | null;
  /** Says in the log, once, where it can be told without an attempt that there are no such networks here. */
  warn(): void;
  open(run: HttpRun, signal: AbortSignal): Promise<{ readonly networkMode: string; readonly env: StringMap }>;
  /** After a restart of the node, for a namespace that lives on. */
  adopt(run: HttpRun): Promise<void>;
  /** The program has ended: its log of decisions is complete when this resolves. Idempotent. */
  settle(executionId: string, runNo: number): Promise<void>;
  /** Idempotent. */
  close(executionId: string, runNo: number): Promise<void>;
  /** Ends what runs in this node; namespaces stay for {@link adopt}. Idempotent. */
  shutdown(): Promise<void>;
}

/** Keeps containers of the bridge from the cloud's metadata address; see metadata_guard.ts. */
export interface MetadataGuardSource {
  endpoint(executionId: string, runNo: number): Promise<{ readonly macAddress?: string | undefined }>;
  /** Idempotent. */
  release(executionId: string, runNo: number): Promise<void> | void;
  close(): Promise<void> | void;
}

export interface DockerEngineParts {
  readonly docker: Docker;
  readonly images: ImageSource;
  /** Absent = no task with an HTTP network runs here. */
  readonly http?: HttpNetworkSource | undefined;
  /** Absent = the metadata address is not blocked. */
  readonly guard?: MetadataGuardSource | undefined;
}

export interface DockerEngineSettings extends Hardening {
  readonly world: World;
  readonly nodeId: string;
  /** For what outlives the process: the list of pulled images, sockets of proxies. Made when it does not exist. */
  readonly directory: string;
  /** Made once for a data directory: only objects that carry it are ever touched. */
  readonly installId: string;
  /** The `/etc/hosts` of containers without a network; absent = what the image has. */
  readonly hosts?: string;
  /** Stable id of an NVIDIA card where it is known. */
  readonly gpuUuid?: (gpu: Gpu) => string | undefined;
  /** Milliseconds for which a run waits for an engine that went away before it is given up. Default 60,000. */
  readonly engineGraceMs?: number;
  /** Milliseconds without a byte after which the output of an ended program counts as complete. Default 5,000. */
  readonly drainMs?: number;
  readonly logger?: Logger;
}
