/**
 * Credentials for the registry of an image: DOCKER_USERNAME and DOCKER_PASSWORD for Docker Hub (reference config.md 20),
 * then what `docker login` left in config.json, itself or through a credential helper.
 */
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import process from 'node:process';
import { asRecord, readJson } from './context.ts';
import { askHelper } from './credential_helper.ts';
import { DockerError } from './errors.ts';
import { dockerConfigFolder, type Environment } from './endpoint.ts';
import { parseReference } from './reference.ts';
import type { AuthConfig } from './types.ts';

/** Where to look for credentials; the process's own environment and home folder by default. */
export interface RegistryAuthOptions {
  readonly env?: Environment;
  readonly home?: string;
  /** Instead of config.json in Docker's folder. */
  readonly configFile?: string;
}

/** The name under which Docker Hub's credentials are kept. */
const HUB_SERVER = 'https://index.docker.io/v1/';
const HUB_HOSTS = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * Null when nothing is known. The two variables are never sent to a registry other than Docker Hub.
 * @throws RangeError when `ref` is no image reference
 * @throws DockerError `ConfigInvalid` when the file cannot be read or a credential helper fails
 */
export async function registryAuth(
  ref: string,
  options: RegistryAuthOptions = {},
): Promise<AuthConfig | null> {
  const env = options.env ?? process.env;
  const { domain } = parseReference(ref);
  const server = domain === 'docker.io' ? HUB_SERVER : domain;
  if (server === HUB_SERVER && env.DOCKER_USERNAME && env.DOCKER_PASSWORD) {
    return { username: env.DOCKER_USERNAME, password: env.DOCKER_PASSWORD, serveraddress: server };
  }
  const file = options.configFile ?? join(dockerConfigFolder(env, options.home), 'config.json');
  const config = await readJson(file);
  if (!config) return null;
  const helper = asRecord(config.credHelpers)[server] ?? asRecord(config.credHelpers)[domain] ??
    config.credsStore;
  if (typeof helper === 'string' && helper !== '') {
    const found = await askHelper(helper, server, env);
    if (found) return found;
  }
  return storedAuth(asRecord(config.auths), server, file);
}

/** Keys are host names, but older clients wrote addresses; the exact key wins. */
function storedAuth(
  auths: Readonly<Record<string, unknown>>,
  server: string,
  file: string,
): AuthConfig | null {
  const key = server in auths ? server : Object.keys(auths).find((name) => sameServer(name, server));
  if (key === undefined) return null;
  const { auth, username, password, identitytoken, registrytoken } = asRecord(auths[key]);
  const decoded = typeof auth === 'string' && auth !== '' ? decode(auth, key, file) : {};
  const found = Object.fromEntries(
    Object.entries({ username, password, ...decoded, identitytoken, registrytoken })
      .filter(([, value]) => typeof value === 'string' && value !== ''),
  ) as AuthConfig;
  return Object.keys(found).length === 0 ? null : { ...found, serveraddress: server };
}

function sameServer(key: string, server: string): boolean {
  const host = hostOf(key);
  return server === HUB_SERVER ? HUB_HOSTS.includes(host) : host === server;
}

function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function decode(auth: string, key: string, file: string): AuthConfig {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) {
    throw new DockerError(
      'ConfigInvalid',
      `Cannot use the credentials of "${key}" in "${file}": "auth" is not base64 of user:password`,
    );
  }
  // Windows clients of old ended the text with zero bytes.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** Header X-Registry-Auth: base64url of the JSON, with padding, without which engines ignore it silently. */
export function authHeader(auth: AuthConfig | null | undefined): Readonly<Record<string, string>> {
  // The engine wants the header with every push, credentials or not.
  const text = Buffer.from(JSON.stringify(auth ?? {})).toString('base64');
  return { 'x-registry-auth': text.replaceAll('+', '-').replaceAll('/', '_') };
}
