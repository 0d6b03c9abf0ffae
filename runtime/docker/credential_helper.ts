/** The protocol of `docker-credential-<name>`. https://github.com/docker/docker-credential-helpers */
import { spawn } from 'node:child_process';
import type { Environment } from './endpoint.ts';
import { DockerError } from './errors.ts';
import type { AuthConfig } from './types.ts';

/** A helper may ask a cloud for a token; a key ring may ask a person. */
const TIME_LIMIT_MS = 30_000;
/** What every helper says for "I have none for this server". */
const NONE = /credentials not found in native keychain|no credentials server URL|no credentials username/i;
/** The user name that marks the secret as an identity token. */
const TOKEN = '<token>';

/** Null when the helper knows nothing of the server. @throws DockerError `ConfigInvalid` when it fails */
export async function askHelper(name: string, server: string, env: Environment): Promise<AuthConfig | null> {
  const program = `docker-credential-${name}`;
  const fail = (why: string, cause?: unknown) =>
    new DockerError('ConfigInvalid', `Cannot ask "${program}" for the credentials of "${server}": ${why}`, {
      cause,
    });
  // A name is not a path: what config.json says must not start anything else.
  if (!/^[\w.-]+$/.test(name)) throw fail('that is not the name of a credential helper');
  const answer = await run(program, server, env).catch((error: Error) => {
    throw fail(error.message, error);
  });
  if (answer.code !== 0) {
    const said = (answer.stdout + answer.stderr).trim();
    if (NONE.test(said)) return null;
    throw fail(said || `it ended with exit code ${answer.code}`);
  }
  let found: { Username?: unknown; Secret?: unknown };
  try {
    found = JSON.parse(answer.stdout);
  } catch (error) {
    // The text may hold a secret, so it is not shown.
    throw fail('its answer is not JSON', error);
  }
  const { Username: username, Secret: secret } = found;
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') return null;
  return username === TOKEN
    ? { identitytoken: secret, serveraddress: server }
    : { username, password: secret, serveraddress: server };
}

function run(
  program: string,
  input: string,
  env: Environment,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(program, ['get'], {
    env: { ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
    timeout: TIME_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout += text);
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr += text);
  child.stdin.on('error', () => undefined); // it may end without reading; its exit code tells
  child.stdin.end(input);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}
