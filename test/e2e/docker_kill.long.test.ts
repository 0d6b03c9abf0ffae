/**
 * Must-hold 2 of containers: 200 runs while their node is killed with SIGKILL at random moments, again and again, some of
 * them while it still recovers from the one before. In the end every job has its true result, in one execution whose program
 * was started once, and neither the engine nor the host holds anything of ours.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';
import { Random } from '../sim/random.ts';
import { dockerd, dockerMissing, privateDockerd, type TestDocker } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { isAlive } from '../support/program.ts';
import { until } from '../support/until.ts';
import { complaints, killedRuns, type Kind } from './support/killed_runs.ts';

const there = await dockerd();
if (!there) console.log(dockerMissing());

const RUNS = Number(process.env.BACALHAU_KILL_RUNS ?? 200);
const SEED = Number(process.env.BACALHAU_KILL_SEED ?? 1);
const PER_LIFE = 8;
const NODE = 'n-docker';

it.skipIf(!there)(`${RUNS} runs survive kill -9 of their node at random moments`, async () => {
  const random = new Random(SEED);
  // Its own, so that all that is left on it is ours.
  await using docker = await privateDockerd();
  await using registry = await docker.registry();
  const images = await Promise.all([0, 1, 2].map((number) => remoteImage(docker, registry, number)));
  await using server = await pongServer();
  const image = await docker.image();
  await using cluster = await DockerCluster.start('bun', docker);
  const kinds = killedRuns(server.url);
  const begun = join(cluster.folder, 'data', 'begun');
  mkdirSync(begun, { recursive: true });
  const body = ({ script, parameters, task, outputs }: Kind, image: string) => {
    const early = outputs ? 'echo early > /outputs/early; ' : '';
    return dockerJob({
      image,
      parameters: parameters ??
        ['sh', '-c', `echo begun >> /begun/$BACALHAU_EXECUTION_ID; ${early}${script}`],
      task: {
        // Not all of one life at once: some are killed in the queue.
        Resources: { CPU: '0.3', Memory: '32mb' },
        InputSources: [{
          Source: { Type: 'local', Params: { SourcePath: begun, ReadWrite: true } },
          Target: '/begun',
        }],
        ...(outputs && {
          ResultPaths: [{ Name: 'outputs', Path: '/outputs' }],
          Publisher: { Type: 'local' },
        }),
        ...task,
      },
    });
  };

  const all: { readonly id: string; readonly kind: Kind }[] = [];
  const stops: Promise<unknown>[] = [];
  for (let life = 0; all.length < RUNS; life++) {
    const remote = images[life % images.length]!;
    await docker.docker.images.remove(remote, { force: true }).catch(() => undefined);
    for (let count = 0; count < PER_LIFE; count++) {
      const kind = random.pick(kinds);
      const id = await cluster.submit(body(kind, kind.pulled ? remote : image));
      all.push({ id, kind });
      if (kind.stopped) stops.push(stopAfter(id, random.next() * 2_000));
    }
    await new Promise((next) => setTimeout(next, random.next() * 1_500));
    await cluster.compute.kill('SIGKILL');
    if (random.chance(0.3)) {
      let settled = false; // it is killed, or was faster
      void cluster.startCompute().catch(() => undefined).finally(() => settled = true);
      await new Promise((next) => setTimeout(next, random.next() * 600));
      // Again and again: right after its fork a process does not yet have its command line.
      await until(() => {
        for (const pid of processesOf(`${join(cluster.folder, NODE)}\0`)) process.kill(pid, 'SIGKILL');
        return settled;
      }, 'the life in between has ended');
    }
    await cluster.startCompute();
  }
  await Promise.all(stops);

  const published = (executionId: string) => {
    const archive = join(cluster.folder, NODE, 'compute/results/local-publisher', `${executionId}.tar.gz`);
    if (!existsSync(archive)) return null;
    return (file: string) =>
      spawnSync('tar', ['-xzOf', archive, file], { encoding: 'utf8', maxBuffer: 1 << 24 }).stdout;
  };
  const hasBegun = (executionId: string) => existsSync(join(begun, executionId));
  const found: string[] = [];
  for (const { id, kind } of all) {
    const state = await cluster.ended(id, 120_000).catch(async () => await cluster.job(id));
    found.push(...complaints(id, kind, state, await cluster.executions(id), published, hasBegun));
  }
  expect(found).toEqual([]);
  // A program that began twice for one execution wrote two lines.
  const twice = readdirSync(begun).filter((name) => readFileSync(join(begun, name), 'utf8') !== 'begun\n');
  expect(twice).toEqual([]);
  await cluster.nothingLeft(30_000);
  await cluster.compute.end();
  expect(await cluster.left()).toEqual([]);
  expect(await leftOnEngine(docker)).toEqual({ containers: [], networks: [], volumes: [], mounts: [] });
  expect(leftInFolder(join(cluster.folder, NODE, 'compute', 'runs'))).toEqual([]);
  // Of any life, forwarders above all.
  await until(() => processesOf(join(cluster.folder, NODE)).length === 0, 'no process of the node is left');

  async function stopAfter(id: string, ms: number): Promise<void> {
    await new Promise((next) => setTimeout(next, ms));
    using api = cluster.api();
    await api.json('DELETE', `/api/v1/orchestrator/jobs/${id}`);
  }
});

/** Large enough that pulling it takes a while. */
async function remoteImage(
  docker: TestDocker,
  registry: Awaited<ReturnType<TestDocker['registry']>>,
  number: number,
): Promise<string> {
  const local = await docker.image(`bacalhau-test/remote:${number}`, [], {
    'ballast': randomBytes(12 << 20).toString('latin1'),
  });
  const { ref } = await registry.push(local, `remote:${number}`);
  for (const name of [local, ref]) await docker.docker.images.remove(name, { force: true });
  return ref;
}

/** On an address that is not the loopback's, which a job has for itself. */
async function pongServer(): Promise<{ url: URL } & AsyncDisposable> {
  const host = Object.values(networkInterfaces()).flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)!.address;
  const server = createServer((_, response) => response.end('pong\n'));
  await new Promise<void>((listening) => server.listen(0, host, listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://${host}:${port}/`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Whatever bears no label, too: file systems of containers, their shared memory and their network namespaces. */
async function leftOnEngine({ docker, host }: TestDocker) {
  const folder = dirname(host.slice('unix://'.length));
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) =>
    line.split(' ')[4] ?? ''
  )
    .filter((path) => path.startsWith(`${folder}/`) && /\/merged$|\/shm$|\/netns\/(?!default$)/.test(path));
  const builtIn = ['bridge', 'host', 'none'];
  return {
    containers: (await docker.containers.list({ all: true })).map(({ Names }) => Names[0]),
    networks: (await docker.networks.list()).map(({ Name }) => Name).filter((name) =>
      !builtIn.includes(name)
    ),
    volumes: (await docker.volumes.list()).map(({ Name }) => Name),
    mounts,
  };
}

/** Of an execution that has ended only its log is kept, for a while. */
function leftInFolder(runs: string): string[] {
  return readdirSync(runs).flatMap((execution) =>
    readdirSync(join(runs, execution)).flatMap((run) =>
      readdirSync(join(runs, execution, run)).filter((name) =>
        !['log', 'network-decisions.jsonl'].includes(name)
      )
        .map((name) => `${execution}/${run}/${name}`)
    )
  );
}

/** Ids of the processes that name the text on their command line. */
function processesOf(text: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false; // it ended meanwhile
    }
  });
}
