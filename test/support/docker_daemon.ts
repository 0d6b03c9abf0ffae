/**
 * One private dockerd per vitest run: started by the first test that asks, shared by all workers, ended by
 * docker_setup.ts. Its folder is also what tells a later run that one was left behind by a run that was killed.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { connectDocker } from '../../runtime/docker/mod.ts';
import { processStartTime } from '../../runtime/process.ts';
import { until } from './until.ts';

/** Set by docker_setup.ts for all workers of a run. */
export const FOLDER_VARIABLE = 'BACALHAU_TEST_DOCKER';
/** On a disk: overlay file systems do not lie on tmpfs, which /tmp may be. Short, since sockets' paths are. */
const PARENT = '/var/tmp';
const PREFIX = 'bacalhau-dockerd-';
const START_MS = 30_000;
const BRIDGE = 'bactest';

export interface Started {
  /** `unix://…` */
  readonly host: string;
  readonly pid: number;
}
export interface Absent {
  readonly reason: string;
}

/** A folder for the daemon of this process and its children; makes nothing but the folder. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(PARENT, PREFIX));
  writeFileSync(join(folder, 'owner'), `${process.pid} ${processStartTime(process.pid)}`);
  return folder;
}

/** The daemon of the folder; started here when no one has. */
export async function daemonOf(folder: string, args: readonly string[] = []): Promise<Started | Absent> {
  try {
    closeSync(openSync(join(folder, 'lock'), 'wx'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const state = join(folder, 'state.json');
    await until(() => existsSync(state), 'a dockerd that another worker starts', 2 * START_MS);
    return JSON.parse(readFileSync(state, 'utf8'));
  }
  await sweep();
  let state: Started | Absent = { reason: '' };
  // Daemons of several runs that start at once trip over each other's iptables chains.
  for (let attempt = 1; attempt <= 3 && 'reason' in state; attempt++) {
    state = await startDaemon(folder, args).catch((error: Error): Absent => ({ reason: error.message }));
  }
  await writeFile(join(folder, 'state.new'), JSON.stringify(state));
  // Whole or not at all for those who wait.
  renameSync(join(folder, 'state.new'), join(folder, 'state.json'));
  return state;
}

/** Remembers a process that must end with the daemon. */
export async function remember(folder: string, name: string, pid: number): Promise<void> {
  mkdirSync(join(folder, 'pids'), { recursive: true });
  await writeFile(join(folder, 'pids', name), `${pid} ${processStartTime(pid)}`);
}

/** Ends what was started in the folder, with all its containers, and removes it. */
export async function endDaemon(folder: string): Promise<void> {
  const pids = join(folder, 'pids');
  const names = existsSync(pids) ? readdirSync(pids) : [];
  const socket = join(folder, 'd.sock');
  if (names.includes('dockerd') && existsSync(socket)) await removeContainers(`unix://${socket}`);
  for (const name of names) await endProcess(join(pids, name));
  const bridge = join(folder, 'bridge');
  if (existsSync(bridge)) spawnSync('ip', ['link', 'delete', readFileSync(bridge, 'utf8')]);
  unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
}

async function startDaemon(folder: string, args: readonly string[]): Promise<Started | Absent> {
  if (process.platform !== 'linux') return { reason: 'a private dockerd is started on Linux only' };
  if (process.getuid?.() !== 0) return { reason: 'dockerd needs root' };
  if (spawnSync('dockerd', ['--version']).error) return { reason: 'no dockerd on this machine' };
  const net = bridgeOf(folder);
  const log = openSync(join(folder, 'log'), 'a');
  const host = `unix://${join(folder, 'd.sock')}`;
  const child = spawn('dockerd', [
    ...['--host', host],
    ...['--data-root', join(folder, 'data')],
    ...['--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'pid')],
    ...['--bridge', net.bridge],
    ...['--default-address-pool', `base=${net.pool},size=24`],
    ...['--log-level', 'warn'],
    ...args,
  ], { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended = false;
  child.on('exit', () => ended = true);
  child.unref();
  await remember(folder, 'dockerd', child.pid!);
  const docker = await connectDocker({ host, env: {}, timeoutMs: 2000 });
  await until(
    async () => {
      if (ended) throw new Error(`dockerd ended: ${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`);
      return await docker.ping().then(() => true, () => false);
    },
    'dockerd answers',
    START_MS,
  );
  docker.close();
  return { host, pid: child.pid! };
}

/** A bridge and addresses of our own, so that daemons beside each other do not hand out the same. */
function bridgeOf(folder: string): { bridge: string; pool: string } {
  const made = join(folder, 'bridge');
  if (existsSync(made)) return poolOf(readFileSync(made, 'utf8'));
  for (let number = process.pid % 100;; number = (number + 1) % 100) {
    const bridge = `${BRIDGE}${number}`;
    if (spawnSync('ip', ['link', 'add', 'name', bridge, 'type', 'bridge']).status !== 0) {
      if (number === (process.pid + 99) % 100) throw new Error('no bridge can be made; is iproute2 there?');
      continue;
    }
    spawnSync('ip', ['addr', 'add', `10.${100 + number}.0.1/24`, 'dev', bridge]);
    spawnSync('ip', ['link', 'set', bridge, 'up']);
    writeFileSync(made, bridge);
    return poolOf(bridge);
  }
}

function poolOf(bridge: string): { bridge: string; pool: string } {
  return { bridge, pool: `10.${100 + Number(bridge.slice(BRIDGE.length))}.128.0/17` };
}

/** Ends daemons of runs that were killed before they could. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(PARENT).filter((entry) => entry.startsWith(PREFIX))) {
    const owner = join(PARENT, name, 'owner');
    if (!existsSync(owner)) continue;
    const [pid, start] = readFileSync(owner, 'utf8').split(' ');
    if (processStartTime(Number(pid)) !== start) await endDaemon(join(PARENT, name));
  }
}

async function removeContainers(host: string): Promise<void> {
  const docker = await connectDocker({ host, env: {}, timeoutMs: 5000 });
  try {
    const all = await docker.containers.list({ all: true });
    await Promise.all(
      all.map(({ Id }) => docker.containers.remove(Id, { force: true }).catch(() => undefined)),
    );
  } catch {
    // It is ended anyway; what hangs is killed with it.
  } finally {
    docker.close();
  }
}

async function endProcess(file: string): Promise<void> {
  const [pid, start] = readFileSync(file, 'utf8').split(' ');
  const alive = () => processStartTime(Number(pid)) === start;
  if (!alive()) return;
  process.kill(Number(pid), 'SIGTERM');
  await until(() => !alive(), 'the end of a process', 15_000).catch(() =>
    process.kill(Number(pid), 'SIGKILL')
  );
}

/** Network namespaces and the file systems of containers stay mounted when a daemon is killed. */
function unmountBelow(folder: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) =>
    line.split(' ')[1] ?? ''
  );
  for (const path of mounts.filter((entry) => entry.startsWith(`${folder}/`)).reverse()) {
    spawnSync('umount', ['-l', path]);
  }
}
