/** The executable on podman's service instead of dockerd, by DOCKER_HOST alone. What differs is in runtime/docker/README.md. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TestDocker } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { podman } from '../support/podman.ts';
import { type Ended } from '../support/program.ts';
import { until } from '../support/until.ts';

const host = await podman((reason) => console.log(reason));

const idOf = ({ stdout }: Ended) => /\b(j-[a-f0-9-]{36})\b/.exec(stdout)![1]!;

describe.skipIf(!host)('docker run on podman', { timeout: 120_000 }, () => {
  const engine = host as TestDocker & AsyncDisposable;
  let cluster: DockerCluster;
  let image: string;
  const client = (...args: readonly string[]) => cluster.cli('docker', 'run', ...args);
  const logs = async (id: string) => (await cluster.cli('job', 'logs', id)).stdout;

  beforeAll(async () => {
    image = await engine.image();
    cluster = await DockerCluster.start('bun', engine);
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });
  afterEach(() => cluster.nothingLeft());

  async function submit(script: string, task: Record<string, unknown> = {}): Promise<string> {
    const body = dockerJob({
      image,
      parameters: ['sh', '-c', script],
      task: { Resources: { CPU: '0.5', Memory: '64mb' }, ...task },
    });
    return await cluster.submit(body);
  }

  /** The one result of a job that has ended. */
  async function result(id: string) {
    const state = await cluster.ended(id);
    const executions = await cluster.executions(id);
    expect(executions).toHaveLength(1);
    return { state, ...executions[0]!.RunOutput };
  }

  it('prints on both streams', async () => {
    const id = await submit('echo out; echo err >&2');
    expect(await result(id)).toMatchObject({
      state: { StateType: 'Completed' },
      Stdout: 'out\n',
      stderr: 'err\n',
      ExitCode: 0,
    });
  });

  it('reads inputs, writes outputs, keeps its exit code', async () => {
    const data = join(cluster.folder, 'data/books');
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'a.txt'), 'one two three\n');
    const ended = await client(
      ...['-i', `file://${data}:/inputs`, '-o', 'outputs:/outputs', '-p', 'local'],
      ...[image, '--', 'sh', '-c', 'wc -w < /inputs/a.txt | tee /outputs/words; touch /inputs/x || exit 4'],
    );
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('exit code 4') });
    const folder = join(cluster.folder, 'result');
    await cluster.cli('job', 'get', idOf(ended), '--output-dir', folder);
    const file = (name: string) => readFileSync(join(folder, name), 'utf8');
    expect([file('outputs/words'), file('stdout'), file('exitCode')]).toEqual(['3\n', '3\n', '4']);
    expect(file('stderr')).toMatch(/read-only/i);
  });

  it('says what it cannot start', async () => {
    const { stderr, code } = await client(image, '--', '/no/such/program');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Cannot start task "main": exec: "\/no\/such\/program": .*no such file or directory$/m,
    );
    expect(stderr).toContain('Hint:');
  });

  it('stops on request and at its time limit', async () => {
    const id = await submit('echo up; exec sleep 1000');
    await until(async () => await logs(id) === 'up\n', 'it has written');
    expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
    await cluster.nothingLeft();
    expect((await cluster.job(id)).StateType).toBe('Stopped');
    const late = await submit('echo up; exec sleep 1000', { Timeouts: { ExecutionTimeout: 2 } });
    expect(await result(late)).toMatchObject({
      state: { StateType: 'Failed', Message: expect.stringMatching(/timed out/) },
      Stdout: 'up\n',
    });
  });

  it('knows networks: none, a port, named domains only', async () => {
    const none = await submit('ls /sys/class/net', { Network: { Type: 'None' } });
    const port = await submit('echo $BACALHAU_PORT_web', {
      Network: { Type: 'Bridge', Ports: [{ Name: 'web', Target: 80 }] },
    });
    const http = await submit('wget -qO- http://127.0.0.2:1/ 2>&1; echo $http_proxy', {
      Network: { Type: 'HTTP', Domains: ['example.com'] },
    });
    expect((await result(none)).Stdout).toBe('lo\n');
    expect((await result(port)).Stdout).toBe('80\n');
    const { Stdout } = await result(http);
    expect(Stdout).toMatch(/403 Forbidden/);
    expect(Stdout).toMatch(/^http:\/\/127\.0\.0\.1:3128$/m);
  });

  it('pulls by itself: the engine cannot ask a registry at bid time', async () => {
    await using registry = await engine.registry();
    const { ref } = await registry.push(image, 'pulled:1');
    await engine.docker.images.remove(ref, { force: true });
    const ended = await client(ref, '--', 'echo', 'pulled');
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(await logs(idOf(ended))).toBe('pulled\n');
    const absent = await client(`${registry.address}/absent:1`, '--', 'true');
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain(`${registry.address}/absent:1`);
    expect(absent.stderr).toContain('Hint:');
  });

  it('outlives kill -9 of its node: adopted while it runs, harvested when it has ended', async () => {
    const lines = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');
    const running = await submit(
      'i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; sleep 0.05; done; exit 7',
    );
    await until(async () => (await logs(running)).includes('\n10\n'), 'it prints');
    await cluster.compute.kill('SIGKILL');
    await cluster.startCompute();
    expect(await result(running)).toMatchObject({ Stdout: lines(100), ExitCode: 7 });

    const ending = await submit('echo up; sleep 1; seq 300; exit 8');
    await until(async () => await logs(ending) === 'up\n', 'it prints');
    await cluster.compute.kill('SIGKILL');
    await until(
      async () => (await engine.ours(cluster.install)).containers.every((name) => name.endsWith(' exited')),
      'it has ended',
    );
    await cluster.startCompute();
    expect(await result(ending)).toMatchObject({ Stdout: `up\n${lines(300)}`, ExitCode: 8 });
  });
});
