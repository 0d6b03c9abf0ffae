/**
 * Containers as a user meets them: the executable against a real Docker engine. Each ending is looked at from both sides,
 * the job's (state, output, files, exit code of the client) and the engine's (containers, networks, volumes, mounts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dockerd, dockerMissing, type TestDocker } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { type Ended, type Runtime } from '../support/program.ts';
import { until } from '../support/until.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

const idOf = ({ stdout }: Ended) => /\b(j-[a-f0-9-]{36})\b/.exec(stdout)![1]!;

/** Whether the port can be bound on all addresses. */
function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer().once('error', () => answer(false));
    server.listen(port, '0.0.0.0', () => server.close(() => answer(true)));
  });
}

const get = async (port: number) => await (await fetch(`http://127.0.0.1:${port}/`)).text();

describe.skipIf(!docker).each<Runtime>(['bun', 'deno'])('docker run, %s', { timeout: 90_000 }, (runtime) => {
  let cluster: DockerCluster;
  let image: string;
  const client = (...args: readonly string[]) => cluster.cli('docker', 'run', ...args);
  const folderOf = (name: string) => join(cluster.folder, name);
  async function getResult(id: string): Promise<(file: string) => string> {
    const folder = folderOf(`result-${id}`);
    expect(await cluster.cli('job', 'get', id, '--output-dir', folder)).toMatchObject({
      code: 0,
    });
    return (file) => readFileSync(join(folder, file), 'utf8');
  }

  beforeAll(async () => {
    image = await (docker as TestDocker).image();
    cluster = await DockerCluster.start(runtime, docker as TestDocker, [
      'Compute.Limits.DiskCheckInterval=200ms',
    ]);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  // Whatever a test does, nothing of it stays on the engine.
  afterEach(() => cluster.nothingLeft());

  it('prints the job id, its history and its result', async () => {
    const ended = await client(image, '--', 'echo', 'hi');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(/Job ID: j-[a-f0-9-]{36}\n/);
    expect(ended.stdout).toContain(' TIME          EXEC. ID    TOPIC            EVENT');
    expect(ended.stdout).toMatch(/e-[a-f0-9]{8} +Execution +Running/);
    const id = idOf(ended);
    expect(await cluster.cli('job', 'logs', id)).toMatchObject({ code: 0, stdout: 'hi\n' });
    expect((await cluster.cli('job', 'describe', id)).stdout).toMatch(/hi/);
    expect((await cluster.executions(id)).map(({ RunOutput }) => RunOutput)).toMatchObject([
      { Stdout: 'hi\n', stderr: '', ExitCode: 0 },
    ]);
  });

  it('streams the output of docker run -f', async () => {
    const ended = await client(
      '-f',
      image,
      '--',
      'sh',
      '-c',
      'for i in 1 2 3; do echo line $i; sleep 0.2; done',
    );
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(/\nline 1\nline 2\nline 3\n$/);
  });

  it('counts the words of a mounted folder into an output', async () => {
    const data = folderOf('data/books');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'a.txt'), 'one two three\n');
    await writeFile(join(data, 'b.txt'), 'four\nfive\n');
    const ended = await client(
      ...['-i', `file://${data}:/inputs`, '-o', 'outputs:/outputs', '-p', 'local', '-w', '/inputs'],
      ...[image, '--', 'sh', '-c', 'cat *.txt | wc -w | tee /outputs/words.txt'],
    );
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    const result = await getResult(idOf(ended));
    expect([result('outputs/words.txt'), result('stdout'), result('stderr'), result('exitCode')])
      .toEqual(['5\n', '5\n', '', '0']);
  });

  it('keeps inputs read-only, lets a program that is not root write its outputs', async () => {
    const data = folderOf('data/kept');
    await mkdir(data, { recursive: true });
    const user = await (docker as TestDocker).image('bacalhau-test/user:1', ['USER 1000:1000']);
    const script = 'id -u > /outputs/who; touch /inputs/x';
    const ended = await client(
      ...[
        '-i',
        `file://${data}:/inputs`,
        '-o',
        'outputs:/outputs',
        '-p',
        'local',
        user,
        '--',
        'sh',
        '-c',
        script,
      ],
    );
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('exit code 1');
    const result = await getResult(idOf(ended));
    expect(result('outputs/who')).toBe('1000\n');
    expect(result('stderr')).toMatch(/read-only/i);
    expect(existsSync(join(data, 'x'))).toBe(false);
    const writable = await client(
      '-i',
      `src=file://${data},dst=/inputs,opt=rw=true`,
      image,
      '--',
      'touch',
      '/inputs/x',
    );
    expect(writable).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(data, 'x'))).toBe(true);
  });

  it('replaces the entry point and gives the environment', async () => {
    const ended = await client(
      '--entrypoint',
      '/bin/sh,-c',
      '-e',
      'A=x y',
      '-f',
      image,
      '--',
      'echo "$A" $BACALHAU_JOB_TYPE',
    );
    expect(ended.stdout).toMatch(/\nx y batch\n$/);
  });

  describe('an ending', () => {
    /** What every ending keeps: output up to it, an output folder, the exit code where there is one. */
    async function kept(id: string, stdout: string): Promise<void> {
      expect((await cluster.cli('job', 'logs', id)).stdout).toBe(stdout);
      const result = await getResult(id);
      expect(result('stdout')).toBe(stdout);
      expect(result('outputs/partial')).toBe('partial\n');
    }
    const begin = 'echo out; echo partial > /outputs/partial; ';
    const flags = ['-o', 'outputs:/outputs', '-p', 'local'];

    it('by an exit code: told, propagated, everything kept', async () => {
      const ended = await client(
        ...flags,
        '--propagate-exit-code',
        image,
        '--',
        'sh',
        '-c',
        `${begin}exit 3`,
      );
      expect(ended.code).toBe(3);
      expect(ended.stderr).toContain('exit code 3');
      const id = idOf(ended);
      expect(await cluster.job(id)).toMatchObject({ StateType: 'Failed' });
      await kept(id, 'out\n');
      // The program's own fault: tried once.
      expect((await cluster.executions(id)).map(({ RunOutput }) => RunOutput?.ExitCode)).toEqual([3]);
    });

    it('by a signal of its own', async () => {
      const ended = await client(image, '--', 'sh', '-c', "sh -c 'kill -SEGV $$'; exit $?");
      expect(ended.code).toBe(1);
      expect((await cluster.executions(idOf(ended)))[0]!.RunOutput).toMatchObject({ ExitCode: 139 });
    });

    it('by its time-out', async () => {
      const ended = await client(
        ...flags,
        '--timeout',
        '2',
        image,
        '--',
        'sh',
        '-c',
        `${begin}exec sleep 1000`,
      );
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(/time/i);
      await kept(idOf(ended), 'out\n');
    });

    it('by job stop', async () => {
      const started = await client(
        ...flags,
        '--wait=false',
        image,
        '--',
        'sh',
        '-c',
        `${begin}exec sleep 1000`,
      );
      const id = idOf(started);
      await until(async () => (await cluster.cli('job', 'logs', id)).stdout === 'out\n', 'it has written');
      const follower = cluster.begin('job', 'logs', '--follow', id);
      await follower.line(/^out$/);
      expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
      // The stream closes by itself.
      await until(() => follower.child.exitCode === 0, 'the follower has ended');
      await cluster.nothingLeft();
      expect((await cluster.job(id)).StateType).toBe('Stopped');
      await kept(id, 'out\n');
    });

    it('by memory: said plainly, with a hint, everything kept', async () => {
      const ended = await client(
        ...flags,
        '--memory',
        '32mb',
        image,
        '--',
        'sh',
        '-c',
        `${begin}exec tail /dev/zero`,
      );
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(/memory/i);
      expect(ended.stderr).toContain('Hint:');
      await kept(idOf(ended), 'out\n');
    });

    it('by disk', async () => {
      const script = `${begin}dd if=/dev/zero of=/outputs/big bs=1M count=200; sleep 1000`;
      const ended = await client(...flags, '--disk', '50mb', image, '--', 'sh', '-c', script);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toMatch(/disk/i);
      expect((await cluster.cli('job', 'logs', idOf(ended))).stdout).toContain('out\n');
    });

    it('before it began: no such program', async () => {
      const ended = await client(image, '--', '/no/such/program');
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain('/no/such/program');
      expect(ended.stderr).toContain('Hint:');
      expect(await cluster.executions(idOf(ended))).toHaveLength(1);
    });

    it('before it began: no such image', async () => {
      await using registry = await (docker as TestDocker).registry();
      const ended = await client(`${registry.address}/none:1`, '--', 'true');
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain(`${registry.address}/none:1`);
      expect(ended.stderr).toContain('Hint:');
    });
  });

  it('pulls an image that only a registry has, and says so in the history', async () => {
    await using registry = await (docker as TestDocker).registry();
    const { ref } = await registry.push(image, `pulled-${runtime}:1`);
    await (docker as TestDocker).docker.images.remove(ref, { force: true });
    const ended = await client(ref, '--', 'echo', 'pulled');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(/pull/i);
    expect((await cluster.executions(idOf(ended)))[0]!.RunOutput!.Stdout).toBe('pulled\n');
  });

  it('removes the volumes that an image declares', async () => {
    const declaring = await (docker as TestDocker).image('bacalhau-test/volume:1', ['VOLUME /kept']);
    const id = idOf(await client('--wait=false', declaring, '--', 'sleep', '1000'));
    const { containers, volumes } = (docker as TestDocker).docker;
    const volume = await until(async () => {
      const [container] = await containers.list({
        filters: { label: [`bacalhau.install=${cluster.install}`], status: ['running'] },
      });
      return container &&
        (await containers.inspect(container.Id)).Mounts.find(({ Type }) => Type === 'volume')?.Name;
    }, 'the container runs');
    const names = async () => (await volumes.list()).map(({ Name }) => Name);
    expect(await names()).toContain(volume);
    await cluster.cli('job', 'stop', id);
    await cluster.nothingLeft();
    expect(await names()).not.toContain(volume);
  });

  it('publishes ports: answered from the host, two on one node differ, free again when stopped', async () => {
    const web = [
      'sh',
      '-c',
      'echo "$BACALHAU_HOST_PORT_http" > /tmp/index.html; exec httpd -f -p 80 -h /tmp',
    ];
    const id = idOf(
      await client('--count', '2', '--port', 'name=http,target=80', '--wait=false', image, '--', ...web),
    );
    const ports = await cluster.ports(id, 'http', 2);
    expect(ports).toHaveLength(2);
    for (const port of ports) {
      const said = await until(() => get(port).catch(() => ''), `port ${port} answers`);
      // Each tells its own port, so it was this container that answered.
      expect(said).toBe(`${port}\n`);
      expect(await isFree(port)).toBe(false);
    }
    expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
    await cluster.nothingLeft();
    expect(await Promise.all(ports.map(isFree))).toEqual([true, true]);
  });

  it('publishes a fixed port, and refuses a second job that wants it', async () => {
    const holder = createServer();
    const port = await new Promise<number>((ready) =>
      holder.listen(0, '0.0.0.0', () => ready((holder.address() as { port: number }).port))
    );
    await new Promise((closed) => holder.close(closed));
    const web = [image, '--', 'httpd', '-f', '-p', '80', '-h', '/etc'];
    const fixed = ['--port', `name=http,target=80,static=${port}`];
    const id = idOf(await client(...fixed, '--wait=false', ...web));
    const passwd = () => fetch(`http://127.0.0.1:${port}/passwd`).then((answer) => answer.text(), () => '');
    expect(await until(passwd, 'it answers')).toContain('root:');
    const second = await client(...fixed, '--queue-timeout', '0', ...web);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(String(port));
    await cluster.cli('job', 'stop', id);
    await cluster.nothingLeft();
    expect(await isFree(port)).toBe(true);
  });

  it('gives a job without network none, and a job on the host its ports', async () => {
    const none = await client('-f', '--network', 'none', image, '--', 'sh', '-c', 'ls /sys/class/net');
    expect(none.stdout).toMatch(/\n\nlo\n$/);
    const host = await client(
      '-f',
      '--network',
      'host',
      image,
      '--',
      'sh',
      '-c',
      `wget -qO- http://127.0.0.1:${cluster.orchestrator.apiPort}/api/v1/agent/alive`,
    );
    expect(host.stdout).toContain('OK');
  });

  it('runs many at once, each with its own output', async () => {
    const id = await cluster.submit(
      dockerJob({
        image,
        parameters: ['sh', '-c', 'echo $BACALHAU_EXECUTION_ID'],
        count: 8,
        task: { Resources: { CPU: '0.1', Memory: '32mb' } },
      }),
    );
    expect((await cluster.ended(id)).StateType).toBe('Completed');
    for (const { ID, RunOutput } of await cluster.executions(id)) expect(RunOutput!.Stdout).toBe(`${ID}\n`);
  });
});
