/** What of HTTP networks needs no engine: refusals, the holder's program, the folder of sockets. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, expect, it } from 'vitest';
import { holderImage, holderProgram } from '../../../mod/engine/docker/http_network/holder_image.ts';
import { HttpNetworks } from '../../../mod/engine/docker/http_network/mod.ts';
import { openSocketFolder, socketPath } from '../../../mod/engine/docker/http_network/socket_folder.ts';
import { connectDocker } from '../../../runtime/docker/mod.ts';
import { realWorld } from '../../../runtime/world.ts';

/** On a machine that may be busy. */
const SOON = { timeout: 15_000 };

const folder = mkdtempSync(join(tmpdir(), 'http-network-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(process.platform !== 'linux')('HTTP networks without an engine that can', () => {
  it('say why', async () => {
    const remote = await connectDocker({ host: 'tcp://192.0.2.1:2375', env: {} });
    const options = { world: realWorld, directory: join(folder, 'sockets'), installId: 'i' };
    expect(await new HttpNetworks(remote, options).available()).toMatchObject({
      code: 'HttpNetworkUnavailable',
      reason: expect.stringContaining('not on this machine'),
    });
    const away = await connectDocker({ host: `unix://${folder}/no.sock`, env: {} });
    expect(await new HttpNetworks(away, options).available()).toMatchObject({
      // Whoever is not root hears of that first.
      reason: expect.stringMatching(process.getuid?.() === 0 ? /does not answer/ : /does not run as root/),
    });
    const nets = new HttpNetworks(remote, options);
    expect(nets.check(['.example.com', '*.x.org', '192.0.2.1'])).toBeNull();
    expect(nets.check([])?.reason).toContain('at least one domain');
    expect(nets.check(['ok.org', 'a b'])?.reason).toContain('"a b"');
    remote.close();
    away.close();
  });
});

describe('the holder', () => {
  const here = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];

  it.skipIf(process.platform !== 'linux' || !here)('waits, and ends politely', async () => {
    const program = join(folder, 'holder');
    writeFileSync(program, holderProgram(here!), { mode: 0o755 });
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const child = spawn(program);
      await once(child, 'spawn');
      // In rt_sigtimedwait.
      await expect.poll(() => readFileSync(`/proc/${child.pid}/syscall`, 'utf8'), SOON).toMatch(
        /^(128|137) /,
      );
      process.kill(child.pid!, signal);
      expect(await once(child, 'close')).toEqual([0, null]);
    }
  });

  it('has a name that changes with the program, and none for other machines', () => {
    expect(holderImage('amd64')).toMatch(/^bacalhau\/network-holder:[0-9a-f]{12}$/);
    expect(holderImage('amd64')).not.toBe(holderImage('arm64'));
    expect(() => holderProgram('s390x')).toThrow('s390x');
  });
});

describe.skipIf(process.platform === 'win32')('the folder of sockets', () => {
  it('is private, without what an earlier node left, and short', () => {
    const place = openSocketFolder(join(folder, 'private'));
    expect(lstatSync(place).mode & 0o777).toBe(0o700);
    const left = socketPath(place, 'e', 1);
    writeFileSync(left, '');
    openSocketFolder(place);
    expect(existsSync(left)).toBe(false);
    const deep = join(folder, 'x'.repeat(100));
    const short = openSocketFolder(deep);
    expect(Buffer.byteLength(socketPath(short, 'e', 1))).toBeLessThan(108);
    expect(lstatSync(short).mode & 0o777).toBe(0o700);
    expect(openSocketFolder(deep)).toBe(short);
    rmSync(short, { recursive: true });
  });
});
