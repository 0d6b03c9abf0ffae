/**
 * Networks, ports and confinement of containers, end to end: the executable against a real engine, looked at from inside
 * the container, from the host, and by whoever runs the job.
 */
import { execFileSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ALLOWED, METADATA, type Outside, outside } from '../engine/docker/support/outside.ts';
import { dockerd, dockerMissing, type TestDocker } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { dockerJob } from '../support/jobs.ts';
import { type Runtime, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

/** Null when it cannot be bound. */
function bind(port: number, host = '0.0.0.0'): Promise<NetServer | null> {
  return new Promise((answer) => {
    const server = createServer((client) => client.destroy());
    server.once('error', () => answer(null)).listen(port, host, () => answer(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await bind(port);
  await closed(server);
  return server !== null;
}

const closed = (server: NetServer | null) =>
  new Promise<void>((done) => server ? server.close(() => done()) : done());

async function freePort(): Promise<number> {
  const server = (await bind(0))!;
  const { port } = server.address() as { port: number };
  await closed(server);
  return port;
}

const get = (port: number, host = '127.0.0.1') =>
  fetch(`http://${host}:${port}/`, { signal: AbortSignal.timeout(5000) }).then(
    (answer) => answer.text(),
    () => '',
  );

/** Serves its environment's ports as a page on the port that `listen` names. */
const server = (listen: string) => [
  'sh',
  '-c',
  'mkdir /tmp/w; echo "$BACALHAU_HOST_PORT_web ${BACALHAU_PORT_web-unset} $BACALHAU_JOB_TYPE" > /tmp/w/index.html; ' +
  `exec httpd -f -p ${listen} -h /tmp/w`,
];

describe.skipIf(!docker).each<Runtime>(['bun', 'deno'])('published ports, %s', (runtime) => {
  let cluster: DockerCluster;
  let image: string;

  beforeAll(async () => {
    image = await docker!.image();
    cluster = await DockerCluster.start(runtime, docker!);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  afterEach(() => cluster.nothingLeft());

  function submit(
    Network: Record<string, unknown>,
    listen: string,
    more: { Type?: string; Count?: number; QueueTimeout?: number } = {},
  ): Promise<string> {
    const { Type = 'service', Count = 1, QueueTimeout } = more;
    const { Job } = dockerJob({ image, parameters: server(listen), task: { Network } });
    const [task] = Job['Tasks'] as Record<string, unknown>[];
    const Timeouts = QueueTimeout === undefined ? {} : { Timeouts: { QueueTimeout } };
    return cluster.submit({ Job: { ...Job, Type, Count, Tasks: [{ ...task, ...Timeouts }] } });
  }

  const stop = async (id: string) => {
    expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
    await cluster.nothingLeft();
  };

  it('of a service answer from the host; two on one node differ; stopped, both are free', async () => {
    const id = await submit({ Type: 'bridge', Ports: [{ Name: 'web', Target: 80 }] }, '80', { Count: 2 });
    const ports = await cluster.ports(id, 'web', 2);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) {
      expect(port).toBeGreaterThanOrEqual(20_000);
      expect(port).toBeLessThanOrEqual(32_000);
      expect(await until(() => get(port), `port ${port} answers`)).toBe(`${port} 80 service\n`);
      expect(await isFree(port)).toBe(false);
    }
    await stop(id);
    expect(await Promise.all(ports.map(isFree))).toEqual([true, true]);
  });

  it('without a target are the same inside', async () => {
    const id = await submit({ Type: 'bridge', Ports: [{ Name: 'web' }] }, '$BACALHAU_PORT_web');
    const [port] = await cluster.ports(id, 'web');
    expect(await until(() => get(port!), 'it answers')).toBe(`${port} ${port} service\n`);
    await stop(id);
  });

  it('on one address of the host are on no other', async () => {
    const bridge = await docker!.docker.networks.inspect('bridge');
    const gateway = bridge.IPAM.Config![0]!.Gateway!;
    const ports = [{ Name: 'web', Target: 80, HostNetwork: '127.0.0.1' }];
    const id = await submit({ Type: 'bridge', Ports: ports }, '80');
    const [port] = await cluster.ports(id, 'web');
    expect(await until(() => get(port!), 'it answers')).toBe(`${port} 80 service\n`);
    expect(await get(port!, gateway)).toBe('');
    await stop(id);
    const elsewhere = [{ Name: 'web', Target: 80, HostNetwork: '192.0.2.77' }];
    const refused = await submit({ Type: 'bridge', Ports: elsewhere }, '80', {
      QueueTimeout: 0,
      Type: 'batch',
    });
    expect(await cluster.ended(refused)).toMatchObject({
      StateType: 'Failed',
      Message: expect.stringContaining('does not have the address "192.0.2.77"'),
    });
  });

  it('of a program on the host network are its own to listen on', async () => {
    const id = await submit({ Type: 'host', Ports: [{ Name: 'web' }] }, '$BACALHAU_HOST_PORT_web', {
      Count: 2,
    });
    const ports = await cluster.ports(id, 'web', 2);
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) {
      expect(await until(() => get(port), `port ${port} answers`)).toBe(`${port} unset service\n`);
    }
    await stop(id);
    expect(await Promise.all(ports.map(isFree))).toEqual([true, true]);
  });

  it('that another program has are said plainly, and had when that one is gone', async () => {
    const other = (await bind(0))!;
    const { port } = other.address() as { port: number };
    for (const Type of ['bridge', 'host']) {
      const Ports = [{ Name: 'web', Static: port, ...(Type === 'bridge' ? { Target: 80 } : {}) }];
      const id = await submit({ Type, Ports }, '80', { QueueTimeout: 0, Type: 'batch' });
      expect(await cluster.ended(id)).toMatchObject({
        StateType: 'Failed',
        Message: expect.stringContaining(
          `cannot publish port ${port} ("web"): another program has it (EADDRINUSE)`,
        ),
      });
    }
    await closed(other);
    const id = await submit({ Type: 'bridge', Ports: [{ Name: 'web', Static: port, Target: 80 }] }, '80');
    expect(await until(() => get(port), 'it answers')).toBe(`${port} 80 service\n`);
    await stop(id);
    expect(await isFree(port)).toBe(true);
  });

  it('stay with their program when the node is killed, and are its alone', async () => {
    const port = await freePort();
    const Network = { Type: 'bridge', Ports: [{ Name: 'web', Static: port, Target: 80 }, { Name: 'any' }] };
    const id = await submit(Network, '80');
    expect(await until(() => get(port), 'it answers')).toBe(`${port} 80 service\n`);
    await cluster.compute.kill('SIGKILL');
    expect(await get(port)).toBe(`${port} 80 service\n`);
    await cluster.startCompute();
    const rival = await submit(Network, '80', { QueueTimeout: 0, Type: 'batch' });
    expect((await cluster.ended(rival)).Message).toContain(`has given port ${port} to execution`);
    expect(await get(port)).toBe(`${port} 80 service\n`);
    await stop(id);
    expect(await isFree(port)).toBe(true);
    expect(await cluster.executions(id)).toHaveLength(1);
  });
});

const FACTS = 'grep -E "^(NoNewPrivs|CapBnd|CapEff|Seccomp):" /proc/self/status; ' +
  'df -k /dev/shm | tail -1 | awk \'{print "shm " $2}\'; grep host.docker.internal /etc/hosts; ' +
  'echo "pids $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)"; echo "files $(ulimit -n)"; ls /sys/class/net';

describe.skipIf(!docker)('what confines a container', () => {
  let image: string;
  const facts = async (cluster: DockerCluster, params = {}, Network: Record<string, unknown> = {}) => {
    const id = await cluster.submit(dockerJob({
      image,
      parameters: ['sh', '-c', FACTS],
      params,
      task: { Network: { Type: 'bridge', ...Network } },
    }));
    expect(await cluster.ended(id)).toMatchObject({ StateType: 'Completed' });
    const [execution] = await cluster.executions(id);
    await cluster.nothingLeft();
    return execution!.RunOutput!.Stdout;
  };
  /** Bits of CapBnd (capabilities(7)). */
  const bounds = (text: string) => BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(text)![1]}`);
  const has = (text: string, bit: bigint) => (bounds(text) >> bit & 1n) === 1n;
  const [CHOWN, SETUID, NET_RAW, MKNOD] = [0n, 7n, 13n, 27n];

  beforeAll(async () => {
    image = await docker!.image();
  });

  it('by default', async () => {
    await using cluster = await DockerCluster.start('bun', docker!);
    const text = await facts(cluster);
    expect(text).toMatch(/^NoNewPrivs:\s*1$/m);
    expect([NET_RAW, MKNOD].map((bit) => has(text, bit))).toEqual([false, false]);
    expect([CHOWN, SETUID].map((bit) => has(text, bit))).toEqual([true, true]);
    expect(text).toContain('shm 65536\n');
    expect(text).toContain('host.docker.internal');
    expect(text).toMatch(/^pids 4096$/m);
    const own = await facts(cluster, { ShmSize: '32MiB', Ulimits: { nofile: '123:456' } });
    expect(own).toContain('shm 32768\n');
    expect(own).toMatch(/^files 123$/m);
    const none = await facts(cluster, {}, { Type: 'none' });
    expect(none).toMatch(/files \d+\nlo\n$/);
    expect(none).not.toContain('host.docker.internal');
    const host = await facts(cluster, {}, { Type: 'host' });
    expect(host).toContain('host.docker.internal');
    expect(host).toMatch(/^NoNewPrivs:\s*1$/m);
  });

  it('by configuration', async () => {
    await using cluster = await DockerCluster.start('bun', docker!, [
      'Engines.Types.Docker.Security.NoNewPrivileges=false',
      'Engines.Types.Docker.Security.DropCapabilities=ALL',
      'Engines.Types.Docker.Security.HostGateway=false',
      'Engines.Types.Docker.Security.PidsLimit=77',
      'Engines.Types.Docker.ShmSize=16MiB',
    ]);
    const text = await facts(cluster);
    expect(text).toMatch(/^NoNewPrivs:\s*0$/m);
    expect(bounds(text)).toBe(0n);
    expect(text).toContain('shm 16384\n');
    expect(text).not.toContain('host.docker.internal');
    expect(text).toMatch(/^pids 77$/m);
    const host = await facts(cluster, {}, { Type: 'host' });
    expect(host).not.toContain('host.docker.internal');
  });
});

describe.skipIf(!docker)('the metadata address of a cloud', () => {
  let world: Outside;
  beforeAll(async () => {
    world = await outside();
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const script =
    `trap 'exit 0' TERM; while :; do for a in ${METADATA} ${ALLOWED}; do timeout 3 wget -q -O- http://$a/job && ` +
    'echo "reached $a"; done; sleep 0.2; done';
  const firewall = () => execFileSync('iptables-save', { encoding: 'utf8' });
  const arrived = (address: string) => world.seen.filter((line) => line.startsWith(`${address}:`)).length;

  it('is not reached on a bridge, nor after the node was killed and started again', async () => {
    const image = await docker!.image();
    const cluster = await DockerCluster.start('bun', docker!);
    const before = firewall().match(/^:BACALHAU-\S+/gm) ?? [];
    try {
      const submit = () =>
        cluster.submit(dockerJob({
          image,
          parameters: ['sh', '-c', script],
          task: { Network: { Type: 'bridge' } },
        }));
      const ids = [await submit()];
      await until(() => arrived(ALLOWED) >= 3, 'it reaches another address');
      await cluster.compute.kill('SIGKILL');
      let seen = arrived(ALLOWED);
      await until(() => arrived(ALLOWED) >= seen + 3, 'it goes on without its node');
      await cluster.startCompute();
      ids.push(await submit());
      seen = arrived(ALLOWED);
      await until(() => arrived(ALLOWED) >= seen + 10, 'both go on');
      expect(arrived(METADATA)).toBe(0);
      for (const id of ids) expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
      await cluster.nothingLeft();
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
    expect(firewall().match(/^:BACALHAU-\S+/gm) ?? []).toEqual(before);
  });

  it('is reached where the operator says so', async () => {
    await using cluster = await DockerCluster.start('bun', docker!, [
      'Engines.Types.Docker.Security.BlockMetadata=false',
    ]);
    const before = arrived(METADATA);
    const id = await cluster.submit(dockerJob({
      image: await docker!.image(),
      parameters: ['wget', '-q', '-O-', `http://${METADATA}/`],
      task: { Network: { Type: 'bridge' } },
    }));
    expect(await cluster.ended(id)).toMatchObject({ StateType: 'Completed' });
    expect(arrived(METADATA)).toBe(before + 1);
    await cluster.nothingLeft();
  });
});

describe.skipIf(!docker)('a node that cannot enter namespaces', () => {
  const NOBODY = 65534;
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());

  /** Hands connections on to the engine's socket; what a user outside of root's folders, or a client over tcp, is given. */
  async function relay(listen: (server: NetServer) => NetServer): Promise<NetServer> {
    const open = new Set<Socket>();
    const end = (...sockets: Socket[]) => sockets.forEach((each) => each.destroy());
    const engine = docker!.host.replace(/^unix:\/\//, '');
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const up = connect({ path: engine, allowHalfOpen: true });
      for (const [from, to] of [[client, up], [up, client]] as const) {
        open.add(from);
        from.on('error', () => end(client, up)).on('close', () => {
          open.delete(from);
          to.destroy();
        }).pipe(to);
      }
    });
    await new Promise<void>((done) => listen(server).once('listening', done));
    stack.defer(async () => {
      end(...open);
      await closed(server);
    });
    return server;
  }

  async function check(cluster: DockerCluster, why: RegExp): Promise<void> {
    const image = await docker!.image();
    // It runs containers all the same.
    const plain = await cluster.cli('docker', 'run', '-f', image, '--', 'echo', 'plain');
    expect(plain).toMatchObject({ code: 0, stdout: expect.stringMatching(/\nplain\n$/) });
    const ended = await cluster.cli(
      ...[
        'docker',
        'run',
        '--network',
        'http',
        '--domain',
        'example.com',
        '--queue-timeout',
        '0',
        image,
        '--',
        'true',
      ],
    );
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('does not offer HTTP networks');
    expect(ended.stderr).toMatch(why);
    const said = cluster.compute.lines.filter((line) =>
      line.includes('Jobs with an HTTP network do not run here')
    );
    expect(said.join('\n')).toMatch(why);
    expect(said).toHaveLength(1);
    await cluster.nothingLeft();
  }

  it('because it does not run as root says so, at a bid and in its log', async () => {
    const folder = stack.use(await temporaryFolder());
    await chmod(folder.path, 0o755);
    const path = join(folder.path, 'engine.sock');
    await relay((server) => server.listen(path));
    await chmod(path, 0o666);
    const user = { ...docker!, env: { DOCKER_HOST: `unix://${path}` } } as TestDocker;
    const wrapper = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
    await using cluster = await DockerCluster.start('bun', user, [], { wrapper, owner: NOBODY });
    await check(cluster, /its process does not run as root/);
  });

  it('because its engine is reached over tcp says so', async () => {
    const server = await relay((each) => each.listen(0, '127.0.0.1'));
    const { port } = server.address() as { port: number };
    const remote = { ...docker!, env: { DOCKER_HOST: `tcp://127.0.0.1:${port}` } } as TestDocker;
    await using cluster = await DockerCluster.start('bun', remote);
    await check(cluster, /the Docker engine is not on this machine/);
  });
});
