/** What no real engine can be made to do here: be too old, too new, silent, or close a kept connection. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectDocker, type Docker } from '../../../runtime/docker/mod.ts';
import { chooseVersion, compareVersions, MAX_VERSION } from '../../../runtime/docker/version.ts';
import { temporaryFolder } from '../../support/program.ts';

async function withEngine(
  listener: RequestListener,
  act: (docker: Docker, server: Server) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 's');
  const server = createServer(listener);
  await new Promise<void>((listening) => server.listen(path, listening));
  const docker = await connectDocker({ host: `unix://${path}`, env, timeoutMs: 300 });
  try {
    await act(docker, server);
  } finally {
    docker.close();
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

const engineOf = (version: string, seen: string[] = []): RequestListener => (request, response) => {
  seen.push(request.url!);
  response.setHeader('Api-Version', version).setHeader('content-type', 'application/json').end('{}');
};

describe('version', () => {
  it('is compared by numbers', () => {
    expect(['1.9', '1.41', '1.100'].sort(compareVersions)).toEqual(['1.9', '1.41', '1.100']);
  });

  it.each([['1.41', '1.41'], ['1.43', '1.43'], ['1.99', MAX_VERSION], ['2.0', MAX_VERSION]])(
    'offered %s, spoken %s',
    (offered, spoken) => expect(chooseVersion(offered, undefined, 'x')).toBe(spoken),
  );

  it('is asked for once, and stands in front of every path', async () => {
    const seen: string[] = [];
    await withEngine(engineOf('1.45', seen), async (docker) => {
      await Promise.all([docker.info(), docker.info()]);
      expect(seen).toEqual(['/_ping', '/v1.45/info', '/v1.45/info']);
    });
  });

  it('of DOCKER_API_VERSION is used as it is', async () => {
    const seen: string[] = [];
    await withEngine(engineOf('1.45', seen), async (docker) => {
      await docker.info();
      expect(seen.at(-1)).toBe('/v1.42/info');
    }, { DOCKER_API_VERSION: '1.42' });
  });

  it('below 1.41 is refused in words', async () => {
    await withEngine(engineOf('1.40'), async (docker) => {
      await expect(docker.info()).rejects.toMatchObject({
        code: 'NotImplemented',
        message: expect.stringMatching(/speaks API 1\.40, 1\.41 \(Docker 20\.10\) is needed/),
      });
    });
  });
});

describe('transport', () => {
  it('ends a short call that is not answered', async () => {
    await withEngine((request, response) => {
      if (request.url === '/_ping') engineOf('1.41')(request, response);
    }, async (docker) => {
      await expect(docker.info()).rejects.toMatchObject({ code: 'Deadline', retryable: true });
    });
  });

  it('asks again where a kept connection was closed', async () => {
    await withEngine(engineOf('1.41'), async (docker, server) => {
      await docker.info();
      server.closeAllConnections();
      await docker.info();
    });
  });

  it('says where it cannot connect', async () => {
    const docker = await connectDocker({ host: 'unix:///nonexistent/d.sock', env: {} });
    await expect(docker.ping()).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringMatching(/Cannot reach the Docker engine "unix:\/\/\/nonexistent\/d.sock"/),
    });
  });

  it.each([
    [404, { message: 'No such container: x' }, 'ContainerNotFound'],
    [404, { message: 'network x not found' }, 'NotFound'],
    [500, { message: 'toomanyrequests: You have reached your pull rate limit' }, 'RateLimited'],
    [500, { message: 'Get "https://r/v2/": dial tcp: lookup r: no such host' }, 'Unavailable'],
    [500, { message: 'Get https://r/v2/: unauthorized: incorrect username or password' }, 'Unauthorized'],
    [403, { message: 'denied: requested access to the resource is denied' }, 'Forbidden'],
    [500, { message: 'boom' }, 'SystemError'],
    [501, { message: 'no' }, 'NotImplemented'],
    [418, {}, 'UnknownError'],
  ])('status %i %j is %s', async (status, body, code) => {
    await withEngine((request, response) => {
      if (request.url === '/_ping') return engineOf('1.41')(request, response);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }, async (docker) => {
      await expect(docker.info()).rejects.toMatchObject({ code, status });
    });
  });
});
