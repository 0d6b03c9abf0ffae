/**
 * Where the engine is, as Docker's own client decides: a host given, DOCKER_HOST, DOCKER_CONTEXT, the current context of
 * config.json, the default of the system. https://docs.docker.com/engine/manage-resources/contexts/
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { contextEndpoint, currentContext } from './context.ts';
import { DockerError } from './errors.ts';
import { readTls, type TlsMaterial } from './tls.ts';

interface EndpointOrigin {
  /** `DOCKER_HOST`, `context "name"`, `configuration`, `default`. */
  readonly origin: string;
  /** Whether it is a socket or pipe of this machine; over tcp it cannot be known where the engine's files are. */
  readonly isLocal: boolean;
}

/** Where an engine listens, and what named it. */
export type DockerEndpoint =
  & EndpointOrigin
  & (
    | { readonly kind: 'unix' | 'npipe'; readonly path: string }
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsMaterial }
  );

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EndpointOptions {
  /** Environment; that of the process by default. */
  readonly env?: Environment | undefined;
  /** Engine to use whatever the environment says: `unix:///run/docker.sock`. */
  readonly host?: string | undefined;
  /** Home folder, for `.docker`. */
  readonly home?: string | undefined;
  /** As `process.platform`. */
  readonly platform?: string | undefined;
}

const DEFAULT_UNIX = '/var/run/docker.sock';
const DEFAULT_PIPE = '//./pipe/docker_engine';

/** Folder of Docker's own configuration: DOCKER_CONFIG, or `.docker` in the home folder. */
export function dockerConfigFolder(env: Environment, home?: string): string {
  return env.DOCKER_CONFIG || join(home ?? homedir(), '.docker');
}

/** @throws DockerError `ConfigInvalid` when what is configured cannot work */
export async function resolveEndpoint(options: EndpointOptions = {}): Promise<DockerEndpoint> {
  const env = options.env ?? process.env;
  const folder = dockerConfigFolder(env, options.home);
  const platform = options.platform ?? process.platform;
  const host = options.host || env.DOCKER_HOST;
  if (host) {
    const tls = /^(?:unix|npipe):/i.test(host) ? undefined : await tlsOfEnvironment(env, folder);
    return parseHost(host, options.host ? 'configuration' : 'DOCKER_HOST', tls, platform);
  }
  const name = env.DOCKER_CONTEXT || await currentContext(folder);
  if (name && name !== 'default') {
    const context = await contextEndpoint(folder, name);
    return parseHost(context.host, `context "${name}"`, context.tls, platform);
  }
  return parseHost('', 'default', undefined, platform);
}

/** How a person writes it: `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2376`. */
export function endpointText(endpoint: DockerEndpoint): string {
  if (endpoint.kind !== 'tcp') return `${endpoint.kind}://${endpoint.path}`;
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `tcp://${host}:${endpoint.port}`;
}

/** Both variables count only when they are not empty; the first says "verify", whatever its value. */
async function tlsOfEnvironment(env: Environment, folder: string): Promise<TlsMaterial | undefined> {
  const { DOCKER_CERT_PATH: path, DOCKER_TLS_VERIFY: verify } = env;
  if (!path && !verify) return undefined;
  return await readTls(path || folder, { verify: Boolean(verify), required: Boolean(path) });
}

function parseHost(
  text: string,
  origin: string,
  tls: TlsMaterial | undefined,
  platform: string,
): DockerEndpoint {
  const [, scheme = text === '' ? (platform === 'win32' ? 'npipe' : 'unix') : 'tcp', rest = ''] =
    /^(?:([a-z]+):\/\/)?(.*)$/i.exec(text)!;
  switch (scheme.toLowerCase()) {
    case 'unix':
      return { kind: 'unix', path: rest || DEFAULT_UNIX, origin, isLocal: true };
    case 'npipe':
      return { kind: 'npipe', path: rest || DEFAULT_PIPE, origin, isLocal: true };
    case 'tcp':
    case 'http':
      return { kind: 'tcp', ...hostAndPort(rest, text, origin, tls), origin, isLocal: false };
    case 'https':
      return {
        kind: 'tcp',
        ...hostAndPort(rest, text, origin, tls ?? { verify: true }),
        origin,
        isLocal: false,
      };
    case 'ssh':
      throw unusable(
        text,
        origin,
        'ssh is not spoken here; forward the socket (ssh -L /tmp/docker.sock:/var/run/docker.sock) and set ' +
          'DOCKER_HOST=unix:///tmp/docker.sock',
      );
    default:
      throw unusable(text, origin, `the scheme "${scheme}" is unknown; unix, npipe and tcp are`);
  }
}

function hostAndPort(
  rest: string,
  text: string,
  origin: string,
  tls: TlsMaterial | undefined,
): { host: string; port: number; tls?: TlsMaterial } {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:/[\]]*))(?::(\d+))?\/?$/i.exec(rest);
  const port = match?.[3] === undefined ? (tls ? 2376 : 2375) : Number(match[3]);
  if (!match || port < 1 || port > 65535) {
    throw unusable(text, origin, 'it is not of the form tcp://host:port');
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port, ...(tls && { tls }) };
}

function unusable(text: string, origin: string, why: string): DockerError {
  return new DockerError('ConfigInvalid', `Cannot use the Docker engine "${text}" of ${origin}: ${why}`);
}
