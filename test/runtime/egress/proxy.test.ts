/** The proxy on a port with real servers on the loopback, whose addresses are allowed by being listed; on both runtimes. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  EgressPolicy,
  EgressProxy,
  openDecisionLog,
  parseDomains,
  type ProxyLimits,
} from '../../../runtime/egress/mod.ts';
import { endRigs, rawUpstream, startProxy, upstream } from './support/proxy_rig.ts';
import { raw } from './support/raw.ts';

/** On a machine that may be busy. */
const SOON = { timeout: 15_000 };

afterEach(endRigs);

describe.each(['deno', 'bun'] as const)('on %s', { timeout: 60_000 }, (runtime) => {
  const proxy = (
    domains: readonly string[],
    names: Parameters<typeof startProxy>[2] = {},
    limits: Partial<ProxyLimits> = {},
  ) => startProxy(runtime, domains, names, limits);

  describe('plain HTTP', () => {
    it('an allowed name passes, with the checked name as Host and the job id', async () => {
      const { port, seen } = await upstream();
      const { ask, log } = await proxy(['Allowed.Test', '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] });
      const answer = await ask(
        `GET http://ALLOWED.test.:${port}/a/../b?q=1 HTTP/1.1\r\nHost: forbidden.test\r\nX-Keep: 1\r\nX-Keep: 2\r\n` +
          'x-bacalhau-job-id: forged\r\nProxy-Connection: keep-alive\r\nX-Drop: 1\r\nConnection: close, X-Drop\r\n\r\n',
      );
      expect(answer).toMatch(/^HTTP\/1.1 200 .*hello from upstream$/s);
      const { url, headers } = seen[0]!;
      expect(url).toBe('/b?q=1');
      const lines = Array.from(
        { length: headers.length / 2 },
        (_, at) => headers.slice(2 * at, 2 * at + 2).join('=').toLowerCase(),
      );
      expect(lines.sort()).toEqual([
        'connection=close',
        `host=allowed.test:${port}`,
        'x-bacalhau-job-id=j-1',
        'x-keep=1',
        'x-keep=2',
      ]);
      await expect.poll(log, SOON).toMatchObject([{
        verdict: 'allowed',
        method: 'GET',
        host: 'allowed.test',
        port,
        address: '127.0.0.1',
        rule: 'Allowed.Test',
        status: 200,
        bytesReceived: 19,
      }]);
    });

    it('a name that is not listed, and what to do about it', async () => {
      const { get, log } = await proxy(['allowed.test']);
      const answer = await get('http://evil.test/');
      expect(answer).toMatch(/^HTTP\/1.1 403 /);
      expect(answer).toContain('add "evil.test" to Network.Domains');
      await expect.poll(log, SOON).toMatchObject([{
        verdict: 'refused',
        code: 'host-not-listed',
        host: 'evil.test',
        port: 80,
      }]);
    });

    it('a name that resolves to an address inside, and one that changes its mind', async () => {
      const { port, seen } = await upstream();
      const { get, log } = await proxy(['inside.test', 'meta.test', 'rebind.test', '127.0.0.2'], {
        'inside.test': ['127.0.0.1', '10.0.0.1', '::ffff:127.0.0.1'],
        'meta.test': ['169.254.169.254'],
        'rebind.test': [['127.0.0.2'], ['127.0.0.1']],
      });
      for (const url of [`http://inside.test:${port}/`, 'http://meta.test/latest/meta-data']) {
        expect(await get(url)).toMatch(/^HTTP\/1.1 403 /);
      }
      // Connects to what was looked up first, where nobody listens; never asks again.
      expect(await get(`http://rebind.test:${port}/`)).toMatch(/^HTTP\/1.1 502 /);
      expect(seen).toEqual([]);
      await expect.poll(() => log().map(({ verdict, address }) => [verdict, address]), SOON).toEqual([
        ['refused', '127.0.0.1'],
        ['refused', '169.254.169.254'],
        ['failed', undefined],
      ]);
    });

    it('addresses in every notation are addresses', async () => {
      const { port, seen } = await upstream();
      const { get, log } = await proxy(['*']);
      for (
        const host of [
          '127.0.0.1',
          '0x7f.1',
          '2130706433',
          '0177.0.0.1',
          '[::ffff:127.0.0.1]',
          '127.1',
          '0',
          '[::1]',
        ]
      ) {
        expect(await get(`http://${host}:${port}/`), host).toMatch(/^HTTP\/1.1 403 /);
      }
      expect(seen).toEqual([]);
      await expect.poll(() => new Set(log().map(({ code }) => code)), SOON).toEqual(
        new Set(['address-not-public']),
      );
    });

    it('a redirect comes back to the client', async () => {
      const { port } = await upstream((_request, response) => {
        response.writeHead(302, { Location: 'http://evil.test/' });
        response.end();
      });
      const { get } = await proxy(['allowed.test', '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] });
      expect(await get(`http://allowed.test:${port}/`)).toMatch(
        /^HTTP\/1.1 302 .*Location: http:\/\/evil.test\//is,
      );
    });

    it('bodies keep their framing, whatever the method', async () => {
      const { port, seen } = await upstream();
      const { ask } = await proxy([`allowed.test`, '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] });
      const hidden = 'GET /hidden HTTP/1.1\r\nHost: forbidden.test\r\n\r\n';
      const size = hidden.length.toString(16);
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
        await ask(
          `${method} http://allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
            `${size}\r\n${hidden}\r\n0\r\n\r\n`,
        );
        await ask(
          `${method} http://allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${hidden.length}\r\nConnection: close\r\n\r\n${hidden}`,
        );
      }
      expect(seen.map(({ method, url, body }) => [method, url, body === hidden])).toEqual(
        ['GET', 'POST', 'DELETE', 'OPTIONS'].flatMap((method) => [[method, '/', true], [method, '/', true]]),
      );
    });

    it('a second request in the same connection is checked like the first', async () => {
      const { port, seen } = await upstream();
      const { ask, log } = await proxy(['allowed.test', '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] });
      const answer = await ask(
        `GET http://allowed.test:${port}/1 HTTP/1.1\r\nHost: x\r\n\r\n` +
          `GET http://evil.test:${port}/2 HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/200 OK.*403 Forbidden/s);
      expect(seen.map(({ url }) => url)).toEqual(['/1']);
      await expect.poll(() => log().map(({ verdict }) => verdict).sort(), SOON).toEqual([
        'allowed',
        'refused',
      ]);
    });

    it('ambiguous or foreign requests are not passed on', async () => {
      const { port, seen } = await upstream();
      const { ask } = await proxy(['allowed.test', '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] });
      const url = `http://allowed.test:${port}/`;
      const bad = [
        `POST ${url} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        `POST ${url} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`,
        `GET /origin-form HTTP/1.1\r\nHost: allowed.test:${port}\r\nConnection: close\r\n\r\n`,
        `GET https://allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        `GET ftp://allowed.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        `GET http://user:pw@allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        `nonsense\r\n\r\n`,
      ];
      for (const text of bad) expect(await ask(text), text).toMatch(/^HTTP\/1.1 400 /);
      expect(seen).toEqual([]);
    });
  });

  describe('CONNECT', () => {
    it('an allowed name and port is a tunnel, in both directions and half closed', async () => {
      const port = await rawUpstream((socket) => {
        let got = '';
        socket.on('data', (bytes) => got += String(bytes)).on('end', () => socket.end(`got ${got}`));
      });
      const { ask, log } = await proxy([`allowed.test:${port}`, '127.0.0.1'], {
        'allowed.test': ['127.0.0.1'],
      });
      const answer = await ask(`CONNECT allowed.test:${port} HTTP/1.1\r\nHost: x\r\n\r\nearly bytes`, true);
      expect(answer).toMatch(/^HTTP\/1.1 200 .*\r\n\r\ngot early bytes$/s);
      await expect.poll(log, SOON).toMatchObject([
        {
          verdict: 'allowed',
          method: 'CONNECT',
          port,
          bytesSent: 11,
          bytesReceived: 15,
          address: '127.0.0.1',
        },
      ]);
    });

    it('other ports, other names, and addresses of allowed names inside are refused', async () => {
      const { port, seen } = await upstream();
      const { ask, log } = await proxy(['allowed.test', `odd.test:${port}`], {
        'allowed.test': ['127.0.0.1'],
        'odd.test': ['127.0.0.1'],
      });
      const targets = [
        `allowed.test:${port}`,
        'allowed.test:22',
        'evil.test:443',
        'allowed.test:443',
        `odd.test:${port}`,
        '127.1:443',
      ];
      for (const target of targets) {
        expect(await ask(`CONNECT ${target} HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n`), target).toMatch(
          /^HTTP\/1.1 403 /,
        );
      }
      expect(seen).toEqual([]);
      await expect.poll(() => log().map(({ code }) => code), SOON).toEqual([
        'port-not-listed',
        'port-not-listed',
        'host-not-listed',
        'address-not-public',
        'address-not-public',
        'host-not-listed',
      ]);
      expect(await ask('CONNECT nothing HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    });
  });

  describe('limits', () => {
    it('connections: one too many is told so, and is let in when another has ended', async () => {
      const { port } = await upstream();
      const rig = await proxy([`allowed.test:${port}`, '127.0.0.1'], { 'allowed.test': ['127.0.0.1'] }, {
        connections: 1,
      });
      const { socket, said } = await rig.tunnel(`allowed.test:${port}`);
      expect(said).toMatch(/^HTTP\/1.1 200 /);
      const refused = await rig.get(`http://allowed.test:${port}/`);
      expect(refused).toMatch(/^HTTP\/1.1 503 .*1 connections open, which is its limit.*Open fewer\./s);
      expect(await rig.ask(`CONNECT allowed.test:${port} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(
        /^HTTP\/1.1 503 .*which is its limit/s,
      );
      await expect.poll(rig.log, SOON).toMatchObject([
        { verdict: 'refused', code: 'too-many-connections', hint: 'Open fewer.' },
        { verdict: 'refused', code: 'too-many-connections', method: 'CONNECT' },
      ]);
      socket.destroy();
      await expect.poll(() => rig.get(`http://allowed.test:${port}/`), SOON).toMatch(/^HTTP\/1.1 200 /);
    });

    it('an end of the proxy ends what is under way', async () => {
      const { port, seen } = await upstream(() => {});
      const rig = await proxy(['127.0.0.1', `127.0.0.1:${port}`]);
      const { socket, said } = await rig.tunnel(`127.0.0.1:${port}`);
      expect(said).toMatch(/^HTTP\/1.1 200 /);
      const asked = rig.get(`http://127.0.0.1:${port}/`);
      const ended = once(socket.resume(), 'close');
      await expect.poll(() => seen.length, SOON).toBe(1);
      await rig.close();
      await ended;
      expect(await asked).not.toContain('200');
      expect(rig.log().map(({ verdict, method }) => [verdict, method]).sort()).toEqual([
        ['allowed', 'CONNECT'],
        ['failed', 'GET'],
      ]);
    });

    it('bytes per second', async () => {
      const body = 'x'.repeat(300_000);
      const { port } = await upstream((_request, response) => response.end(body));
      const { get, log } = await proxy(['127.0.0.1'], {}, { bytesPerSecond: 100_000 });
      const began = performance.now();
      expect((await get(`http://127.0.0.1:${port}/`)).length).toBeGreaterThan(300_000);
      const took = performance.now() - began;
      expect(took).toBeGreaterThan(1500);
      // What was held back is told.
      await expect.poll(log, SOON).toMatchObject([{
        bytesReceived: 300_000,
        throttledMs: expect.any(Number),
      }]);
      expect(log()[0]!.throttledMs).toBeGreaterThan(500);
    });

    it('silence', async () => {
      const { port } = await upstream(() => {});
      const { get, log } = await proxy(['127.0.0.1'], {}, { idleMs: 100 });
      expect(await get(`http://127.0.0.1:${port}/`)).toMatch(/^HTTP\/1.1 502 /);
      await expect.poll(log, SOON).toMatchObject([{ verdict: 'failed', code: 'ETIMEDOUT' }]);
    });
  });
});

it('the decision log ends visibly at its limit, also when it is opened again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'egress-'));
  const path = join(folder, 'log');
  const entry = {
    time: '',
    verdict: 'refused',
    method: 'GET',
    host: 'h',
    port: 1,
    bytesSent: 0,
    bytesReceived: 0,
    durationMs: 0,
  } as const;
  for (let open = 0; open < 3; open++) {
    const log = openDecisionLog(path, 1000);
    for (let at = 0; at < 20; at++) log.write(entry);
    log.close();
  }
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(readFileSync(path).length).toBeLessThanOrEqual(1000);
  expect(lines.filter((line) => line.includes('truncated'))).toHaveLength(1);
  expect(lines.at(-1)).toContain('truncated');
  rmSync(folder, { recursive: true });
});

it('a decision that cannot be recorded is told of, and the proxy lives on', async () => {
  const errors: string[] = [];
  const proxy = await EgressProxy.listen({ host: '127.0.0.1', port: 0 }, {
    policy: new EgressPolicy(parseDomains(['allowed.test']).rules, { resolve: () => Promise.resolve([]) }),
    log: {
      write() {
        throw new Error('no space left');
      },
      close() {},
    },
    onLogError: ({ message }) => void errors.push(message),
  });
  const at = { host: '127.0.0.1', port: proxy.port };
  for (const head of ['GET /origin', 'CONNECT evil.test:443', 'CONNECT nothing']) {
    expect(await raw(at, `${head} HTTP/1.1\r\nHost: x\r\n\r\n`), head).not.toContain('200');
  }
  await expect.poll(() => errors, SOON).toEqual(['no space left', 'no space left', 'no space left']);
  await proxy.close();
});
