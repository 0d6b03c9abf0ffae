/** What a container gets of the host and what it does not, asked from inside and of the engine. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { output, Workbench } from './support/workbench.ts';

/** On a machine that may be busy. */
const SOON = { timeout: 15_000 };

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('a container', { timeout: 60_000 }, () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  it('has the environment of its task, the spec before it, and its working directory', async () => {
    const { stdout } = await bench.run({
      script: 'echo "$A $B $C"; pwd',
      env: { A: 'task', B: 'task' },
      params: { EnvironmentVariables: ['B=spec', 'C=x=y'], WorkingDirectory: '/tmp/made' },
    });
    expect(stdout).toBe('task spec x=y\n/tmp/made\n');
  });

  it('takes entrypoint and command from the image where the task gives none', async () => {
    const image = await host!.image(undefined, ['ENTRYPOINT ["/bin/echo","entry"]', 'CMD ["command"]']);
    expect((await bench.run({ image })).stdout).toBe('entry command\n');
    expect((await bench.run({ image, params: { Parameters: ['mine'] } })).stdout).toBe('entry mine\n');
    expect((await bench.run({ image, params: { Entrypoint: ['/bin/echo', 'own'] } })).stdout).toBe('own\n');
    const none = { Entrypoint: [], Parameters: ['/bin/echo', 'bare'] };
    expect((await bench.run({ image, params: none })).stdout).toBe('bare\n');
  });

  it('reads its inputs, writes only those that are writable', async () => {
    const directory = bench.makeFolder('mounts');
    const input = bench.makeFolder('mounts', 'inputs', '0');
    writeFileSync(join(input, 'a'), 'data', { mode: 0o600 });
    const writable = bench.makeFolder('mounts', 'inputs', '1');
    const { stdout, stderr } = await bench.run({
      directory,
      inputs: [
        { hostPath: input, target: '/in', readOnly: true },
        { hostPath: join(input, 'a'), target: '/deep/down/file', readOnly: true },
        { hostPath: writable, target: '/rw', readOnly: false },
      ],
      script: 'cat /in/a /deep/down/file; echo new > /rw/b; echo no > /in/c',
    });
    expect(stdout).toBe('datadata');
    expect(stderr).toContain('Read-only file system');
    expect(readFileSync(join(writable, 'b'), 'utf8')).toBe('new\n');
  });

  it('run by another user reads its inputs and writes its outputs', async () => {
    const directory = bench.makeFolder('foreign');
    const input = bench.makeFolder('foreign', 'inputs', '0');
    mkdirSync(join(input, 'sub'), { mode: 0o700 });
    writeFileSync(join(input, 'sub', 'a'), 'secret', { mode: 0o600 });
    const out = bench.makeFolder('foreign', 'results', 'out');
    const { end, stdout } = await bench.run({
      directory,
      image: await host!.image(undefined, ['USER 12345:12345']),
      inputs: [{ hostPath: input, target: '/in', readOnly: true }],
      outputs: [{ name: 'out', hostPath: out, path: '/out' }],
      script: 'id -u; cat /in/sub/a; mkdir /out/d && echo made > /out/d/f',
    });
    expect(stdout).toBe('12345\nsecret');
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(readFileSync(join(out, 'd', 'f'), 'utf8')).toBe('made\n');
    expect(statSync(join(out, 'd', 'f')).uid).toBe(12345);
  });

  it('leaves the rights of a folder of the host alone', async () => {
    const own = bench.makeFolder('own');
    chmodSync(own, 0o700);
    await bench.run({ inputs: [{ hostPath: own, target: '/in', readOnly: true }], script: 'ls /in' });
    expect(statSync(own).mode & 0o777).toBe(0o700);
  });

  it.each([
    [[{ target: '/a' }, { target: '/a/' }], 'another input or output is there already'],
    [[{ target: 'a' }], 'not an absolute path'],
    [[{ target: '/.' }], 'the image is there'],
  ])('with mounts that cannot be is the fault of its task: %j', async (inputs, why) => {
    const request = {
      inputs: inputs.map((input) => ({ ...input, hostPath: bench.folder, readOnly: true })),
      script: 'true',
    };
    await expect(bench.create(request)).rejects.toMatchObject({
      message: expect.stringContaining(why),
      details: { class: 'user' },
    });
    expect(await bench.left()).toEqual([]);
  });

  it('is limited and confined as the engine tells', async () => {
    const { run } = await bench.create({
      script: 'true',
      params: { ShmSize: '32MiB', Ulimits: { nofile: '100:200' } },
      resources: { CPU: 0.25, Memory: 64 * 1024 * 1024 },
      logLimit: 5_000_000,
    });
    const { HostConfig, Config, Name, NetworkSettings } = await host!.docker.containers.inspect(
      run.identity.id,
    );
    expect(HostConfig).toMatchObject({
      NanoCpus: 250_000_000,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      PidsLimit: 4096,
      ShmSize: 32 * 1024 * 1024,
      Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
      SecurityOpt: ['no-new-privileges'],
      CapDrop: ['NET_RAW', 'MKNOD'],
      NetworkMode: 'none',
      AutoRemove: false,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'local', Config: { 'max-size': '5m', 'max-file': '2', compress: 'false' } },
    });
    // The engine has no sandbox for it: nothing that could be joined to a network later.
    expect(NetworkSettings.Networks).toEqual({});
    expect(Config.Labels).toMatchObject({ 'bacalhau.install': bench.installId, 'bacalhau.part': 'executor' });
    expect(Name).toMatch(/^\/bacalhau-bacalhau-n-test-j-test-.*-executor$/);
    await run.remove();
  });

  it('cannot start more processes than its limit, nor use what was taken from it', async () => {
    const engine = await bench.anotherEngine({ pidsLimit: 12, dropCapabilities: ['CAP_CHOWN'] });
    const request = bench.request({
      script: 'grep -E "CapEff|NoNewPrivs" /proc/self/status; chown 5 /tmp || echo refused;' +
        'for i in $(seq 30); do sleep 5 & done; echo all',
    });
    const run = await engine.create(request, new AbortController().signal);
    await run.start();
    await run.wait();
    const { stdout, stderr } = await output(request);
    expect(stdout).toMatch(/NoNewPrivs:\s*1/);
    expect(stdout).toContain('refused');
    expect(stdout + stderr).not.toContain('all\n');
    expect(stderr).toMatch(/can't fork|resource temporarily unavailable/i);
    await run.remove();
    await engine.close();
  });

  it('changes its user as root may, and gains nothing by a set-user-id program unless its node says so', async () => {
    const script =
      `sed -i 's/^root:x:/root::/' /etc/passwd; cp /bin/busybox /bin/busybox-suid; chmod 4755 /bin/busybox-suid;
      su user -c 'id -u; /bin/busybox-suid su root -c "id -u"'`;
    const confined = await bench.run({ script });
    expect(confined.stdout).toBe('1000\n');
    expect(confined.end).toEqual({ kind: 'exited', exitCode: 1 });
    const engine = await bench.anotherEngine({ noNewPrivileges: false });
    const request = bench.request({ script });
    const run = await engine.create(request, new AbortController().signal);
    await run.start();
    await run.wait();
    expect((await output(request)).stdout).toBe('1000\n0\n');
    await run.remove();
    await engine.close();
  });

  it.each(
    [
      ['None', /^lo\n$/],
      ['Bridge', /eth0/],
      ['Default', /eth0/],
    ] as const,
  )('has the network %s', async (Type, interfaces) => {
    const { stdout } = await bench.run({ network: { Type }, script: 'ls /sys/class/net; cat /etc/hosts' });
    const [names, hosts] = [stdout.replace(/^.*(localhost|::|host\.docker).*\n/gm, ''), stdout];
    if (Type === 'None') expect(names).toMatch(interfaces);
    else expect(names).toMatch(interfaces);
    expect(hosts.includes('host.docker.internal')).toBe(Type !== 'None');
  });

  it('without a network is alone on a loopback that works, by name too', async () => {
    const shown = 'ip addr show up | grep -E "^[0-9]|inet "; ip route; cat /proc/net/route | wc -l; hostname';
    const reached =
      'mkdir /w; echo hi > /w/index.html; httpd -p 8080 -h /w; wget -q -O- http://localhost:8080/';
    const { stdout } = await bench.run({
      network: { Type: 'None' },
      script: `${shown}; ${reached}; ls /sys/class/net`,
    });
    expect(stdout.split('\n')).toEqual([
      expect.stringContaining('lo: <LOOPBACK,UP,LOWER_UP>'),
      expect.stringContaining('inet 127.0.0.1/8'),
      '1',
      expect.stringMatching(/^[0-9a-f]{12}$/),
      'hi',
      'lo',
      '',
    ]);
  });

  it('publishes its ports, and frees them at its end', async () => {
    const port = await freePort();
    const { run } = await bench.started({
      network: { Type: 'Bridge' },
      ports: [{ Name: 'web', Static: port, Target: 8080, HostNetwork: '127.0.0.1' }],
      script: 'mkdir -p /w; echo hello > /w/index.html; httpd -f -p 8080 -h /w',
    });
    await expect.poll(() => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), String), SOON)
      .toBe('hello\n');
    const second = await bench.create({
      network: { Type: 'Bridge' },
      ports: [{ Name: 'web', Static: port, Target: 8080, HostNetwork: '127.0.0.1' }],
      script: 'true',
    });
    await expect(second.run.start()).rejects.toMatchObject({
      code: 'PortInUse',
      details: { class: 'infrastructure' },
    });
    await second.run.remove();
    await run.stop(0);
    await run.remove();
    expect(await bench.left()).toEqual([]);
    expect(await isFree(port)).toBe(true);
  });

  it('on the host network listens on the host', async () => {
    const port = await freePort();
    const { run } = await bench.started({
      network: { Type: 'Host' },
      script: `mkdir -p /w; echo host > /w/index.html; httpd -f -p 127.0.0.1:${port} -h /w`,
    });
    await expect.poll(() => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), String), SOON)
      .toBe('host\n');
    await run.stop(0);
    await run.remove();
  });
});

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address!.port : 0));
    })
  );
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
