/**
 * Containers whose node or engine is disturbed while they are being made: stops and orderly ends of the node at any moment,
 * an engine that hangs, a neighbour on the same engine. Each job has its true end, and nothing stays on the engine.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DaemonControl } from '../engine/docker/support/daemon_control.ts';
import { connectedNodes, startCompute } from '../support/cluster.ts';
import {
  dockerd,
  dockerMissing,
  privateDockerd,
  type TestDocker,
  type TestRegistry,
} from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { until } from '../support/until.ts';

const there = await dockerd();
if (!there) console.log(dockerMissing());

const HTTP = { Network: { Type: 'HTTP', Domains: ['example.com'] } };

describe.skipIf(!there)('containers', { timeout: 180_000 }, () => {
  let docker: TestDocker & AsyncDisposable;
  let registry: TestRegistry;
  let cluster: DockerCluster;
  let image: string;
  let remote: string;

  beforeAll(async () => {
    docker = await privateDockerd();
    registry = await docker.registry();
    image = await docker.image();
    const local = await docker.image('bacalhau-test/remote:1', [], {
      ballast: randomBytes(40 << 20).toString('latin1'),
    });
    remote = (await registry.push(local, 'remote:1')).ref;
    await docker.docker.images.remove(local, { force: true });
    cluster = await DockerCluster.start('bun', docker, ['Compute.SweepInterval=2s']);
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await docker?.[Symbol.asyncDispose]();
  });
  afterEach(() => cluster.nothingLeft(30_000));

  const submit = (script: string, task: Record<string, unknown> = {}, from = image) =>
    cluster.submit(dockerJob({
      image: from,
      parameters: ['sh', '-c', script],
      task: { Resources: { CPU: '0.1', Memory: '32mb' }, ...task },
    }));
  const forget = () => docker.docker.images.remove(remote, { force: true }).catch(() => undefined);
  const pause = (ms: number) => new Promise((next) => setTimeout(next, ms));

  async function stop(id: string): Promise<void> {
    using api = cluster.api();
    await api.json('DELETE', `/api/v1/orchestrator/jobs/${id}`);
  }

  /** Its output when it has completed, in its only execution. */
  async function completed(id: string): Promise<string> {
    expect(await cluster.ended(id)).toMatchObject({ StateType: 'Completed' });
    const executions = await cluster.executions(id);
    expect(executions).toHaveLength(1);
    return executions[0]!.RunOutput!.Stdout;
  }

  it('stopped at any moment of their making are gone', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 16; count++) {
      if (count % 4 === 0) await forget();
      const id = await submit('sleep 1000', count % 2 ? HTTP : {}, count % 4 < 2 ? remote : image);
      ids.push(id);
      await pause(count * 50);
      await stop(id);
    }
    for (const id of ids) expect(await cluster.ended(id)).toMatchObject({ StateType: 'Stopped' });
  });

  it.each([0, 100, 300, 700])(
    'whose node is ended in order after %i ms go on at its next start',
    async (ms) => {
      await forget();
      const ids = await Promise.all([
        submit('echo a; sleep 0.5; echo b'),
        submit('echo a; echo b', {}, remote),
        submit('echo a; sleep 1; echo b', HTTP),
      ]);
      await pause(ms);
      expect(await cluster.compute.end()).toBe(0);
      await cluster.startCompute();
      expect(await Promise.all(ids.map(completed))).toEqual(['a\nb\n', 'a\nb\n', 'a\nb\n']);
    },
  );

  it('of an engine that hangs for 20 s end as if it had not', async () => {
    const daemon = new DaemonControl(docker);
    const running = await submit('echo a; sleep 3; echo b');
    await until(async () => (await cluster.cli('job', 'logs', running)).stdout === 'a\n', 'it runs');
    const stopped = await submit('sleep 1000');
    await until(async () => (await docker.ours(cluster.install)).containers.length === 2, 'it runs, too');
    daemon.freeze();
    try {
      const made = await submit('echo c');
      await stop(stopped);
      await pause(20_000);
      daemon.thaw();
      expect(await completed(running)).toBe('a\nb\n');
      expect(await completed(made)).toBe('c\n');
    } finally {
      daemon.thaw();
    }
  });

  it('of two nodes on one engine are left alone by the other and its sweeps', async () => {
    const name = 'n-neighbour';
    const start = () =>
      startCompute('bun', cluster.folder, name, cluster.orchestrator.natsPort, [
        '-c',
        'Compute.SweepInterval=500ms',
      ], docker.env);
    let neighbour = await start();
    try {
      await connectedNodes(cluster.orchestrator.apiPort, [name]);
      // Somebody else's, with labels as ours.
      const { Id } = await docker.docker.containers.create({
        Image: image,
        Cmd: ['sleep', '1000'],
        Labels: {
          'bacalhau.install': 'another',
          'bacalhau.execution': 'e-another',
          'bacalhau.run': '1',
          'bacalhau-executor': 'bacalhau-n-docker',
        },
      });
      const ids = await Promise.all(
        Array.from({ length: 8 }, (_, index) => submit('echo a; sleep 3; echo b', index % 2 ? HTTP : {})),
      );
      await until(async () => {
        const nodes = await Promise.all(ids.map(async (id) => (await cluster.executions(id))[0]?.NodeID));
        return new Set(nodes).size === 2 && !nodes.includes(undefined);
      }, 'both have some');
      await neighbour.kill('SIGKILL');
      neighbour = await start();
      for (const id of ids) expect(await completed(id)).toBe('a\nb\n');
      expect((await docker.docker.containers.inspect(Id)).State.Status).toBe('created');
      await docker.docker.containers.remove(Id, { force: true });
      await until(async () => (await docker.ours()).containers.length === 0, 'nothing is left of either');
    } finally {
      await neighbour.end();
    }
  });
});
