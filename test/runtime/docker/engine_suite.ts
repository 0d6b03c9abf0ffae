/** What a client of the Engine API must be able to do, run against each engine that speaks it. */
import { createHash, randomBytes } from 'node:crypto';
import { Buffer } from 'node:buffer';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type AuthConfig,
  type ContainerCreate,
  DockerError,
  type DockerEvent,
  type OutputStream,
  parseReference,
  registryAuth,
} from '../../../runtime/docker/mod.ts';
import type { TestDocker } from '../../support/docker.ts';
import { temporaryFolder } from '../../support/program.ts';

export interface Options {
  /** Podman answers some in another way; each is a row in runtime/docker/README.md. */
  readonly podman: boolean;
  /** How much goes through one attach, in millions of bytes. */
  readonly megabytes: number;
}

export function engineSuite(name: string, engine: TestDocker | null, { podman, megabytes }: Options): void {
  describe.skipIf(!engine)(name, () => {
    if (!engine) return;
    const { docker, image: makeImage, registry } = engine;
    const { containers, images } = docker;
    const mine: string[] = [];

    const create = async (config: Partial<ContainerCreate>): Promise<string> => {
      const { Id } = await containers.create({
        Image: await makeImage(),
        HostConfig: { NetworkMode: 'none' },
        ...config,
      });
      mine.push(Id);
      return Id;
    };
    const sh = (script: string, config: Partial<ContainerCreate> = {}) =>
      create({ Cmd: ['/bin/sh', '-c', script], ...config });
    const runToEnd = async (id: string): Promise<number> => {
      const wait = containers.wait(id, 'next-exit');
      await wait.registered;
      await containers.start(id);
      return (await wait.result).StatusCode;
    };

    afterAll(async () => {
      await Promise.all(mine.map((id) => containers.remove(id, { force: true }).catch(() => undefined)));
      docker.close();
    });

    it('tells its version and negotiates the one to speak', async () => {
      await docker.ping();
      expect(await docker.apiVersion()).toMatch(/^1\.\d+$/);
      expect((await docker.version()).Os).toBe('linux');
      expect((await docker.info()).NCPU).toBeGreaterThan(0);
    });

    it('runs a container and gives its exit code and both streams', async () => {
      const id = await sh('echo out; echo err >&2; exit 3');
      const attached = await containers.attach(id, { stdout: true, stderr: true, stream: true });
      const output = collect(attached);
      expect(await runToEnd(id)).toBe(3);
      expect(await output).toEqual(['out\n', 'err\n']);
      const { State } = await containers.inspect(id);
      expect([State.Status, State.ExitCode, State.OOMKilled]).toEqual(['exited', 3, false]);
    });

    it('starts and stops what runs and what does not', async () => {
      const id = await sh('trap "exit 7" TERM; while :; do sleep 0.05; done');
      await containers.start(id);
      await containers.start(id);
      await containers.stop(id, { seconds: 5 });
      await containers.stop(id, { seconds: 5 });
      expect((await containers.inspect(id)).State.Running).toBe(false);
      await containers.remove(id);
      await expect(containers.inspect(id)).rejects.toMatchObject({ code: 'ContainerNotFound', subject: id });
    });

    it('writes stdin, and its end reaches the program', async () => {
      const id = await create({ Cmd: ['cat'], OpenStdin: true, StdinOnce: true, AttachStdin: true });
      const attached = await containers.attach(id, { stdin: true, stdout: true, stderr: true, stream: true });
      const output = collect(attached);
      await containers.start(id);
      await attached.write(Buffer.from('hello '));
      await attached.write(Buffer.from('there'));
      attached.endInput();
      expect((await output)[0]).toBe('hello there');
      expect((await containers.wait(id, 'not-running').result).StatusCode).toBe(0);
    });

    it(`passes ${megabytes} MB of binary bytes in both streams on unchanged`, async () => {
      const id = await sh(
        `head -c ${megabytes / 2}000000 /dev/urandom | tee /tmp/o; ` +
          `head -c ${megabytes / 2}000000 /dev/urandom | tee /tmp/e >&2`,
      );
      const attached = await containers.attach(id, { stdout: true, stderr: true, stream: true });
      const hashes = [createHash('sha256'), createHash('sha256')];
      let bytes = 0;
      const output = (async () => {
        for await (const batch of attached.batches()) {
          for (const frame of batch) {
            bytes += frame.bytes.length;
            hashes[frame.stream - 1]!.update(frame.bytes);
          }
        }
      })();
      await runToEnd(id);
      await output;
      expect(bytes).toBe(megabytes * 1e6);
      for (const [index, path] of ['/tmp/o', '/tmp/e'].entries()) {
        const { tar } = await containers.getArchive(id, path);
        expect(hashes[index]!.digest('hex')).toBe(await hashOfEntry(tar));
      }
    });

    it('gives records of the log with times, from a time on, and the last ones', async () => {
      const id = await sh('for i in 1 2 3 4; do echo line $i; sleep 0.02; done', {
        HostConfig: { NetworkMode: 'none', LogConfig: { Type: podman ? 'k8s-file' : 'json-file' } },
      });
      await runToEnd(id);
      const all = await records(containers.logs(id, { stdout: true, stderr: true, timestamps: true }));
      expect(all.map((line) => line.replace(/^\S+ /, ''))).toEqual([1, 2, 3, 4].map((n) => `line ${n}\n`));
      const times = all.map((line) => line.split(' ')[0]!);
      expect([...times].sort()).toEqual(times);
      // Podman's times are of whole seconds, so that nothing can be told apart by them.
      if (!podman) {
        const third = `${Date.parse(times[2]!) / 1000 | 0}.${/\.(\d+)/.exec(times[2]!)![1]!.padEnd(9, '0')}`;
        const later = await records(containers.logs(id, { stdout: true, stderr: true, since: third }));
        expect(later).toEqual(['line 3\n', 'line 4\n']);
      }
      expect(await records(containers.logs(id, { stdout: true, stderr: true, tail: 1 }))).toEqual([
        'line 4\n',
      ]);
      expect(await records(containers.logs(id, { stdout: false, stderr: true }))).toEqual([]);
    });

    it('follows a log until the program ends', async () => {
      const id = await sh('echo one; sleep 0.2; echo two');
      await containers.start(id);
      expect(await records(containers.logs(id, { stdout: true, stderr: true, follow: true })))
        .toEqual(['one\n', 'two\n']);
    });

    it('puts files into a container and takes them out again', async () => {
      const id = await create({ Cmd: ['true'] });
      const content = randomBytes(3_000_000);
      const tar = pack();
      tar.entry({ name: 'data.bin', mode: 0o640 }, content);
      tar.finalize();
      await containers.putArchive(id, '/tmp', tar as unknown as Readable);
      const { stat, tar: back } = await containers.getArchive(id, '/tmp/data.bin');
      expect([stat.name, stat.size]).toEqual(['data.bin', content.length]);
      expect(await hashOfEntry(back)).toBe(createHash('sha256').update(content).digest('hex'));
      await expect(containers.getArchive(id, '/nowhere')).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('an upload that is refused gives the refusal, not a broken pipe', async () => {
      const id = await create({ Cmd: ['true'] });
      const endless = Readable.from(
        (function* () {
          for (let i = 0; i < 400; i++) yield Buffer.alloc(65536);
        })(),
        { objectMode: false },
      );
      await expect(containers.putArchive(id, '/nowhere', endless)).rejects.toMatchObject({
        code: podman ? 'SystemError' : 'NotFound',
      });
    });

    it('tells events from the moment of registration on', async () => {
      const stop = new AbortController();
      const stream = docker.events({ type: ['container'] }, stop.signal);
      await stream.registered;
      const id = await sh('exit 0');
      await runToEnd(id);
      const seen: DockerEvent[] = [];
      for await (const event of stream) {
        if (event.Actor.ID !== id || !/^(?:create|start|died?)$/.test(event.Action)) continue;
        seen.push(event);
        if (/^die/.test(event.Action)) break;
      }
      expect(seen.map(({ Action }) => Action)).toEqual(['create', 'start', 'die']);
      stop.abort();
    });

    it('lists by label, and sizes when asked', async () => {
      const label = `bacalhau.test=${randomBytes(6).toString('hex')}`;
      const id = await sh('head -c 1000000 /dev/zero > /tmp/big', {
        Labels: Object.fromEntries([label.split('=') as [string, string]]),
      });
      await runToEnd(id);
      const found = await containers.list({ all: true, filters: { label: [label] } });
      expect(found.map(({ Id, State }) => [Id, State])).toEqual([[id, 'exited']]);
      expect(await containers.list({ filters: { label: [label] } })).toEqual([]);
      expect((await containers.inspect(id, { size: true })).SizeRw).toBeGreaterThanOrEqual(1_000_000);
    });

    it('networks: create, inspect, connect, list, remove', async () => {
      const name = `bacalhau-test-${randomBytes(4).toString('hex')}`;
      const { Id } = await docker.networks.create({
        Name: name,
        Internal: true,
        Labels: { 'bacalhau.test': name },
      });
      expect((await docker.networks.inspect(Id)).Internal).toBe(true);
      expect((await docker.networks.list({ label: [`bacalhau.test=${name}`] })).map((found) => found.Name))
        .toEqual([name]);
      await docker.networks.remove(Id);
      await expect(docker.networks.inspect(Id)).rejects.toMatchObject({ code: 'NotFound' });
    });

    it('pulls with credentials and not without, and asks for the manifest', async () => {
      await using private_ = await registry({ auth: true });
      const local = await makeImage('bacalhau-test/pulled:1', [], {
        'etc/version': randomBytes(9).toString('hex'),
      });
      const { ref } = await private_.push(local, 'team/app:v1');
      await images.remove(ref);
      await images.remove(local);
      await expect(images.pull(ref, {}, () => undefined))
        .rejects.toMatchObject({ code: expect.stringMatching(/^(?:Unauthorized|ImageNotFound)$/) });
      const lines: string[] = [];
      const { digest } = await images.pull(ref, { auth: private_.auth }, ({ status }) => lines.push(status));
      const inspect = await images.inspect(ref);
      const repoDigest = inspect.RepoDigests!.find((entry) => entry.startsWith(private_.address))!;
      if (!podman) {
        expect(repoDigest).toBe(`${private_.address}/team/app@${digest}`);
        const manifest = await images.distribution(ref, private_.auth);
        expect(manifest.Descriptor.digest).toBe(digest);
        expect(manifest.Platforms!.map(({ os }) => os)).toEqual(['linux']);
        await expect(images.distribution(ref)).rejects.toBeInstanceOf(DockerError);
        expect(lines).toContain('Pull complete');
      } else {
        await expect(images.distribution(ref)).rejects.toMatchObject({ code: 'NotImplemented' });
      }
      await images.remove(ref);
      await images.remove(repoDigest).catch(() => undefined);
      const fromHelper = await helperAuth(ref, private_.user, private_.password);
      await images.pull(repoDigest, { auth: fromHelper }, () => undefined);
      expect((await images.inspect(repoDigest)).Id).toBe(inspect.Id);
      await images.remove(repoDigest);
      await expect(images.inspect(ref)).rejects.toMatchObject({ code: 'ImageNotFound' });
    });

    it('types errors by what the engine says', async () => {
      const id = await create({ Cmd: ['true'] });
      const { Name } = await containers.inspect(id);
      const image = await makeImage();
      const none = 'bacalhau-test/none:1';
      const cases: [string, () => Promise<unknown>][] = [
        ['ContainerNotFound', () => containers.start('no-such-container')],
        ['ContainerNotFound', () => containers.remove('no-such-container')],
        ['ImageNotFound', () => images.inspect(none)],
        ['ImageNotFound', () => containers.create({ Image: none })],
        ['ImageInvalid', () => images.pull('UPPER/case', {}, () => undefined)],
        ['Conflict', () => containers.create({ Image: image }, { name: Name.replace(/^\//, '') })],
        ['Conflict', () => containers.kill(id)],
        ['NotFound', () => docker.networks.inspect('no-such-network')],
        ['Unavailable', () => images.pull('127.0.0.1:1/a/b:1', {}, () => undefined)],
      ];
      for (const [code, act] of cases) {
        await expect(act(), `${code}: ${act}`).rejects.toMatchObject({ name: 'DockerError', code });
      }
    });

    it('a program that is not there fails at the start, in words', async () => {
      const id = await create({ Cmd: ['/no/such/program'] });
      await expect(containers.start(id)).rejects.toThrow(/no such file or directory|executable file/);
    });

    it('ends every long call when its signal fires, and the container goes on', async () => {
      const id = await sh('echo ready; sleep 1000', { StopSignal: 'KILL' });
      await containers.start(id);
      const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
        wait: (signal) => containers.wait(id, 'not-running', signal).result,
        logs: (signal) => records(containers.logs(id, { stdout: true, stderr: true, follow: true }, signal)),
        attach: async (signal) =>
          await collect(await containers.attach(id, { stdout: true, stderr: true, stream: true }, signal)),
        events: async (signal) => {
          for await (const _event of docker.events({ container: [id] }, signal)) continue;
        },
      };
      for (const [call, act] of Object.entries(calls)) {
        const stop = new AbortController();
        const ended = act(stop.signal);
        setTimeout(() => stop.abort(), 100);
        await expect(ended, call).rejects.toMatchObject({ code: 'Cancelled' });
      }
      expect((await containers.inspect(id)).State.Running).toBe(true);
      await expect(containers.start(id, AbortSignal.abort())).rejects.toMatchObject({ code: 'Cancelled' });
    });

    it('does not read what is not asked for', async () => {
      const id = await sh('cat /dev/zero');
      const attached = await containers.attach(id, { stdout: true, stderr: true, stream: true });
      await containers.start(id);
      const before = process.memoryUsage().rss;
      const first = await attached[Symbol.asyncIterator]().next();
      expect(first.done).toBe(false);
      await new Promise((later) => setTimeout(later, 300));
      expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
      attached.close();
      await containers.remove(id, { force: true });
    });
  });
}

async function collect(output: OutputStream): Promise<[string, string]> {
  const chunks: [Uint8Array[], Uint8Array[]] = [[], []];
  for await (const { stream, bytes } of output) chunks[stream - 1]!.push(Buffer.from(bytes));
  return [Buffer.concat(chunks[0]).toString(), Buffer.concat(chunks[1]).toString()];
}

async function records(output: OutputStream): Promise<string[]> {
  const found: string[] = [];
  for await (const { bytes } of output) found.push(Buffer.from(bytes).toString());
  return found;
}

async function hashOfEntry(tar: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const entry of tar.pipe(extract())) {
    for await (const chunk of entry) hash.update(chunk as Uint8Array);
  }
  return hash.digest('hex');
}

/** Credentials as a helper on PATH gives them. */
async function helperAuth(ref: string, Username: string, Secret: string): Promise<AuthConfig | null> {
  await using folder = await temporaryFolder();
  const helper = join(folder.path, 'docker-credential-test');
  await writeFile(helper, `#!/bin/sh\ncat > /dev/null\necho '${JSON.stringify({ Username, Secret })}'\n`);
  await chmod(helper, 0o755);
  const configFile = join(folder.path, 'config.json');
  await writeFile(configFile, JSON.stringify({ credHelpers: { [parseReference(ref).domain]: 'test' } }));
  return await registryAuth(ref, { env: { PATH: `${folder.path}:${process.env.PATH}` }, configFile });
}
