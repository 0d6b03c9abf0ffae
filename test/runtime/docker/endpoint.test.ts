/** Which engine is meant, by every way to say it. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dialOptions, pipePath } from '../../../runtime/docker/dial.ts';
import { endpointText, resolveEndpoint } from '../../../runtime/docker/endpoint.ts';
import { temporaryFolder } from '../../support/program.ts';

const home = '/nonexistent';

describe('resolveEndpoint', () => {
  it.each([
    [{}, 'linux', 'unix:///var/run/docker.sock', true, 'default'],
    [{}, 'win32', 'npipe:////./pipe/docker_engine', true, 'default'],
    [{ DOCKER_HOST: 'unix:///a/b.sock' }, 'linux', 'unix:///a/b.sock', true, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'npipe:////./pipe/x' }, 'win32', 'npipe:////./pipe/x', true, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'tcp://10.0.0.1' }, 'linux', 'tcp://10.0.0.1:2375', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'tcp://10.0.0.1:99/' }, 'linux', 'tcp://10.0.0.1:99', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'tcp://[::1]:99' }, 'linux', 'tcp://[::1]:99', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'somewhere:99' }, 'linux', 'tcp://somewhere:99', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'https://somewhere' }, 'linux', 'tcp://somewhere:2376', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1' }, 'linux', 'tcp://h:2376', false, 'DOCKER_HOST'],
    [{ DOCKER_HOST: 'unix:///a', DOCKER_CONTEXT: 'b' }, 'linux', 'unix:///a', true, 'DOCKER_HOST'],
    [{ DOCKER_CONTEXT: 'default' }, 'linux', 'unix:///var/run/docker.sock', true, 'default'],
  ])('%j on %s is %s', async (env, platform, text, isLocal, origin) => {
    const endpoint = await resolveEndpoint({ env, home, platform });
    expect([endpointText(endpoint), endpoint.isLocal, endpoint.origin]).toEqual([text, isLocal, origin]);
  });

  it.each([
    [{ DOCKER_HOST: 'ssh://me@there' }, /ssh is not spoken here; forward the socket/],
    [{ DOCKER_HOST: 'fd://3' }, /scheme "fd" is unknown/],
    [{ DOCKER_HOST: 'tcp://a:b' }, /not of the form tcp:\/\/host:port/],
    [{ DOCKER_HOST: 'tcp://a:99999' }, /not of the form/],
    [{ DOCKER_CONTEXT: 'nowhere' }, /there is none of that name/],
    [{ DOCKER_HOST: 'tcp://a', DOCKER_CERT_PATH: '/nonexistent' }, /Cannot read the Docker certificate/],
  ])('%j is refused', async (env, message) => {
    await expect(resolveEndpoint({ env, home, platform: 'linux' }))
      .rejects.toMatchObject({ code: 'ConfigInvalid', message: expect.stringMatching(message) });
  });

  it('follows the current context with its certificates, and DOCKER_CONTEXT before it', async () => {
    await using folder = await temporaryFolder();
    const docker = join(folder.path, '.docker');
    const context = async (name: string, host: string, certificates: boolean) => {
      const id = createHash('sha256').update(name).digest('hex');
      await mkdir(join(docker, 'contexts/meta', id), { recursive: true });
      const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
      await writeFile(join(docker, 'contexts/meta', id, 'meta.json'), JSON.stringify(meta));
      if (!certificates) return;
      const tls = join(docker, 'contexts/tls', id, 'docker');
      await mkdir(tls, { recursive: true });
      for (const part of ['ca', 'cert', 'key']) await writeFile(join(tls, `${part}.pem`), part);
    };
    await context('remote', 'tcp://far:2376', true);
    await context('desktop', 'unix:///desktop.sock', false);
    await writeFile(join(docker, 'config.json'), '{"currentContext":"remote"}');

    expect(await resolveEndpoint({ env: {}, home: folder.path, platform: 'linux' })).toEqual({
      kind: 'tcp',
      host: 'far',
      port: 2376,
      tls: { verify: true, ca: 'ca', cert: 'cert', key: 'key' },
      origin: 'context "remote"',
      isLocal: false,
    });
    const other = await resolveEndpoint({ env: { DOCKER_CONTEXT: 'desktop' }, home: folder.path });
    expect(endpointText(other)).toBe('unix:///desktop.sock');
  });
});

describe('dialling', () => {
  it('writes pipes as Windows does, and connects by path', () => {
    expect(pipePath('//./pipe/docker_engine')).toBe('\\\\.\\pipe\\docker_engine');
    const options = dialOptions({ kind: 'npipe', path: '//./pipe/x', origin: '', isLocal: true });
    expect(options.createConnection).toBeTypeOf('function');
  });
});
