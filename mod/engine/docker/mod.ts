/**
 * The engine `docker`. Loaded by those who run it only: `await import('…/engine/docker/mod.ts')`.
 */
import { ContainedFiles } from '../../../runtime/files/mod.ts';
import { connectDocker, DockerError } from '../../../runtime/docker/mod.ts';
import type { ProxyLimits } from '../../../runtime/egress/mod.ts';
import type { Refusal } from '../../model/mod.ts';
import type { Engine } from '../engine.ts';
import { DockerEngine } from './docker_engine.ts';
import { HttpNetworks } from './http_network/mod.ts';
import { type ImageOptions, Images } from './images/images.ts';
import { MetadataGuard } from './metadata_guard.ts';
import type { DockerEngineSettings } from './options.ts';

export type { ImageOptions } from './images/images.ts';
export { DROPPED, type Hardening } from './options.ts';
export { engineId, objectName } from './names.ts';

/** Which Docker engine to use, and how. */
export interface DockerEngineOptions extends DockerEngineSettings {
  /** Engine to use whatever the environment says: `unix:///run/docker.sock`. */
  readonly host?: string;
  /** For `DOCKER_HOST` and the like, and registry credentials; that of the process by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds for the engine's answer to one short call. Default 60,000. */
  readonly callMs?: number;
  /** Pulling, the manifest cache, pruning. */
  readonly images?: Omit<ImageOptions, 'world' | 'directory'>;
  /** Of the proxy of each run with an HTTP network. */
  readonly httpLimits?: Partial<ProxyLimits>;
}

/**
 * The engine; nothing is dialled before it is asked for something. Where the environment names an engine in a way that
 * cannot work, the node starts all the same, and this engine says why it is not available.
 */
export async function dockerEngine(options: DockerEngineOptions): Promise<Engine> {
  const { world, installId, directory, logger } = options;
  try {
    const docker = await connectDocker({
      ...(options.env && { env: options.env }),
      ...(options.host !== undefined && { host: options.host }),
      ...(options.callMs !== undefined && { timeoutMs: options.callMs }),
    });
    const log = logger ? { logger } : {};
    const images = new Images(docker, {
      ...(logger && { warn: (text) => logger.log('warn', text) }),
      ...options.images,
      world,
      directory: `${directory}/images`,
    });
    const http = new HttpNetworks(docker, {
      world,
      installId,
      directory: `${directory}/http`,
      blockMetadata: options.blockMetadata ?? true,
      ...(options.httpLimits && { limits: options.httpLimits }),
      ...log,
    });
    const guard = new MetadataGuard({
      world,
      docker,
      installId,
      enabled: options.blockMetadata ?? true,
      ...log,
    });
    return new DockerEngine({ docker, images, http, guard }, {
      ...options,
      hosts: await hostsFile(directory),
    });
  } catch (thrown) {
    if (!(thrown instanceof DockerError)) throw thrown;
    return unusableEngine(Object.freeze({
      code: 'EngineMisconfigured',
      reason: `this node cannot run containers: ${thrown.message}`,
      hint: 'Look at DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CERT_PATH and ~/.docker/config.json of its user',
      retryable: false,
    }));
  }
}

/** A program without a network finds its own loopback by name. */
async function hostsFile(directory: string): Promise<string> {
  using files = new ContainedFiles(directory, 0o755);
  const file = `${directory}/hosts`;
  await files.write(file, '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n', 0o644);
  return file;
}

function unusableEngine(refusal: Refusal): Engine {
  return {
    type: 'docker',
    available: () => Promise.resolve(refusal),
    check: () => Promise.resolve(refusal),
    create: () => Promise.reject(new Error(refusal.reason)),
    find: () => Promise.reject(new Error(refusal.reason)),
    close: () => Promise.resolve(),
  };
}
