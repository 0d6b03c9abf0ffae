/** HTTP networks with a real engine: what a container on one reaches, and what is left when it is gone. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DockerEngine } from '../../../mod/engine/docker/docker_engine.ts';
import { HttpNetworks } from '../../../mod/engine/docker/http_network/mod.ts';
import type { HttpRun } from '../../../mod/engine/docker/options.ts';
import type { DecisionEntry, Resolve } from '../../../runtime/egress/mod.ts';
import { connectDocker } from '../../../runtime/docker/mod.ts';
import { realWorld } from '../../../runtime/world.ts';
import { dockerd, dockerMissing, type TestDocker } from '../../support/docker.ts';
import { ALLOWED, EVIL, HOST, METADATA, type Outside, outside, PRIVATE } from './support/outside.ts';
import { probe, runScript, sections, start } from './support/script.ts';

const found = await dockerd();
if (!found) console.log(dockerMissing());
const docker = found as TestDocker;

const install = `http-${randomUUID()}`;
const folder = mkdtempSync(join(tmpdir(), 'http-network-'));
const sockets = join(folder, 'sockets');
const decisionLog = join(folder, 'decisions');

let rebindings = 0;
const resolve: Resolve = (host) => {
  const names: Record<string, readonly string[]> = {
    'allowed.test': [ALLOWED],
    'www.allowed.test': [ALLOWED],
    'evil.test': [EVIL],
    'inside.allowed.test': [PRIVATE],
    'host.allowed.test': [HOST],
    'meta.allowed.test': [METADATA],
    'mapped.allowed.test': [`::ffff:${METADATA}`],
  };
  const addresses = host === 'rebind.allowed.test' ? [rebindings++ === 0 ? EVIL : PRIVATE] : names[host];
  return addresses
    ? Promise.resolve(addresses)
    : Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }));
};

const made: HttpNetworks[] = [];
const opened: string[] = [];
function networks(): HttpNetworks {
  const options = { world: realWorld, directory: sockets, installId: install, resolve };
  made.push(new HttpNetworks(docker.docker, options));
  return made.at(-1)!;
}

/** The engine around networks that a test can reach. */
async function engineOf() {
  const nets = networks();
  const images = {
    check: () => Promise.resolve(null),
    pin: () => Promise.resolve({}),
    seen: () => Promise.resolve(null),
    ensure: (image: string) => Promise.resolve(image),
    close: () => {},
  };
  const client = await connectDocker({ host: docker.host, env: {} });
  const engine = new DockerEngine({ docker: client, images, http: nets }, {
    directory: folder,
    world: realWorld,
    nodeId: 'n-test',
    installId: install,
  });
  return { objects: () => engine.objects(), networks: nets, close: () => engine.close() };
}

function runOf(executionId: string): HttpRun {
  opened.push(executionId);
  return {
    executionId,
    jobId: 'j-1',
    runNo: 1,
    name: `bacalhau-test-${executionId}-network`,
    labels: { 'bacalhau-jobID': 'x' },
    domains: ['.allowed.test'],
    decisionLog,
  };
}

const decisions = () =>
  readFileSync(decisionLog, 'utf8').split('\n').filter((line) => line !== '').map((line) =>
    JSON.parse(line) as DecisionEntry
  );

/** Processes whose command line names a socket of this test. */
function forwarders(): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(sockets);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** A request as raw bytes to the proxy. */
const raw = (text: string) =>
  `(printf '${text.replaceAll('\n', '\\r\\n')}\\r\\n\\r\\n'; sleep 0.5) | timeout 5 nc 127.0.0.1 3128`;
const get = (url: string) => `timeout 5 wget -q -O- ${url}`;

describe.skipIf(!found)('HTTP networks', () => {
  let world: Outside;
  let gateway: string;
  let hostPort: number;
  const hostServer = createServer((socket) => socket.end('the host\n'));

  beforeAll(async () => {
    world = await outside();
    const bridge = await docker.docker.networks.inspect('bridge');
    gateway = bridge.IPAM.Config?.[0]?.Gateway ?? '';
    await new Promise<void>((done) => hostServer.listen(0, '0.0.0.0', done));
    hostPort = (hostServer.address() as { port: number }).port;
  });
  // A test that failed must not disturb the next.
  afterEach(async () => {
    for (const nets of made.splice(0)) await nets.shutdown();
    for (const executionId of opened.splice(0)) await networks().close(executionId, 1);
    world.seen.length = 0;
  });
  afterAll(async () => {
    hostServer.close();
    await world?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are offered here, and the trial leaves nothing', async () => {
    expect(await networks().available()).toBeNull();
    expect((await docker.ours(install)).containers).toEqual([]);
    expect(forwarders()).toEqual([]);
  });

  it('a trial is not taken for something left behind, while it lasts', async () => {
    const { objects, networks: nets, close } = await engineOf();
    const trial = nets.available();
    const seen = new Set<string>();
    let ended = false;
    trial.finally(() => ended = true);
    while (!ended) {
      for (const { executionId } of await objects()) seen.add(executionId);
      for (const name of (await docker.ours(install)).containers) {
        if (name.includes('probe-')) seen.add('there');
      }
    }
    expect(await trial).toBeNull();
    expect([...seen]).toEqual(['there']);
    await close();
  });

  it('an allowed name passes, all else does not', async () => {
    const nets = networks();
    const run = runOf('e-1');
    const { networkMode, env } = await nets.open(run, new AbortController().signal);
    const probes = {
      'allowed': get('http://allowed.test/'),
      'sub-domain, other port': get('http://www.allowed.test:8080/x'),
      'https': `printf 'GET /tls HTTP/1.1\\r\\nHost: allowed.test\\r\\nConnection: close\\r\\n\\r\\n' | ` +
        'chroot /host openssl s_client -quiet -verify_return_error -proxy 127.0.0.1:3128 ' +
        `-connect allowed.test:443 -servername allowed.test -CAfile ${world.certificate}`,
      'name': get('http://evil.test/'),
      'address': get(`http://${ALLOWED}/`),
      'redirect': get('http://allowed.test/?to=http://evil.test/'),
      'private': get('http://inside.allowed.test/'),
      'host by name': get(`http://host.allowed.test:${hostPort}/`),
      'metadata by name': get('http://meta.allowed.test/'),
      'mapped metadata': get('http://mapped.allowed.test/'),
      'metadata': get(`http://${METADATA}/`),
      'rebind 1': get('http://rebind.allowed.test/'),
      'rebind 2': get('http://rebind.allowed.test/'),
      'hex': get('http://0x7f.1/'),
      'decimal': get('http://2130706433/'),
      'octal': get('http://0177.0.0.1/'),
      'other Host': raw(`GET http://allowed.test/host HTTP/1.1\nHost: evil.test\nConnection: close`),
      'other URL': raw(`GET http://evil.test/ HTTP/1.1\nHost: allowed.test\nConnection: close`),
      'tunnel to another port': raw('CONNECT allowed.test:8080 HTTP/1.1\nHost: allowed.test'),
      'tunnel to another name': raw('CONNECT evil.test:443 HTTP/1.1\nHost: allowed.test:443'),
      'tunnel inside': raw('CONNECT inside.allowed.test:443 HTTP/1.1\nHost: allowed.test'),
      'tunnel to an address': raw(`CONNECT ${ALLOWED}:443 HTTP/1.1\nHost: allowed.test`),
      'socket to the host': `timeout 3 nc ${HOST} ${hostPort} </dev/null`,
      'socket to the gateway': `timeout 3 nc ${gateway} ${hostPort} </dev/null`,
      'socket to metadata': `timeout 3 nc ${METADATA} 80 </dev/null`,
      'socket to the allowed': `timeout 3 nc ${ALLOWED} 80 </dev/null`,
      'interfaces': 'ls /sys/class/net; cat /proc/net/route',
    };
    const output = await runScript(
      docker,
      Object.entries(probes).map(([name, command]) => probe(name, command)).join(''),
      {
        install,
        env,
        host: {
          NetworkMode: networkMode,
          Mounts: [{ Type: 'bind', Source: '/', Target: '/host', ReadOnly: true }],
        },
      },
    );
    const results = sections(output);
    expect(Object.keys(results)).toEqual(Object.keys(probes));
    expect(results['allowed']).toContain(`hello from ${ALLOWED}:80`);
    expect(results['sub-domain, other port']).toContain(`hello from ${ALLOWED}:8080`);
    expect(results['https']).toContain(`hello from ${ALLOWED}:443`);
    expect(results['rebind 1']).toContain(`hello from ${EVIL}:80`);
    expect(results['other Host']).toContain(`hello from ${ALLOWED}:80`);
    expect(results['interfaces']).toMatch(/^lo\nIface[^\n]*\nexit 0/);
    const passed = ['allowed', 'sub-domain, other port', 'https', 'rebind 1', 'other Host', 'interfaces'];
    for (const name of Object.keys(probes).filter((name) => !passed.includes(name))) {
      expect(results[name], name).not.toContain('hello');
      expect(results[name], name).not.toContain('the host');
      if (name.startsWith('socket')) expect(results[name], name).toMatch(/exit 1/);
      else expect(results[name], name).toContain('403');
    }
    // What arrived outside, with the checked name as Host and the job's id.
    expect(world.seen.splice(0)).toEqual([
      `${ALLOWED}:80 GET / allowed.test j-1`,
      `${ALLOWED}:8080 GET /x www.allowed.test:8080 j-1`,
      `${ALLOWED}:443 GET /tls allowed.test -`,
      `${ALLOWED}:80 GET /?to=http://evil.test/ allowed.test j-1`,
      `${EVIL}:80 GET / rebind.allowed.test j-1`,
      `${ALLOWED}:80 GET /host allowed.test j-1`,
    ]);
    const told = decisions().map(({ verdict, method, host, port, code }) =>
      [verdict, method, host, port, verdict === 'allowed' ? '' : code].filter(Boolean).join(' ')
    );
    expect(told).toEqual([
      'allowed GET allowed.test 80',
      'allowed GET www.allowed.test 8080',
      'allowed CONNECT allowed.test 443',
      'refused GET evil.test 80 host-not-listed',
      `refused GET ${ALLOWED} 80 host-not-listed`,
      'allowed GET allowed.test 80',
      'refused GET evil.test 80 host-not-listed',
      'refused GET inside.allowed.test 80 address-not-public',
      `refused GET host.allowed.test ${hostPort} address-not-public`,
      'refused GET meta.allowed.test 80 address-not-public',
      'refused GET mapped.allowed.test 80 address-not-public',
      `refused GET ${METADATA} 80 host-not-listed`,
      'allowed GET rebind.allowed.test 80',
      'refused GET rebind.allowed.test 80 address-not-public',
      'refused GET 127.0.0.1 80 host-not-listed',
      'refused GET 127.0.0.1 80 host-not-listed',
      'refused GET 127.0.0.1 80 host-not-listed',
      'allowed GET allowed.test 80',
      'refused GET evil.test 80 host-not-listed',
      'refused CONNECT allowed.test 8080 port-not-listed',
      'refused CONNECT evil.test 443 host-not-listed',
      'refused CONNECT inside.allowed.test 443 address-not-public',
      `refused CONNECT ${ALLOWED} 443 host-not-listed`,
    ]);
    await nets.close(run.executionId, run.runNo);
    await nets.close(run.executionId, run.runNo);
    expect((await docker.ours(install)).containers).toEqual([]);
    expect(forwarders()).toEqual([]);
    expect(readdirSync(sockets)).toEqual([]);
  });

  it('no other container reaches the proxy', async () => {
    const nets = networks();
    const run = runOf('e-2');
    const { networkMode, env } = await nets.open(run, new AbortController().signal);
    const holder = await docker.docker.containers.inspect(networkMode.slice('container:'.length));
    expect(holder.NetworkSettings.Networks?.['none']?.IPAddress).toBe('');
    const script = probe('proxy', get('http://allowed.test/')) +
      probe('gateway', `timeout 3 nc ${gateway} 3128 </dev/null`) +
      probe('host', `timeout 3 nc ${HOST} 3128 </dev/null`);
    for (const host of [{ NetworkMode: 'none' }, {}]) {
      const results = sections(await runScript(docker, script, { install, env, host }));
      for (const result of Object.values(results)) expect(result).toMatch(/exit 1/);
    }
    expect(world.seen).toEqual([]);
    await nets.close(run.executionId, run.runNo);
  });

  it('a forwarder that dies is started again; a restarted node takes the network over', async () => {
    const run = runOf('e-3');
    const first = networks();
    const { networkMode, env } = await first.open(run, new AbortController().signal);
    await using _job = await start(
      docker,
      'while :; do wget -q -O- http://allowed.test/loop; sleep 0.1; done',
      {
        install,
        env,
        host: { NetworkMode: networkMode },
      },
    );
    const passes = async () => {
      const before = world.seen.length;
      await expect.poll(() => world.seen.length, { timeout: 15_000 }).toBeGreaterThan(before);
    };
    await passes();
    const [old] = forwarders();
    process.kill(old!, 'SIGKILL');
    await expect.poll(() => forwarders().filter((pid) => pid !== old).length, { timeout: 10_000 }).toBe(1);
    await passes();
    await first.shutdown();
    expect(forwarders()).toEqual([]);
    const second = networks();
    await second.adopt(run);
    await passes();
    await second.shutdown();
    // A node that never adopted it can still take it away.
    await networks().close(run.executionId, run.runNo);
    expect((await docker.ours(install)).containers).toHaveLength(1); // the job's own
    expect(forwarders()).toEqual([]);
    await expect(second.adopt(run)).rejects.toThrow('its holder container is gone');
  });

  it('a node that is killed leaves no forwarder; the next one takes over or removes the rest', async () => {
    const run = runOf('e-5');
    const file = fileURLToPath(new URL('./support/http_node.ts', import.meta.url));
    const input = JSON.stringify({ host: docker.host, directory: sockets, installId: install, run });
    const node = spawn(process.execPath, ['run', '-A', '--quiet', file, input], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [networkMode] = await once(node.stdout, 'data');
    await using _job = await start(
      docker,
      'while :; do wget -q -O- http://allowed.test/after; sleep 0.1; done',
      {
        install,
        env: { http_proxy: 'http://127.0.0.1:3128' },
        host: { NetworkMode: String(networkMode).trim() },
      },
    );
    expect(forwarders()).toHaveLength(2); // itself is one: the folder is in its arguments
    process.kill(node.pid!, 'SIGKILL');
    await expect.poll(forwarders, { timeout: 5_000 }).toEqual([]);
    expect(readdirSync(sockets)).toHaveLength(1);
    const next = networks();
    await next.adopt(run);
    await expect.poll(() => world.seen.join(), { timeout: 15_000 }).toContain('/after');
    await next.close(run.executionId, run.runNo);
    expect(readdirSync(sockets)).toEqual([]);
    expect(forwarders()).toEqual([]);
    expect((await docker.ours(install)).containers).toHaveLength(1); // the job's own
  });

  it('an attempt that is given up leaves nothing; a name left by a crash is no obstacle', async () => {
    const nets = networks();
    const run = runOf('e-4');
    await expect(nets.open(run, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('HTTP network');
    expect((await docker.ours(install)).containers).toEqual([]);
    await nets.open(run, new AbortController().signal);
    await nets.shutdown();
    const again = networks();
    await again.open(run, new AbortController().signal);
    expect((await docker.ours(install)).containers).toHaveLength(1);
    await again.close(run.executionId, run.runNo);
    expect((await docker.ours(install)).containers).toEqual([]);
    expect(forwarders()).toEqual([]);
  });
});
