/** Podman's service with a store of its own, for the tests of its Docker compatible socket. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { connectDocker } from '../../runtime/docker/mod.ts';
import { type TestDocker, testDocker } from './docker.ts';
import { until } from './until.ts';

const PARENT = '/var/tmp';

/** Null where there can be none: `reason` is called with why. */
export async function podman(
  reason: (text: string) => void,
): Promise<(TestDocker & AsyncDisposable) | null> {
  const why = process.platform !== 'linux' || process.getuid?.() !== 0
    ? 'podman is started by root on Linux only'
    : spawnSync('podman', ['--version']).error
    ? 'no podman on this machine'
    : undefined;
  if (why !== undefined) {
    if (process.env.CI === 'true' && process.platform === 'linux') throw new Error(why);
    reason(`SKIPPED: ${why}`);
    return null;
  }
  const folder = mkdtempSync(join(PARENT, 'bacalhau-podman-'));
  const store = ['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(folder, name)]);
  const host = `unix://${join(folder, 'p.sock')}`;
  const port = await freePort();
  // Its own defaults may lie above the limits of this process, and then nothing starts.
  const containersConf = join(folder, 'containers.conf');
  await writeFile(
    containersConf,
    '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\nlog_driver = "k8s-file"\n' +
      '[engine]\nevents_logger = "file"\n',
  );
  const registriesConf = join(folder, 'registries.conf');
  await writeFile(registriesConf, `[[registry]]\nlocation = "127.0.0.1:${port}"\ninsecure = true\n`);
  const log = openSync(join(folder, 'log'), 'a');
  const child = spawn('podman', [...store, 'system', 'service', '--time=0', host], {
    stdio: ['ignore', log, log],
    env: {
      ...process.env,
      CONTAINERS_CONF: containersConf,
      CONTAINERS_REGISTRIES_CONF: registriesConf,
      // It leaves files behind there.
      TMPDIR: folder,
    },
  });
  closeSync(log);
  const probe = await connectDocker({ host, env: {}, timeoutMs: 2000 });
  await until(async () => {
    if (child.exitCode !== null) {
      throw new Error(`podman ended: ${readFileSync(join(folder, 'log'), 'utf8')}`);
    }
    return await probe.ping().then(() => true, () => false);
  }, 'podman answers');
  probe.close();
  const engine = await testDocker(folder, host, child.pid!, port);
  return {
    ...engine,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((done) => child.once('close', done));
      if (child.exitCode === null && child.kill('SIGTERM')) await ended;
      spawnSync('podman', [...store, 'system', 'reset', '--force']);
      spawnSync('umount', ['-l', join(folder, 'root', 'overlay')]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Podman must know beforehand which registry speaks no TLS. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
