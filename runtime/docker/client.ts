/** The typed face of an engine: what it can be asked. `connectDocker` (connect.ts) makes one. */
import type { Readable } from 'node:stream';
import type { DockerEndpoint } from './endpoint.ts';
import type * as api from './types.ts';

/** Names, labels, ids … as the engine filters by: `{ label: ['a=b'] }`. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** A tar archive, or anything else that is sent as it comes. */
export type ByteSource = Uint8Array | AsyncIterable<Uint8Array>;

/** Bytes of stdout (1) or stderr (2). A view into the receive buffer: copy it to keep it past the next turn of the loop. */
export interface OutputFrame {
  readonly stream: 1 | 2;
  readonly bytes: Uint8Array;
}

/**
 * Output with back-pressure: what is not asked for is not read. May be iterated once, as frames or as batches; leaving
 * the loop closes the connection.
 * @throws DockerError `DataLoss` when it ends inside a frame, `SystemError` for what the engine itself says in the stream
 */
export interface OutputStream extends AsyncIterable<OutputFrame> {
  /** All frames that arrived together, so that they can be written together; the fast way. */
  batches(): AsyncIterable<readonly OutputFrame[]>;
}

/** A hijacked connection to a container: its output is iterated, its input written. */
export interface Attached extends OutputStream {
  /** Resolves when the bytes were taken by the connection. Only with `stdin: true`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the program's stdin (with `StdinOnce`); output goes on. */
  endInput(): void;
  /** Closes the connection at once. Idempotent; the container goes on. */
  close(): void;
}

/** A wait for the end of a container. */
export interface Wait {
  /** The engine watches: an end from now on is not missed. Rejects when the call fails before. */
  readonly registered: Promise<void>;
  readonly result: Promise<api.WaitResult>;
}

/** What happens in the engine, as it happens. */
export interface EventStream extends AsyncIterable<api.DockerEvent> {
  /** The engine watches: events from now on are not missed. */
  readonly registered: Promise<void>;
}

/** Which output of a container to read. */
export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow?: boolean;
  /** Seconds since 1970, with up to nine decimals as text: `1700000000.000000001`. Inclusive. */
  readonly since?: string | number | undefined;
  readonly until?: string | number | undefined;
  /** Each record begins with an RFC 3339 time in nanoseconds and a blank. */
  readonly timestamps?: boolean;
  /** Number of last records. */
  readonly tail?: number | undefined;
  /** The container has a terminal: no frames, all is stdout. */
  readonly tty?: boolean;
}

/** Calls on containers. All throw DockerError. */
export interface Containers {
  create(
    config: api.ContainerCreate,
    options?: { readonly name?: string | undefined; readonly platform?: string | undefined },
    signal?: AbortSignal,
  ): Promise<{ Id: string; Warnings: string[] }>;
  /** Fine when it runs already. */
  start(id: string, signal?: AbortSignal): Promise<void>;
  /** Stop signal, and SIGKILL after `seconds`. Fine when it does not run. */
  stop(
    id: string,
    options: { readonly seconds: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** @throws DockerError `Conflict` when it does not run */
  kill(id: string, signal?: string): Promise<void>;
  /** `next-exit` before `start` misses nothing; `not-running` resolves at once for one that has ended. */
  wait(id: string, condition: 'not-running' | 'next-exit' | 'removed', signal?: AbortSignal): Wait;
  inspect(id: string, options?: { readonly size?: boolean }): Promise<api.ContainerInspect>;
  list(
    options?: { readonly all?: boolean; readonly filters?: Filters; readonly size?: boolean },
  ): Promise<api.ContainerSummary[]>;
  remove(id: string, options?: { readonly force?: boolean; readonly volumes?: boolean }): Promise<void>;
  /** Resolves when the engine has switched the connection: output from then on arrives, also of a container not yet started. */
  attach(
    id: string,
    options: {
      readonly stdin?: boolean;
      readonly stdout: boolean;
      readonly stderr: boolean;
      /** Also what was written before. */
      readonly logs?: boolean;
      readonly stream: boolean;
      readonly tty?: boolean;
    },
    signal?: AbortSignal,
  ): Promise<Attached>;
  /** One frame is one record of the log driver (a line, or 16 KiB of a longer one). */
  logs(id: string, options: LogOptions, signal?: AbortSignal): OutputStream;
  /** Unpacks a tar archive in a directory that exists. */
  putArchive(id: string, path: string, tar: ByteSource, signal?: AbortSignal): Promise<void>;
  /** A file or a directory as a tar archive; destroy the stream to stop early. */
  getArchive(id: string, path: string, signal?: AbortSignal): Promise<{ stat: api.PathStat; tar: Readable }>;
  update(id: string, update: api.ContainerUpdate): Promise<void>;
}

/** Calls on images. All throw DockerError. */
export interface Images {
  inspect(ref: string, signal?: AbortSignal): Promise<api.ImageInspect>;
  /** Asks the registry, through the engine. */
  distribution(
    ref: string,
    auth?: api.AuthConfig | null,
    signal?: AbortSignal,
  ): Promise<api.DistributionInspect>;
  /** Without tag or digest: `latest`. */
  pull(
    ref: string,
    options: { readonly platform?: string | undefined; readonly auth?: api.AuthConfig | null | undefined },
    onProgress: (progress: api.PullProgress) => void,
    signal?: AbortSignal,
  ): Promise<api.PullResult>;
  push(ref: string, auth?: api.AuthConfig | null, signal?: AbortSignal): Promise<{ digest?: string }>;
  list(filters?: Filters): Promise<api.ImageSummary[]>;
  remove(ref: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Makes an image of one layer. @returns its id, `sha256:…` */
  import(
    tar: ByteSource,
    options: {
      readonly repo: string;
      readonly tag: string;
      /** Dockerfile lines: `ENTRYPOINT ["/bin/sh"]`, `USER 1000`. */
      readonly changes?: readonly string[];
      /** `linux/arm64`; the host's without. */
      readonly platform?: string;
    },
    signal?: AbortSignal,
  ): Promise<string>;
  /** What `docker save` wrote. @returns names or ids of the images */
  load(tar: ByteSource, signal?: AbortSignal): Promise<string[]>;
  tag(ref: string, repo: string, tag: string): Promise<void>;
}

/** Calls on networks. All throw DockerError. */
export interface Networks {
  create(network: api.NetworkCreate, signal?: AbortSignal): Promise<{ Id: string; Warning?: string }>;
  inspect(id: string): Promise<api.NetworkInspect>;
  list(filters?: Filters): Promise<api.NetworkInspect[]>;
  remove(id: string): Promise<void>;
  connect(id: string, container: string, settings?: api.EndpointSettings): Promise<void>;
  disconnect(id: string, container: string, options?: { readonly force?: boolean }): Promise<void>;
}

/** Calls on volumes. All throw DockerError. */
export interface Volumes {
  list(filters?: Filters): Promise<api.Volume[]>;
  remove(name: string, options?: { readonly force?: boolean }): Promise<void>;
}

/** An engine. Nothing is dialled before the first call; every call may throw {@link DockerError}. */
export interface Docker {
  readonly endpoint: DockerEndpoint;
  readonly containers: Containers;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  version(): Promise<api.DockerVersion>;
  info(): Promise<api.DockerInfo>;
  ping(): Promise<void>;
  /** Negotiated: the engine's, at least 1.41, at most the highest that this client knows. */
  apiVersion(): Promise<string>;
  /** The call is under way when this returns. `since` and `until` are seconds since 1970 (see {@link LogOptions.since}). */
  events(
    filters: Filters,
    signal: AbortSignal,
    window?: { readonly since?: string | number; readonly until?: string | number },
  ): EventStream;
  /** Closes idle connections; streams go on until their own end. Idempotent. */
  close(): void;
}
