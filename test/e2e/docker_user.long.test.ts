/**
 * A node that is not root, only of the group that may use the engine: what containers write as other users is published,
 * and gone afterwards.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { dockerd, dockerMissing, privateDockerd } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const there = await dockerd();
if (!there) console.log(dockerMissing());

const USER = 4711;
/** The group of the engine's socket. */
const GROUP = 4712;

const PROGRAMS: Readonly<
  Record<string, { readonly script: string; readonly files: Record<string, string> }>
> = {
  'a folder of root': { script: 'mkdir /out/d; echo x > /out/d/f', files: { 'd/f': 'x\n' } },
  'files that only root may read': {
    script: 'umask 077; mkdir -p /out/d/e; echo x > /out/d/e/f; echo y > /out/g',
    files: { 'd/e/f': 'x\n', g: 'y\n' },
  },
  'a result path that was taken away': {
    script: 'echo z > /out/f; chmod 0 /out/f; chown 5:5 /out; chmod 0 /out',
    files: { f: 'z\n' },
  },
  'a sticky folder of somebody else, a link that leads out and a pipe': {
    script: 'mkdir /out/s; echo s > /out/s/f; chown -R 5:5 /out/s; chmod 1777 /out/s; ' +
      'ln -s /etc /out/s/etc; mkfifo -m 0 /out/s/pipe',
    files: { 's/f': 's\n' },
  },
};

it.skipIf(!there)('a node that is not root publishes what containers wrote, and removes it', async () => {
  await using docker = await privateDockerd(['--group', String(GROUP)]);
  chmodSync(dirname(docker.host.replace('unix://', '')), 0o711);
  const wrapper = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, `--groups=${GROUP}`, '--'];
  await using cluster = await DockerCluster.start('bun', docker, [], { wrapper, owner: USER });
  const image = await docker.image();
  // One line for each start of a program.
  const begun = join(cluster.folder, 'data', 'begun');
  mkdirSync(begun);
  let number = 0;
  for (const [name, { script, files }] of Object.entries(PROGRAMS)) {
    const mark = String(++number);
    const id = await cluster.submit(dockerJob({
      image,
      parameters: ['sh', '-c', `echo begun | tee -a /begun/${mark}; ${script}`],
      task: {
        ResultPaths: [{ Name: 'out', Path: '/out' }],
        Publisher: { Type: 'local' },
        InputSources: [{
          Source: { Type: 'local', Params: { SourcePath: begun, ReadWrite: true } },
          Target: '/begun',
        }],
      },
    }));
    expect(await cluster.ended(id), name).toMatchObject({ StateType: 'Completed' });
    const executions = await cluster.executions(id);
    expect(executions, name).toHaveLength(1);
    expect(executions[0]!.RunOutput, name).toMatchObject({ Stdout: 'begun\n', ExitCode: 0, ErrorMsg: '' });
    expect(readFileSync(join(begun, mark), 'utf8'), name).toBe('begun\n');

    await using folder = await temporaryFolder();
    const got = await cluster.cli('job', 'get', id, '--output-dir', folder.path);
    expect(got.code, got.stderr).toBe(0);
    for (const [path, content] of Object.entries(files)) {
      expect(readFileSync(join(folder.path, 'out', path), 'utf8'), `${name}: ${path}`).toBe(content);
    }
    const runs = join(cluster.folder, 'n-docker', 'compute', 'runs', executions[0]!.ID, '1');
    await until(() => readdirSync(runs).join() === 'log', `${name}: results are gone`);
  }
  await cluster.nothingLeft();
});
