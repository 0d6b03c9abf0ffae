/**
 * Containers that may reach named domains only, end to end: the executable, a real engine, real names (a name server of
 * the test, which the node uses by a mount namespace of its own) and real HTTP and HTTPS servers behind a veth pair.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DecisionEntry } from '../../runtime/egress/mod.ts';
import {
  ALLOWED,
  ALLOWED6,
  EVIL,
  HOST,
  METADATA,
  type Outside,
  outside,
  PRIVATE,
  PRIVATE6,
} from '../engine/docker/support/outside.ts';
import { probe, sections } from '../engine/docker/support/script.ts';
import { dockerd, dockerMissing, type TestDocker } from '../support/docker.ts';
import { DockerCluster } from '../support/docker_cluster.ts';
import { type Runtime, temporaryFolder } from '../support/program.ts';
import { tlsImage } from '../support/tls_image.ts';
import { until } from '../support/until.ts';

const docker = await dockerd();
if (!docker) console.log(dockerMissing());

const NAMES = {
  'allowed.test': [ALLOWED, ALLOWED6],
  'six.test': [ALLOWED6],
  'a.wild.test': [ALLOWED],
  'a.b.wild.test': [ALLOWED],
  'wild.test': [ALLOWED],
  'dotted.test': [ALLOWED],
  'a.dotted.test': [ALLOWED],
  'port.test': [ALLOWED],
  'evil.test': [EVIL],
  // Its second answer leads inside.
  'rebind.test': [[EVIL], [PRIVATE]],
  'mixed.test': [PRIVATE, ALLOWED],
  'inside.test': [PRIVATE],
  'inside6.test': [PRIVATE6],
  'link.test': ['fe80::1'],
  'loop.test': ['127.0.0.1', '::1'],
  'host.test': [HOST],
  'meta.test': [METADATA],
  'mapped.test': [`::ffff:${METADATA}`],
};

const DOMAINS = [
  ...[
    'allowed.test',
    'six.test',
    '*.wild.test',
    '.dotted.test',
    'port.test:8080',
    'rebind.test',
    'mixed.test',
  ],
  ...[
    'inside.test',
    'inside6.test',
    'link.test',
    'loop.test',
    'host.test',
    'meta.test',
    'mapped.test',
    'nowhere.test',
  ],
];

const get = (url: string) => `timeout 60 wget -q -O- '${url}'`;
/** A request as raw bytes to the proxy. */
const raw = (text: string) =>
  `(printf '${text.replaceAll('\n', '\\r\\n')}\\r\\n\\r\\n'; sleep 1) | timeout 10 nc 127.0.0.1 3128`;
const tls = (host: string) =>
  `(printf 'GET /tls HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | timeout 20 openssl s_client ` +
  `-quiet -verify_return_error -proxy 127.0.0.1:3128 -connect ${host}:443 -servername ${host} -CAfile /cert.pem`;
/** Straight to an address, without the proxy. */
const socket = (host: string, port: number) => `timeout 4 nc ${host} ${port} </dev/null`;

describe.skipIf(!docker).each<Runtime>(['bun', 'deno'])('an HTTP network, %s', (runtime) => {
  let world: Outside;
  let cluster: DockerCluster;
  let image: string;
  let gateway: string;
  let hostPort: number;
  const stack = new AsyncDisposableStack();
  const onHost = createServer((client) => {
    client.on('error', () => client.destroy());
    client.end('hello from the host\n');
  });

  beforeAll(async () => {
    const folder = stack.use(await temporaryFolder());
    world = stack.use(await outside(NAMES));
    const resolver = join(folder.path, 'resolv.conf');
    await writeFile(resolver, `nameserver ${PRIVATE}\n`);
    image = await tlsImage(docker as TestDocker, { 'cert.pem': readFileSync(world.certificate, 'utf8') });
    const bridge = await (docker as TestDocker).docker.networks.inspect('bridge');
    gateway = bridge.IPAM.Config?.[0]?.Gateway ?? '';
    await new Promise<void>((done) => onHost.listen(0, '::', done));
    stack.defer(() => void onHost.close());
    hostPort = (onHost.address() as { port: number }).port;
    cluster = stack.use(
      await DockerCluster.start(
        runtime,
        docker as TestDocker,
        [
          'Engines.Types.Docker.HTTPNetwork.BytesPerSecond=1MB',
          'Engines.Types.Docker.HTTPNetwork.MaxConnections=2',
        ],
        {
          wrapper: [
            'unshare',
            '-m',
            'sh',
            '-c',
            `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`,
            'sh',
          ],
        },
      ),
    );
  });
  afterAll(() => stack.disposeAsync());
  afterEach(() => cluster.nothingLeft());

  /** Runs the script as a job; its sections, its decisions as published, and what its history tells of the network. */
  async function job(script: string, domains = DOMAINS) {
    world.seen.length = 0;
    world.asked.length = 0;
    const ended = await cluster.cli(
      ...['docker', 'run', '--id-only', '--wait', '--network', 'http'],
      ...domains.flatMap((domain) => ['--domain', domain]),
      ...['-p', 'local', image, '--', 'sh', '-c', script],
    );
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    const id = ended.stdout.trim().split('\n').at(-1)!;
    const folder = join(cluster.folder, `result-${id}`);
    await mkdir(folder);
    expect(await cluster.cli('job', 'get', id, '--output-dir', folder)).toMatchObject({ code: 0 });
    const decisions = readFileSync(join(folder, 'network-decisions.jsonl'), 'utf8').split('\n')
      .filter((line) => line !== '').map((line) => JSON.parse(line) as DecisionEntry);
    const told = (await cluster.history(id)).map(({ Event }) => Event)
      .filter(({ Message }) => Message.startsWith('Network:'));
    return { id, output: sections(readFileSync(join(folder, 'stdout'), 'utf8')), decisions, told };
  }

  const brief = ({ verdict, method, host, port, code }: DecisionEntry) =>
    [verdict, method, host, port, verdict === 'allowed' ? '' : code].filter((part) => part !== '').join(' ');

  it('lets listed names pass: http, https, wildcards, a leading dot, a port', async () => {
    const probes = {
      'http': [get('http://allowed.test/'), `${ALLOWED}:80`],
      'IPv6': [get('http://six.test/'), `${ALLOWED6}:80`],
      'upper case, dot at the end': [get('http://ALLOWED.test./'), `${ALLOWED}:80`],
      'other port of HTTP': [get('http://allowed.test:8080/'), `${ALLOWED}:8080`],
      'https': [tls('allowed.test'), `${ALLOWED}:443`],
      'wildcard': [get('http://a.wild.test/'), `${ALLOWED}:80`],
      'wildcard, deeper': [get('http://a.b.wild.test/'), `${ALLOWED}:80`],
      'wildcard, https': [tls('a.wild.test'), `${ALLOWED}:443`],
      'dot': [get('http://dotted.test/'), `${ALLOWED}:80`],
      'dot, below': [get('http://a.dotted.test/'), `${ALLOWED}:80`],
      'dot, https': [tls('a.dotted.test'), `${ALLOWED}:443`],
      'named port': [get('http://port.test:8080/'), `${ALLOWED}:8080`],
      'tunnel to a named port': [
        `(printf 'CONNECT port.test:8080 HTTP/1.1\\r\\n\\r\\n'; sleep 1; printf 'GET / HTTP/1.0\\r\\n\\r\\n'; sleep 1)` +
        ' | timeout 10 nc 127.0.0.1 3128',
        `${ALLOWED}:8080`,
      ],
      'one public address of two': [get('http://mixed.test/'), `${ALLOWED}:80`],
      'Host is the checked name': [
        raw('GET http://allowed.test/host HTTP/1.1\nHost: evil.test\nConnection: close'),
        `${ALLOWED}:80`,
      ],
    } as const;
    const script = Object.entries(probes).map(([name, [command]]) => probe(name, command)).join('');
    const { id, output, decisions, told } = await job(script);
    for (const [name, [, from]] of Object.entries(probes)) {
      expect(output[name], name).toContain(`hello from ${from}`);
    }
    expect(world.seen).toHaveLength(Object.keys(probes).length);
    expect(world.seen).toContain(`${ALLOWED}:80 GET /host allowed.test ${id}`);
    expect(world.seen.filter((line) => line.includes('evil'))).toEqual([]);
    expect(decisions).toHaveLength(Object.keys(probes).length);
    expect(new Set(decisions.map(({ verdict }) => verdict))).toEqual(new Set(['allowed']));
    expect(decisions[0]).toMatchObject({
      method: 'GET',
      host: 'allowed.test',
      port: 80,
      address: ALLOWED,
      rule: 'allowed.test',
      status: 200,
      bytesReceived: expect.any(Number),
    });
    expect(told).toEqual([]);
  });

  it('lets nothing else pass', async () => {
    const hidden = 'GET http://evil.test/hidden HTTP/1.1\nHost: evil.test\n\n';
    const refused = {
      'name': get('http://evil.test/'),
      'https to a name': raw('CONNECT evil.test:443 HTTP/1.1\nHost: allowed.test:443'),
      'the name above a wildcard': get('http://wild.test/'),
      'a name that ends alike': get('http://notallowed.test/'),
      'other port than named': get('http://port.test/'),
      'address': get(`http://${ALLOWED}/`),
      'address v6': get(`http://[${ALLOWED6}]/`),
      'mapped address': get(`http://[::ffff:${ALLOWED}]/`),
      'tunnel to an address': raw(`CONNECT ${ALLOWED}:443 HTTP/1.1`),
      'tunnel to an address v6': raw(`CONNECT [${ALLOWED6}]:443 HTTP/1.1`),
      'decimal': get('http://1572395042/'),
      'hex': get('http://0x5db8d822/'),
      'octal': get('http://0135.0270.0330.042/'),
      'short': get('http://93.12113954/'),
      'metadata': get(`http://${METADATA}/latest/meta-data/`),
      'metadata, decimal': get('http://2852039166/'),
      'link-local v6': raw('GET http://[fe80::1]/ HTTP/1.1\nHost: x\nConnection: close'),
      'redirect': get('http://allowed.test/?to=http://evil.test/'),
      'redirect to an address': get(`http://allowed.test/?to=http://${PRIVATE}/`),
      'private': get('http://inside.test/'),
      'private v6': get('http://inside6.test/'),
      'link-local by name': get('http://link.test/'),
      'loopback by name': get(`http://loop.test:${hostPort}/`),
      'the node by name': get(`http://host.test:${hostPort}/`),
      'metadata by name': get('http://meta.test/'),
      'metadata, mapped, by name': get('http://mapped.test/'),
      'tunnel inside': raw('CONNECT inside.test:443 HTTP/1.1'),
      'tunnel to metadata': raw('CONNECT meta.test:443 HTTP/1.1'),
      'tunnel to ssh': raw('CONNECT allowed.test:22 HTTP/1.1'),
      'http to ssh': get('http://allowed.test:22/'),
      'URL against Host': raw('GET http://evil.test/ HTTP/1.1\nHost: allowed.test\nConnection: close'),
      'tunnel against Host': raw('CONNECT evil.test:443 HTTP/1.1\nHost: allowed.test:443'),
    };
    const bad = {
      'two lengths': raw(
        `POST http://allowed.test/a HTTP/1.1\nHost: x\nContent-Length: 0\nContent-Length: 60\n\n${hidden}`,
      ),
      'equal lengths': raw(
        `POST http://allowed.test/b HTTP/1.1\nHost: x\nContent-Length: 1\nContent-Length: 1\n\nx`,
      ),
      'length and chunks': raw(
        `POST http://allowed.test/c HTTP/1.1\nHost: x\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n${hidden}`,
      ),
      'https to the proxy itself': raw('GET https://allowed.test/ HTTP/1.1\nHost: x\nConnection: close'),
      'origin form': raw('GET /proxy HTTP/1.1\nHost: allowed.test\nConnection: close'),
      'a user in the URL': raw('GET http://allowed.test@evil.test/ HTTP/1.1\nHost: x\nConnection: close'),
    };
    const unreachable = {
      'HTTP/2': `${raw('PRI * HTTP/2.0\n\nSM')} | grep -q 200`,
      'the host': socket(HOST, hostPort),
      'the gateway': socket(gateway, hostPort),
      'metadata itself': socket(METADATA, 80),
      'the allowed itself': socket(ALLOWED, 80),
      'the allowed itself, v6': socket(ALLOWED6, 80),
      'link-local': socket('fe80::1%lo', 80),
      'names by UDP': `timeout 8 nslookup allowed.test ${PRIVATE} | grep -q ${ALLOWED}`,
      'the engine': 'ls /var/run/docker.sock /run/docker.sock',
      'host.docker.internal': socket('host.docker.internal', hostPort),
    };
    const all = { ...refused, ...bad, ...unreachable };
    const { output, decisions, told } = await job(
      Object.entries(all).map(([name, command]) => probe(name, command)).join(''),
    );
    expect(Object.keys(output)).toEqual(Object.keys(all));
    for (const name of Object.keys(all)) expect(output[name], name).not.toContain('hello');
    for (const name of Object.keys(refused)) expect(output[name], name).toContain('403');
    for (const name of Object.keys(bad)) expect(output[name], name).toMatch(/^HTTP\/1.1 400 /);
    for (const name of Object.keys(unreachable)) expect(output[name], name).not.toContain('exit 0\n');
    // Only the redirects themselves arrived anywhere.
    expect(world.seen.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      `${ALLOWED}:80 GET /?to=http://evil.test/`,
      `${ALLOWED}:80 GET /?to=http://${PRIVATE}/`,
    ]);
    // The name server heard of listed names only, by the node.
    expect(world.asked.filter((question) => /evil|notallowed|A wild\.test/.test(question))).toEqual([]);
    // Each request has its line (a redirect two).
    const lines = decisions.map(brief);
    expect(lines.filter((line) => line.startsWith('allowed'))).toEqual([
      'allowed GET allowed.test 80',
      'allowed GET allowed.test 80',
    ]);
    expect(lines.filter((line) => line.startsWith('refused') && !line.endsWith('request-invalid')))
      .toHaveLength(
        Object.keys(refused).length,
      );
    for (
      const line of [
        'refused GET evil.test 80 host-not-listed',
        'refused GET port.test 80 port-not-listed',
        `refused GET ${ALLOWED} 80 host-not-listed`,
        `refused GET ${ALLOWED6} 80 host-not-listed`,
        `refused GET ${METADATA} 80 host-not-listed`,
        'refused GET inside.test 80 address-not-public',
        `refused GET host.test ${hostPort} address-not-public`,
        'refused GET meta.test 80 address-not-public',
        'refused GET mapped.test 80 address-not-public',
        'refused CONNECT allowed.test 22 port-not-listed',
        'refused GET allowed.test 22 port-not-listed',
        'refused CONNECT evil.test 443 host-not-listed',
      ]
    ) expect(lines).toContain(line);
    // The person who follows the job reads of it, a few times, with what to do.
    expect(told[0]).toMatchObject({
      Message: 'Network: GET evil.test:80 was refused: evil.test is not in the list of domains',
      Details: { Hint: 'To allow it, add "evil.test" to Network.Domains of the task.' },
    });
    expect(told.length).toBeLessThanOrEqual(7);
    expect(told.at(-1)!.Message).toContain('network-decisions.jsonl');
  });

  it('lets a listed private address pass, but neither the metadata address nor the loopback of the node', async () => {
    const { output, decisions } = await job(
      probe('private', get(`http://${PRIVATE}/`)) + probe('private by name', get('http://inside.test/')) +
        probe('metadata', get(`http://${METADATA}/`)) + probe('metadata by name', get('http://meta.test/')) +
        probe('loopback', raw(`GET http://127.0.0.1:${hostPort}/ HTTP/1.1\nHost: x\nConnection: close`)) +
        probe('loopback by name', get(`http://loop.test:${hostPort}/`)),
      [PRIVATE, METADATA, '127.0.0.1', 'inside.test', 'meta.test', 'loop.test'],
    );
    for (const name of ['private', 'private by name']) {
      expect(output[name]).toContain(`hello from ${PRIVATE}`);
    }
    for (const name of ['metadata', 'metadata by name', 'loopback', 'loopback by name']) {
      expect(output[name], name).toContain('403');
    }
    expect(world.seen).toHaveLength(2);
    expect(decisions.find(({ host }) => host === METADATA)).toMatchObject({
      code: 'address-not-public',
      hint: 'No entry of Network.Domains opens it.',
    });
  });

  it('looks a name up once for a request, so an answer that changes gains nothing', async () => {
    const { output, decisions } = await job(
      probe('first', get('http://rebind.test/')) + probe('second', get('http://rebind.test/')),
    );
    expect(output['first']).toContain(`hello from ${EVIL}:80`);
    expect(output['second']).toContain('403');
    // A program that waits in vain on a busy machine asks again, which is one more request.
    expect(world.asked.filter((question) => question === 'A rebind.test')).toHaveLength(decisions.length);
    expect(world.seen).toHaveLength(1);
    expect([...new Set(decisions.map(brief))]).toEqual([
      'allowed GET rebind.test 80',
      'refused GET rebind.test 80 address-not-public',
    ]);
    expect(decisions[1]).toMatchObject({ address: PRIVATE });
  });

  it('checks each request of a connection, and passes no upgrade', async () => {
    const upgrade = 'Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    const { output, decisions } = await job(
      probe(
        'kept alive',
        raw(
          'GET http://allowed.test/1 HTTP/1.1\nHost: x\n\nGET http://evil.test/2 HTTP/1.1\nHost: allowed.test\n\n' +
            'GET http://allowed.test/3 HTTP/1.1\nHost: evil.test',
        ),
      ) + probe('websocket', raw(`GET http://allowed.test/ws HTTP/1.1\nHost: allowed.test\n${upgrade}`)),
    );
    expect(output['kept alive']!.match(/^HTTP\/1.1 \d+/gm)?.slice(0, 2)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 403',
    ]);
    expect(output['websocket']).not.toContain('101');
    expect(world.seen.filter((line) => line.includes(EVIL) || line.includes('UPGRADE'))).toEqual([]);
    expect(world.seen[0]).toContain('GET /1');
    expect(decisions.map(brief)).toContain('refused GET evil.test 80 host-not-listed');
  });

  it('keeps to its limits, and says so', async () => {
    const tunnel =
      `(printf 'CONNECT port.test:8080 HTTP/1.1\\r\\n\\r\\n'; sleep 4) | nc 127.0.0.1 3128 > /dev/null &`;
    const { output, decisions, told } = await job(
      probe('slow', "time -f %e timeout 60 wget -q -O- 'http://allowed.test/?bytes=5000000' | wc -c") +
        `${tunnel} ${tunnel} sleep 1\n` +
        probe('third', raw('GET http://allowed.test/ HTTP/1.1\nHost: x\nConnection: close')) + 'wait\n',
    );
    expect(output['slow']).toMatch(/5000\d\d\d/);
    // 1 MB at once, then 1 MB a second.
    expect(Number(/^[\d.]+$/m.exec(output['slow']!)?.[0])).toBeGreaterThan(3.5);
    expect(output['third']).toMatch(
      /503 [^]*2 connections open, which is its limit[^]*Engines.Types.Docker.HTTPNetwork.MaxConnections/,
    );
    expect(decisions.find(({ bytesReceived }) => bytesReceived > 5e6)!.throttledMs).toBeGreaterThan(1000);
    expect(decisions.map(({ code }) => code)).toContain('too-many-connections');
    expect(told.map(({ Message }) => Message)).toEqual([
      expect.stringMatching(
        /^Network: GET allowed.test:80 waited [\d.]+ s for the rate limit of the execution$/,
      ),
      expect.stringContaining('2 connections open, which is its limit'),
    ]);
  });

  it('tells who watches what was refused, and keeps the decisions of a program that failed', async () => {
    const ended = await cluster.cli(
      ...['docker', 'run', '--network', 'http', '--domain', 'allowed.test', '-p', 'local'],
      ...[image, '--', 'sh', '-c', `${get('http://evil.test/')} || { sleep 2; exit 3; }`],
    );
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain(
      'Network: GET evil.test:80 was refused: evil.test is not in the list of domains',
    );
    const id = /\b(j-[a-f0-9-]{36})\b/.exec(ended.stdout)![1]!;
    const folder = join(cluster.folder, `result-${id}`);
    await mkdir(folder);
    expect(await cluster.cli('job', 'get', id, '--output-dir', folder)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'exitCode'), 'utf8')).toBe('3');
    expect(readFileSync(join(folder, 'network-decisions.jsonl'), 'utf8')).toMatch(
      /"host":"evil\.test"[^\n]*\n$/,
    );
  });

  it('lives on when its node is killed: the next one serves the same rules', async () => {
    world.seen.length = 0;
    const script =
      'trap "exit 0" TERM; while :; do wget -q -O- http://allowed.test/loop; wget -q -O- http://evil.test/; sleep 0.2; done';
    const started = await cluster.cli(
      ...['docker', 'run', '--id-only', '--wait=false', '--network', 'http', '--domain', 'allowed.test'],
      ...[image, '--', 'sh', '-c', script],
    );
    const id = started.stdout.trim();
    const passes = async () => {
      const before = world.seen.length;
      await until(() => world.seen.length > before, 'a request passes');
    };
    await passes();
    await cluster.compute.kill('SIGKILL');
    await cluster.startCompute();
    await passes();
    expect(await cluster.cli('job', 'stop', id)).toMatchObject({ code: 0 });
    await cluster.nothingLeft();
    expect(world.seen.filter((line) => line.includes(EVIL))).toEqual([]);
  });

  it('a list that cannot be read is refused when the job is submitted or bid for', async () => {
    const none = await cluster.cli(
      ...['docker', 'run', '--network', 'http', '--queue-timeout', '0', image, '--', 'true'],
    );
    expect(none.code).not.toBe(0);
    expect(none.stderr).toMatch(/domain/i);
  });
});
