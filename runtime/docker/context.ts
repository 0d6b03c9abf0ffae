/** Docker contexts on disk: `contexts/meta/<sha256 of the name>/meta.json` and `contexts/tls/<same>/docker/*.pem`. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DockerError } from './errors.ts';
import { readTls, type TlsMaterial } from './tls.ts';

/** `currentContext` of config.json; empty when there is none. */
export async function currentContext(folder: string): Promise<string> {
  const config = await readJson(join(folder, 'config.json'));
  return typeof config?.currentContext === 'string' ? config.currentContext : '';
}

/** @throws DockerError `ConfigInvalid` when there is no such context */
export async function contextEndpoint(
  folder: string,
  name: string,
): Promise<{ host: string; tls?: TlsMaterial }> {
  const id = createHash('sha256').update(name).digest('hex');
  const path = join(folder, 'contexts', 'meta', id, 'meta.json');
  const meta = await readJson(path);
  const { Host, SkipTLSVerify } = asRecord(asRecord(meta?.Endpoints).docker);
  if (typeof Host !== 'string' || Host === '') {
    throw new DockerError(
      'ConfigInvalid',
      meta
        ? `Cannot use the Docker context "${name}": "${path}" names no host`
        : `Cannot use the Docker context "${name}": there is none of that name; "docker context ls" lists them`,
    );
  }
  const tls = await readTls(join(folder, 'contexts', 'tls', id, 'docker'), {
    verify: SkipTLSVerify !== true,
    required: false,
  });
  // Plain tcp has no certificates at all, and nothing that says so.
  return tls.ca || tls.cert || SkipTLSVerify === true ? { host: Host, tls } : { host: Host };
}

/** Null when the file is absent. @throws DockerError `ConfigInvalid` when it is not a JSON object */
export async function readJson(path: string): Promise<Record<string, unknown> | null> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new SyntaxError('it is not a JSON object');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new DockerError('ConfigInvalid', `Cannot read Docker's file "${path}": ${message}`, {
      cause: error,
    });
  }
}

/** Fields of an unknown value; none when it is no object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {};
}
