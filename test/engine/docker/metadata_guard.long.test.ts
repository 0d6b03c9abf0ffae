/** The metadata guard with a real engine and a metadata service behind a namespace and on the host itself. */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MetadataGuard } from '../../../mod/engine/docker/metadata_guard.ts';
import { connectDocker } from '../../../runtime/docker/mod.ts';
import { realWorld } from '../../../runtime/world.ts';
import { dockerd, dockerMissing, type TestDocker } from '../../support/docker.ts';
import { ALLOWED, METADATA, type Outside, outside } from './support/outside.ts';
import { probe, runScript, sections, start } from './support/script.ts';

const found = await dockerd();
if (!found) console.log(dockerMissing());
const docker = found as TestDocker;
const install = `guard-${randomUUID()}`;
/** Others may have rules, too. */
const CHAIN = `BACALHAU-${createHash('sha256').update(install).digest('hex').slice(0, 12)}`;
/** An address of the service that here is one of the host's own. */
const ON_HOST = '169.254.170.2';

const rules = () =>
  ['iptables', 'ip6tables'].map((program) => execFileSync(`${program}-save`, { encoding: 'utf8' })).join('');
const ours = (text: string) => text.split('\n').filter((line) => line.includes(CHAIN));

describe.skipIf(!found)('metadata guard', () => {
  let world: Outside;
  const onHost = createServer((_request, response) => response.end('hello from the host'));
  const guardOf = (installId = install) =>
    new MetadataGuard({ world: realWorld, docker: docker.docker, installId });
  const get = (address: string) => `timeout 3 wget -q -O- http://${address}/`;
  const script = probe('metadata', get(METADATA)) + probe('on the host', get(ON_HOST)) +
    probe('elsewhere', get(ALLOWED));

  async function reached(macAddress: string | undefined): Promise<string[]> {
    const results = sections(await runScript(docker, script, { install, macAddress }));
    return Object.keys(results).filter((name) => results[name]!.includes('hello from'));
  }

  beforeAll(async () => {
    world = await outside();
    execFileSync('ip', ['addr', 'add', `${ON_HOST}/32`, 'dev', 'lo']);
    await new Promise<void>((done) => onHost.listen(80, ON_HOST, done));
  });
  afterAll(async () => {
    onHost.close();
    execFileSync('ip', ['addr', 'del', `${ON_HOST}/32`, 'dev', 'lo']);
    await world?.[Symbol.asyncDispose]();
  });

  it('a guarded container reaches all but the metadata addresses, others are not touched', async () => {
    const guard = guardOf();
    const { macAddress } = await guard.endpoint('e-1', 1);
    expect(macAddress).toMatch(/^02:42:b0:[0-9a-f]{2}:[0-9a-f]{2}:00$/);
    expect(await reached(undefined)).toEqual(['metadata', 'on the host', 'elsewhere']);
    // Refused, not swallowed: a program that asks for credentials does not hang.
    const results = sections(await runScript(docker, script, { install, macAddress }));
    expect(results['metadata']).toContain('Connection refused');
    expect(results['on the host']).toContain('Connection refused');
    expect(results['elsewhere']).toContain('hello from');
    const often = await runScript(
      docker,
      `for i in $(seq 20); do ${get(METADATA)} 2>&1; done`,
      { install, macAddress },
    );
    expect(often.match(/Connection refused/g)).toHaveLength(20);
    // The same run gets the same, another run another, a released one is given out again.
    expect(await guard.endpoint('e-1', 1)).toEqual({ macAddress });
    const { macAddress: second } = await guard.endpoint('e-2', 1);
    expect(second).not.toBe(macAddress);
    expect(await reached(second)).toEqual(['elsewhere']);
    guard.release('e-1', 1);
    expect(await guard.endpoint('e-3', 1)).toEqual({ macAddress });
    guard.release('e-2', 1);
    guard.release('e-3', 1);
    await guard.close();
    expect(ours(rules())).toEqual([]);
    expect(await reached(macAddress)).toEqual(['metadata', 'on the host', 'elsewhere']);
  });

  it('a DNAT of the host cannot lead around it', async () => {
    const nat = [
      'PREROUTING',
      '-d',
      `${METADATA}/32`,
      '-p',
      'tcp',
      '--dport',
      '80',
      '-j',
      'DNAT',
      '--to-destination',
      `${ALLOWED}:80`,
    ];
    execFileSync('iptables', ['-t', 'nat', '-A', ...nat]);
    try {
      const guard = guardOf();
      const { macAddress } = await guard.endpoint('e-1', 1);
      expect(await reached(undefined)).toContain('metadata');
      expect(await reached(macAddress)).toEqual(['elsewhere']);
      guard.release('e-1', 1);
      await guard.close();
    } finally {
      execFileSync('iptables', ['-t', 'nat', '-D', ...nat]);
    }
  });

  it('after a crash living containers stay guarded, their addresses are not given out, stale rules go', async () => {
    const first = guardOf();
    const { macAddress } = await first.endpoint('e-1', 1);
    await first.endpoint('e-2', 1); // its container is never made
    const labels = { 'bacalhau.execution': 'e-1', 'bacalhau.run': '1', 'bacalhau.part': 'executor' };
    await using job = await start(docker, `while :; do ${get(METADATA)}; ${get(ALLOWED)}; sleep 0.2; done`, {
      install,
      macAddress,
      labels,
    });
    const second = guardOf();
    const { macAddress: other } = await second.endpoint('e-5', 1);
    expect(other).not.toBe(macAddress);
    await expect.poll(() => job.output(), { timeout: 10_000 }).toContain(`hello from ${ALLOWED}`);
    expect(await job.output()).not.toContain(`hello from ${METADATA}`);
    second.release('e-5', 1);
    // It lives on, so its rules do.
    await second.close();
    expect(ours(rules()).join('\n').toLowerCase()).toContain(macAddress);
    second.release('e-1', 1);
    await second.close();
    expect(ours(rules())).toEqual([]);
  });

  it('rules that a reload of the firewall took away come back', async () => {
    let now = 0;
    const guard = new MetadataGuard({
      world: { ...realWorld, elapsed: () => now },
      docker: docker.docker,
      installId: install,
    });
    const { macAddress } = await guard.endpoint('e-1', 1);
    execFileSync('iptables', ['-D', 'FORWARD', '-d', METADATA, '-j', CHAIN]);
    expect(await reached(macAddress)).toContain('metadata');
    now += 60_000;
    await guard.endpoint('e-2', 1);
    expect(await reached(macAddress)).toEqual(['elsewhere']);
    guard.release('e-1', 1);
    guard.release('e-2', 1);
    await guard.close();
    expect(ours(rules())).toEqual([]);
  });

  it('where it is switched off or cannot work containers run unguarded, and the log says so once', async () => {
    const said: string[] = [];
    const logger = { log: (_level: string, message: string) => void said.push(message) };
    const remote = await connectDocker({ host: 'tcp://192.0.2.1:2375', env: {} });
    const away = new MetadataGuard({ world: realWorld, docker: remote, installId: install, logger });
    expect(await away.endpoint('e', 1)).toEqual({});
    expect(await away.endpoint('e', 2)).toEqual({});
    expect(said).toEqual(['Containers on the bridge can reach the cloud metadata address']);
    const off = new MetadataGuard({
      world: realWorld,
      docker: docker.docker,
      installId: install,
      enabled: false,
      logger,
    });
    expect(await off.endpoint('e', 1)).toEqual({});
    expect(said).toHaveLength(1);
    await away.close();
    await off.close();
    remote.close();
  });
});
