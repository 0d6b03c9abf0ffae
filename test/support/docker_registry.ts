/** Debian's docker-registry on a free port of 127.0.0.1, which engines take without TLS. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuthConfig, type Docker, parseReference } from '../../runtime/docker/mod.ts';
import { remember } from './docker_daemon.ts';

export const USER = 'tester';
export const PASSWORD = 'open-sesame';
/** bcrypt of the password, cost 5. */
const HTPASSWD = `${USER}:\$2b\$05\$abcdefghijklmnopqrstuutXu9KzOt.1yBoZUeFWoT/914/JfszCO\n`;

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly user: string;
  readonly password: string;
  /** What the engine needs to know for it; null when it asks for nothing. */
  readonly auth: AuthConfig | null;
  /** Pushes a local image as `<address>/<name>`. */
  push(image: string, name: string): Promise<{ ref: string; digest: string }>;
  /** Requests so far, as the registry logged them: `GET /v2/…`. */
  requests(): readonly string[];
}

export async function startRegistry(
  folder: string,
  docker: Docker,
  options: { auth?: boolean; port?: number } = {},
): Promise<TestRegistry> {
  const home = mkdtempSync(join(folder, 'registry-'));
  const config = join(home, 'config.yml');
  const secret = join(home, 'htpasswd');
  await writeFile(secret, HTPASSWD);
  const auth = options.auth ? `auth: { htpasswd: { realm: test, path: ${secret} } }\n` : '';
  await writeFile(
    config,
    `version: 0.1\nlog: { level: info, accesslog: { disabled: false } }\n` +
      `storage: { filesystem: { rootdirectory: ${join(home, 'data')} }, delete: { enabled: true } }\n` +
      `http: { addr: '127.0.0.1:${options.port ?? 0}' }\n${auth}`,
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  await remember(folder, `registry-${child.pid}`, child.pid!);
  let log = '';
  const address = await new Promise<string>((found, failed) => {
    const read = (text: string) => {
      log += text;
      const match = /listening on (127\.0\.0\.1:\d+)/.exec(log);
      if (match) found(match[1]!);
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`docker-registry ended with ${code}: ${log}`)));
  });
  const credentials = options.auth ? { username: USER, password: PASSWORD, serveraddress: address } : null;
  return {
    address,
    user: USER,
    password: PASSWORD,
    auth: credentials,
    async push(image, name) {
      const ref = `${address}/${name}`;
      const { tag = 'latest' } = parseReference(ref);
      await docker.images.tag(image, ref.replace(/:[^:/]+$/, ''), tag);
      const { digest } = await docker.images.push(ref, credentials);
      return { ref, digest: digest! };
    },
    requests: () =>
      [...log.matchAll(/"((?:GET|HEAD|PUT|POST|PATCH|DELETE) \/v2\/\S*)/g)].map(([, line]) => line!),
    async [Symbol.asyncDispose]() {
      const ended = new Promise((done) => child.once('close', done));
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}
