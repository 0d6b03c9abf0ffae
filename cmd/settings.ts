/**
 * What a client command needs to know: where the API is. Most calls have neither `-c` nor a config file, and are answered
 * from flags and environment; only the others pay for the whole configuration.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { endpointUrl } from '../mod/api/client/endpoint.ts';
import { BacalhauError } from '../mod/model/errors.ts';
import type { Environment, GlobalOptions } from './global_options.ts';

export interface ClientSettings {
  /** `http://127.0.0.1:1234` */
  readonly baseUrl: string;
  readonly dataDir: string;
  /** Value of the key `Compatibility` (compatibility.md). */
  readonly compatibility: '' | '1.9';
}

const DEFAULT_HOST = '0.0.0.0';
const DEFAULT_PORT = 1234;

/** @throws BacalhauError when a value cannot be used */
export async function readSettings(globals: GlobalOptions, env: Environment): Promise<ClientSettings> {
  const dataDir = dataDirectory(globals, env);
  if (globals.config.length > 0 || existsSync(join(dataDir, 'config.yaml'))) {
    const { loadConfiguration } = await import('./configuration.ts');
    const { config } = await loadConfiguration(globals, env);
    return {
      baseUrl: endpointUrl(config.API.Host, config.API.Port, config.API.TLS.UseTLS),
      dataDir: config.DataDir,
      compatibility: config.Compatibility,
    };
  }
  const host = globals.apiHost ?? (env.BACALHAU_API_HOST || DEFAULT_HOST);
  const port = globals.apiPort ?? portOf(env);
  const useTls = /^(1|t|true)$/i.test(env.BACALHAU_API_TLS_USETLS ?? '');
  return {
    baseUrl: endpointUrl(host, port, useTls),
    dataDir,
    compatibility: compatibilityOf(env),
  };
}

function dataDirectory(globals: GlobalOptions, env: Environment): string {
  const text = globals.dataDir ?? (env.BACALHAU_DATADIR || env.BACALHAU_DIR || '~/.bacalhau');
  const home = env.HOME || homedir();
  return resolve(text === '~' || text.startsWith('~/') ? home + text.slice(1) : text);
}

function portOf(env: Environment): number {
  const text = env.BACALHAU_API_PORT;
  if (!text) return DEFAULT_PORT;
  if (/^\d{1,5}$/.test(text) && Number(text) < 65536) return Number(text);
  throw new BacalhauError('ValidationError', `Cannot use BACALHAU_API_PORT "${text}": it is no port`, {
    hint: 'A port is a number from 0 to 65535.',
  });
}

function compatibilityOf(env: Environment): '' | '1.9' {
  const text = env.BACALHAU_COMPATIBILITY ?? '';
  if (text === '' || text === '1.9') return text;
  throw new BacalhauError(
    'ValidationError',
    `Cannot use BACALHAU_COMPATIBILITY "${text}": it is none of "" and "1.9"`,
  );
}
