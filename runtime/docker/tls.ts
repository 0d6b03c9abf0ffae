/** Certificates of an engine over tcp: `ca.pem`, `cert.pem`, `key.pem` in one folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DockerError } from './errors.ts';

/** Certificates in PEM, as `tls.connect` takes them. */
export interface TlsMaterial {
  /** Whether the engine must prove who it is. */
  readonly verify: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads what is there; `required`: all three must be.
 * @throws DockerError `ConfigInvalid`
 */
export async function readTls(
  folder: string,
  options: { verify: boolean; required: boolean },
): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => read(join(folder, name), options.required)),
  );
  if ((cert === undefined) !== (key === undefined)) {
    throw new DockerError(
      'ConfigInvalid',
      `Cannot use the certificates in "${folder}": cert.pem and key.pem belong together`,
    );
  }
  return {
    verify: options.verify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
  };
}

async function read(path: string, required: boolean): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !required) return undefined;
    throw new DockerError('ConfigInvalid', `Cannot read the Docker certificate "${path}": ${message}`, {
      cause: error,
    });
  }
}
