/** Images that are not made for jobs: no command, another user, volumes, variables, a stop signal, triggers. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { busyboxTar } from '../../support/docker_image.ts';
import { uniqueImage } from './images/support.ts';
import { logGrows, output, Workbench } from './support/workbench.ts';

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('an image', () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  const bare = async () => {
    await host!.docker.images.import(busyboxTar(), { repo: 'bacalhau-test/bare', tag: '1' });
    return 'bacalhau-test/bare:1';
  };

  it('without a command is a mistake of the user who names none, and runs with one', async () => {
    const image = await bare();
    const thrown = await bench.run({ image }).then(() => null, (error: unknown) => error);
    expect(thrown).toMatchObject({
      message: expect.stringMatching(/command/i),
      hint: expect.stringMatching(/./),
      details: { class: 'user' },
    });
    expect(await bench.left()).toEqual([]);
    expect(await bench.run({ image, params: { Entrypoint: ['/bin/echo', 'one'], Parameters: ['two'] } }))
      .toMatchObject({
        end: { kind: 'exited', exitCode: 0 },
        stdout: 'one two\n',
      });
  });

  it('that was removed between bid and run is said to be gone, and one of a registry comes back', async () => {
    const bid = async (image: string) => {
      const { task } = bench.request({ image, script: 'echo ran' });
      expect(await bench.engine.check(task)).toBeNull();
      return await bench.engine.pin!(task, new AbortController().signal);
    };
    const { docker } = host!;
    const built = await uniqueImage(host!);
    const pinned = await bid(built);
    await docker.images.remove(built);
    await expect(bench.run({ image: built, script: 'echo ran', pinned })).rejects.toMatchObject({
      code: 'ImageNotFound',
      message: expect.stringContaining('was here at bid time, has been removed'),
    });
    await using registry = await host!.registry();
    const own = await uniqueImage(host!);
    const { ref } = await registry.push(own, 'removed/between');
    const again = await bid(ref);
    for (const name of [own, ref]) await docker.images.remove(name, { force: true });
    expect(await bench.run({ image: ref, script: 'echo ran', pinned: again })).toMatchObject({
      stdout: 'ran\n',
    });
    expect(await bench.left()).toEqual([]);
  });

  it('with an entry point takes the parameters behind it', async () => {
    const image = await host!.image(undefined, ['ENTRYPOINT ["/bin/echo", "entry"]', 'CMD ["command"]']);
    expect((await bench.run({ image })).stdout).toBe('entry command\n');
    expect((await bench.run({ image, params: { Parameters: ['mine'] } })).stdout).toBe('entry mine\n');
  });

  it('with a user of its own can write to the outputs', async () => {
    const image = await host!.image(undefined, ['USER user']);
    const hostPath = bench.makeFolder('of-user', 'results', 'outputs');
    const { end, stdout, stderr } = await bench.run({
      image,
      directory: bench.makeFolder('of-user'),
      script: 'id -u; echo result > /outputs/file',
      outputs: [{ name: 'outputs', hostPath, path: '/outputs' }],
    });
    expect({ end, stdout, stderr }).toEqual({
      end: { kind: 'exited', exitCode: 0 },
      stdout: '1000\n',
      stderr: '',
    });
  });

  it('with a user that it does not have is refused with the reason', async () => {
    const image = await host!.image(undefined, ['USER nobody-here']);
    const thrown = await bench.run({ image, script: 'true' }).then(() => null, (error: unknown) => error);
    expect(thrown).toMatchObject({
      message: expect.stringMatching(/nobody-here/),
      details: { class: 'user' },
      hint: expect.stringMatching(/./),
    });
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
    expect(await bench.left()).toEqual([]);
  });

  it('with volumes leaves none of them behind', async () => {
    const image = await host!.image(undefined, ['VOLUME /data']);
    const { run, request } = await bench.started({ image, script: 'echo kept > /data/file; cat /data/file' });
    const { Mounts } = await host!.docker.containers.inspect(run.identity.id);
    const [volume] = Mounts.filter(({ Type }) => Type === 'volume');
    expect(volume?.Destination).toBe('/data');
    const names = async () => (await host!.docker.volumes.list()).map(({ Name }) => Name);
    expect(await names()).toContain(volume!.Name);
    expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    expect((await output(request)).stdout).toBe('kept\n');
    await run.remove();
    expect(await names()).not.toContain(volume!.Name);

    // Nor does one that was found by its labels alone.
    const lost = await bench.started({ image, script: 'sleep 600' });
    const { Mounts: mounts } = await host!.docker.containers.inspect(lost.run.identity.id);
    const name = mounts.find(({ Type }) => Type === 'volume')!.Name!;
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
    expect(await names()).not.toContain(name);
  });

  it('with variables has them under those of the job', async () => {
    const image = await host!.image(undefined, ['ENV A=image B=image']);
    const { stdout } = await bench.run({ image, script: 'echo $A $B $C', env: { B: 'job', C: 'job' } });
    expect(stdout).toBe('image job job\n');
  });

  it('with a working directory starts there unless the job names one', async () => {
    const image = await host!.image(undefined, ['WORKDIR /home/user']);
    expect((await bench.run({ image, script: 'pwd' })).stdout).toBe('/home/user\n');
    expect((await bench.run({ image, script: 'pwd', params: { WorkingDirectory: '/tmp' } })).stdout).toBe(
      '/tmp\n',
    );
  });

  it('with a stop signal is stopped by it', async () => {
    // An import knows no stop signal, a build does.
    const built = spawnSync('docker', ['--host', host!.host, 'build', '--quiet', '-'], {
      input: `FROM ${await host!.image()}\nSTOPSIGNAL SIGUSR1\n`,
      encoding: 'utf8',
    });
    expect(built.stderr).not.toMatch(/error/i);
    const image = built.stdout.trim();
    const script = 'trap "echo usr1; exit 7" USR1; trap "echo term; exit 8" TERM; echo ready; ' +
      'while :; do sleep 0.05; done';
    const { run, request } = await bench.started({ image, script });
    const end = run.wait();
    await logGrows(request.logPath, 'ready\n'.length);
    await run.stop(20_000);
    expect(await end).toMatchObject({ exitCode: 7 });
    expect((await output(request)).stdout).toBe('ready\nusr1\n');
    await run.remove();
  });

  it('with triggers for builds runs as it is', async () => {
    const image = await host!.image(undefined, ['ONBUILD RUN exit 1', 'CMD ["/bin/echo", "fine"]']);
    expect((await bench.run({ image })).stdout).toBe('fine\n');
  });
});
