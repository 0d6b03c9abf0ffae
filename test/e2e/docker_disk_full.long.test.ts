/** A disk that jobs fill up, by outputs or by output: each gets its true end, the node lives on, and takes work again. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { until } from '../support/until.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

it.skipIf(!docker)('a full disk ends jobs, not the node', async () => {
  const image = await docker!.image();
  // More is granted than there is: the disk ends first.
  await using cluster = await DockerCluster.start('bun', docker!, ['Compute.AllocatedCapacity.Disk=10gb']);
  const data = join(cluster.folder, 'n-docker');
  const runs = join(data, 'compute', 'runs');
  const job = (script: string, task: Record<string, unknown> = {}) =>
    cluster.submit(dockerJob({ image, parameters: ['sh', '-c', script], task }));
  const said = async (id: string) => (await cluster.history(id)).map(({ Event }) => Event.Message).join('\n');

  await using _disk = await smallDisk(cluster, data);
  await until(() => readdirSync(join(data, 'compute')).includes('reserve'), 'room is kept in reserve');

  // Outputs: the program meets the full disk itself, and its own end is the result.
  const writes = await job('dd if=/dev/zero of=/out/big bs=1M count=100; exit 5', {
    ResultPaths: [{ Name: 'out', Path: '/out' }],
    Publisher: { Type: 'local' },
  });
  const full = { StateType: 'Failed', Message: expect.stringContaining('exit code 5') };
  expect(await cluster.ended(writes)).toMatchObject(full);
  const [{ RunOutput } = { RunOutput: null }] = await cluster.executions(writes);
  expect(RunOutput).toMatchObject({
    ExitCode: 5,
    stderr: expect.stringContaining('No space left on device'),
  });
  // They go with it.
  await until(() => {
    const { bavail, bsize } = statfsSync(data);
    return bavail * bsize > 45_000_000;
  }, 'there is room again');
  expect(await cluster.ended(await job('echo fine'))).toMatchObject({ StateType: 'Completed' });

  // Output: the log is the node's own. The work may be done elsewhere; here it waits for room.
  const prints = await job('head -c 100000000 /dev/zero; sleep 1000');
  await until(async () => /no room left on its disk/.test(await said(prints)), 'the disk is full');
  expect(await said(prints)).toMatch(/output of the program could not be kept.*no space left/i);
  expect(await cluster.job(prints)).toMatchObject({ StateType: 'Queued' });
  await until(
    async () => (await docker!.ours(cluster.install)).containers.length === 0,
    'nothing is left on the engine',
  );
  await cluster.cli('job', 'stop', prints);
  const waits = await job('echo fine');
  await until(async () => /no room left on its disk/.test(await said(waits)), 'it waits');
  for (const name of readdirSync(runs)) rmSync(join(runs, name), { recursive: true });
  // It is asked again after a while.
  expect(await cluster.ended(waits, 150_000)).toMatchObject({ StateType: 'Completed' });
  expect(cluster.compute.child.exitCode).toBeNull();
});

/** The compute node's data on a disk of its own until the end of the block; the node runs on it. */
async function smallDisk(cluster: DockerCluster, data: string): Promise<AsyncDisposable> {
  await cluster.compute.end();
  const former = `${data}.former`;
  renameSync(data, former);
  mkdirSync(data);
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', data], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`no small disk: ${stderr}`);
  cpSync(former, data, { recursive: true });
  await cluster.startCompute();
  return {
    async [Symbol.asyncDispose]() {
      await cluster.compute.end();
      spawnSync('umount', ['-l', data]);
    },
  };
}
