/**
 * A real Docker engine for tests. `dockerd()` gives the run's own daemon, or null where there can be none; then the
 * test says SKIPPED with `dockerMissing()`. In CI it throws instead.
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { connectDocker, type Docker, DockerError } from '../../runtime/docker/mod.ts';
import { daemonOf, endDaemon, FOLDER_VARIABLE, makeFolder } from './docker_daemon.ts';
import { busyboxTar } from './docker_image.ts';
import { startRegistry, type TestRegistry } from './docker_registry.ts';

export type { TestRegistry } from './docker_registry.ts';

export interface TestDocker {
  /** `unix:///…/d.sock` */
  readonly host: string;
  /** For child processes: `DOCKER_HOST`. */
  readonly env: Readonly<Record<string, string>>;
  /** A client of it; closed with the process. */
  readonly docker: Docker;
  /** Process of the daemon; 0 when it is not ours. */
  readonly pid: number;
  /**
   * Makes an image of busybox-static unless it is there. Changes are Dockerfile lines: `ENTRYPOINT ["/bin/sh"]`.
   * @returns its name, which may be given: `name:tag`
   */
  image(
    name?: string,
    changes?: readonly string[],
    files?: Readonly<Record<string, string>>,
  ): Promise<string>;
  /** A registry of its own; dispose it. */
  registry(options?: { auth?: boolean }): Promise<TestRegistry>;
  /** What bears our labels: names of containers and networks; of one installation when its id is given. */
  ours(install?: string): Promise<{ containers: string[]; networks: string[] }>;
}

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
let shared: Promise<TestDocker | null> | undefined;
let missing = '';

/** The daemon of this vitest run. */
export function dockerd(): Promise<TestDocker | null> {
  return shared ??= find();
}

/** Why {@link dockerd} gave null, as a line for the log. */
export function dockerMissing(): string {
  return `SKIPPED: no Docker engine for tests: ${missing}`;
}

/**
 * A daemon of one's own: for a program that is no test (a bench), or with other settings; ends at the end of the block.
 * @param args more of dockerd's
 */
export async function privateDockerd(args: readonly string[] = []): Promise<TestDocker & AsyncDisposable> {
  const folder = makeFolder();
  const state = await daemonOf(folder, args);
  if ('reason' in state) {
    await endDaemon(folder);
    throw new Error(`no dockerd: ${state.reason}`);
  }
  const docker = await testDocker(folder, state.host, state.pid);
  return {
    ...docker,
    async [Symbol.asyncDispose]() {
      docker.docker.close();
      await endDaemon(folder);
    },
  };
}

/** Any engine (podman's socket, say) with the helpers of a test. */
export async function testDocker(
  folder: string,
  host: string,
  pid: number,
  registryPort = 0,
): Promise<TestDocker> {
  const docker = await connectDocker({ host, env: {} });
  return {
    host,
    env: { DOCKER_HOST: host },
    docker,
    pid,
    image: (name, changes, files) => makeImage(docker, name, changes, files),
    registry: (options) => startRegistry(folder, docker, { ...options, port: registryPort }),
    async ours(install) {
      const label = install === undefined ? 'bacalhau.install' : `bacalhau.install=${install}`;
      const [containers, networks] = await Promise.all([
        docker.containers.list({ all: true, filters: { label: [label] } }),
        docker.networks.list({ label: [label] }),
      ]);
      return {
        containers: containers.map(({ Names, Id, State }) => `${Names[0] ?? Id} ${State}`),
        networks: networks.map(({ Name }) => Name),
      };
    },
  };
}

async function find(): Promise<TestDocker | null> {
  const folder = process.env[FOLDER_VARIABLE];
  const state = folder === undefined
    ? { reason: 'vitest was started without docker_setup.ts' }
    : await daemonOf(folder);
  if (!('reason' in state)) return await testDocker(folder!, state.host, state.pid);
  if (folder !== undefined && await answers(DEFAULT_HOST)) return await testDocker(folder, DEFAULT_HOST, 0);
  missing = state.reason;
  if (process.env.CI === 'true' && process.platform === 'linux') throw new Error(dockerMissing());
  return null;
}

async function answers(host: string): Promise<boolean> {
  const docker = await connectDocker({ host, env: {}, timeoutMs: 2000 });
  return await docker.ping().then(() => true, () => false).finally(() => docker.close());
}

async function makeImage(
  docker: Docker,
  name: string | undefined,
  changes: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify([changes, files])).digest('hex').slice(0, 12);
  const ref = name ?? `bacalhau-test/busybox:${key}`;
  const label = `bacalhau.test=${key}`;
  const present = await docker.images.inspect(ref).catch((error: unknown) => {
    if (error instanceof DockerError && error.code === 'ImageNotFound') return null;
    throw error;
  });
  if (present?.Config?.Labels?.['bacalhau.test'] === key) return ref;
  const colon = ref.lastIndexOf(':') > ref.lastIndexOf('/') ? ref.lastIndexOf(':') : ref.length;
  await docker.images.import(busyboxTar(files), {
    repo: ref.slice(0, colon),
    tag: ref.slice(colon + 1) || 'latest',
    changes: ['ENV PATH=/bin', 'CMD ["/bin/sh"]', `LABEL ${label}`, ...changes],
  });
  return ref;
}
