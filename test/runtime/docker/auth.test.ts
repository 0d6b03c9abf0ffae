/** Where credentials come from, and which registry gets them. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { authHeader } from '../../../runtime/docker/auth.ts';
import { registryAuth } from '../../../runtime/docker/mod.ts';
import { temporaryFolder } from '../../support/program.ts';

const HUB = 'https://index.docker.io/v1/';
const VARIABLES = { DOCKER_USERNAME: 'me', DOCKER_PASSWORD: 'secret' };
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('the two variables', () => {
  it.each(['ubuntu', 'user/image:tag', 'docker.io/user/image'])('go to Docker Hub for %s', async (ref) => {
    expect(await registryAuth(ref, { env: VARIABLES, home: '/nonexistent' }))
      .toEqual({ username: 'me', password: 'secret', serveraddress: HUB });
  });

  it.each(['localhost:5000/image', 'localhost/image', 'ghcr.io/org/image', 'evil.example/image'])(
    'never go to another registry: %s',
    async (ref) => {
      expect(await registryAuth(ref, { env: VARIABLES, home: '/nonexistent' })).toBeNull();
    },
  );

  it('count only together', async () => {
    expect(await registryAuth('ubuntu', { env: { DOCKER_USERNAME: 'me' }, home: '/nonexistent' })).toBeNull();
  });
});

describe('config.json', () => {
  const ask = async (config: unknown, ref: string, env: Record<string, string> = {}) => {
    await using folder = await temporaryFolder();
    const configFile = join(folder.path, 'config.json');
    await writeFile(configFile, typeof config === 'string' ? config : JSON.stringify(config));
    return await registryAuth(ref, { env, configFile });
  };

  it('holds user and password as base64, by host or by address', async () => {
    const auths = {
      [HUB]: { auth: base64('a:b:c') },
      'r.example:5000': { auth: base64('d:e') },
      'https://old.example/v1/': { username: 'f', password: 'g' },
      'token.example': { identitytoken: 'h' },
      'empty.example': {},
    };
    const of = (ref: string) => ask({ auths }, ref);
    expect(await of('ubuntu')).toEqual({ username: 'a', password: 'b:c', serveraddress: HUB });
    expect(await of('r.example:5000/x')).toEqual({
      username: 'd',
      password: 'e',
      serveraddress: 'r.example:5000',
    });
    expect(await of('old.example/x')).toEqual({ username: 'f', password: 'g', serveraddress: 'old.example' });
    expect(await of('token.example/x')).toEqual({ identitytoken: 'h', serveraddress: 'token.example' });
    expect(await of('empty.example/x')).toBeNull();
    expect(await of('other.example/x')).toBeNull();
  });

  it.each([['not json'], ['[1'], [{ auths: { 'r.example': { auth: base64('nocolon') } } }]])(
    'that is broken is refused: %j',
    async (config) => {
      await expect(ask(config, 'r.example/x')).rejects.toMatchObject({ code: 'ConfigInvalid' });
    },
  );

  it.skipIf(process.platform === 'win32')('names helpers, for all servers and for one', async () => {
    await using bin = await temporaryFolder();
    const helper = async (name: string, script: string) => {
      const path = join(bin.path, `docker-credential-${name}`);
      await writeFile(path, `#!/bin/sh\nread server || true\n${script}\n`);
      await chmod(path, 0o755);
    };
    await helper('one', `[ "$1" = get ] && echo "{\\"Username\\":\\"u $server\\",\\"Secret\\":\\"s\\"}"`);
    await helper('token', `echo '{"Username":"<token>","Secret":"t"}'`);
    await helper('none', 'echo credentials not found in native keychain; exit 1');
    await helper('broken', 'echo the key ring is locked >&2; exit 1');
    const env = { PATH: `${bin.path}:${process.env.PATH}` };
    const auths = { 'r.example': { auth: base64('x:y') } };
    const of = (config: unknown, ref = 'r.example/x') => ask(config, ref, env);

    expect(await of({ credsStore: 'one' })).toEqual({
      username: 'u r.example',
      password: 's',
      serveraddress: 'r.example',
    });
    expect(await of({ credsStore: 'one' }, 'ubuntu')).toMatchObject({ username: `u ${HUB}` });
    expect(await of({ credsStore: 'one', credHelpers: { 'r.example': 'token' } }))
      .toEqual({ identitytoken: 't', serveraddress: 'r.example' });
    expect(await of({ credsStore: 'none' })).toBeNull();
    expect(await of({ credsStore: 'none', auths })).toMatchObject({ username: 'x' });
    await expect(of({ credsStore: 'broken' })).rejects.toThrow(/the key ring is locked/);
    await expect(of({ credsStore: 'absent' })).rejects.toThrow(/docker-credential-absent/);
    await expect(of({ credsStore: '../evil' })).rejects.toThrow(/not the name of a credential helper/);
  });
});

it('the header has padding, without which engines ignore it', () => {
  expect(authHeader({ username: 'aa' })['x-registry-auth']).toBe('eyJ1c2VybmFtZSI6ImFhIn0=');
});
