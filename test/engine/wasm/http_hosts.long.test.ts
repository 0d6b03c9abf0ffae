/** Which hosts modules reach, directly and by redirects, and what happens when those are slow, false or gone. */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ask, decisions, pattern, send, Web } from './http_guest.ts';
import { Bench, CHILDREN, FIXTURES } from './helpers.ts';
import { until } from '../../support/until.ts';

const LOOPBACK = { Type: 'HTTP', Domains: ['127.0.0.1'] } as const;

describe.each(Object.entries(CHILDREN))('under %s', (_runtime, childCommand) => {
  test('hosts by the type of the network', async () => {
    await using web = await Web.start((_request, response) => void response.end('hello'));
    const { port } = web;
    const names: Record<string, string[]> = {
      'api.x.org': ['127.0.0.1'],
      'a.suffix.org': ['127.0.0.1'],
      'suffix.org': ['127.0.0.1'],
      'deep.api.glob.org': ['127.0.0.1'],
      'rebound.org': ['169.254.169.254'],
    };
    const resolve = (host: string) =>
      names[host]
        ? Promise.resolve(names[host])
        : Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    await using bench = new Bench({ childCommand, http: { resolve, timeoutMs: 2000 } });
    const hosts = [`127.0.0.1:${port}`, `api.x.org:${port}`, `suffix.org:${port}`, `a.suffix.org:${port}`];
    const more = [
      `deep.api.glob.org:${port}`,
      'rebound.org',
      '169.254.169.254',
      `0x7f.1:${port}`,
      'gone.org',
    ];
    const all = [...hosts, ...more].map((host) => ask(`http://${host}/`));
    const results = async (network: Parameters<typeof send>[1]) =>
      (await send(bench, network, all)).answers.map(({ result }) => result);
    expect(await results(undefined)).toEqual([0, 0, 0, 0, 0, 4, 4, 0, 2]);
    expect(await results({ Type: 'Default' })).toEqual([0, 0, 0, 0, 0, 4, 4, 0, 2]);
    expect(await results({ Type: 'Host' })).toEqual([0, 0, 0, 0, 0, 4, 4, 0, 2]);
    expect(await results({ Type: 'Full' })).toEqual([0, 0, 0, 0, 0, 4, 4, 0, 2]);
    expect(await results({ Type: 'Bridge' })).toEqual(Array(9).fill(4));
    expect(await results({ Type: 'HTTP' })).toEqual(Array(9).fill(4));
    // Names alone do not open private addresses …
    expect(await results({ Type: 'HTTP', Domains: ['*'] })).toEqual([4, 4, 4, 4, 4, 4, 4, 4, 2]);
    // … which have to be named, too.
    const Domains = ['127.0.0.1', 'api.x.org', '.suffix.org', '*.glob.org', 'rebound.org'];
    expect(await results({ Type: 'HTTP', Domains })).toEqual([0, 0, 0, 0, 0, 4, 4, 0, 4]);
    expect(decisions(bench).slice(-9).map(({ verdict, code }) => [verdict, code])).toEqual([
      ...Array(5).fill(['allowed', undefined]),
      ['refused', 'address-not-public'],
      ['refused', 'host-not-listed'],
      ['allowed', undefined],
      ['refused', 'host-not-listed'],
    ]);
    await using closed = new Bench({ childCommand, http: { resolve, privateHosts: false } });
    expect((await send(closed, { Type: 'Full' }, all)).answers.map(({ result }) => result))
      .toEqual([4, 4, 4, 4, 4, 4, 4, 4, 2]);
  });

  test('redirects: followed, and every host is checked', async () => {
    await using other = await Web.start((_request, response) => void response.end('other'), {
      host: '127.0.0.2',
    });
    await using web = await Web.start((request, response, body) => {
      const [, status, target = ''] = /^\/(\d+)\/(.*)$/.exec(request.url!) ?? [];
      if (!status) return void response.end(`${request.method}:${body}`);
      const location = target === 'other'
        ? `${other.origin}/x`
        : target === 'loop'
        ? request.url!
        : `/${target}`;
      response.writeHead(
        Number(status),
        target === 'nowhere' ? {} : { Location: target === 'ftp' ? 'ftp://x/' : location },
      );
      response.end('moved');
    });
    await using bench = new Bench({ childCommand });
    const post = {
      method: 'POST',
      body: 'form',
      headers: 'Authorization: s3cret\nX-Keep: 1\nContent-Type: text/x',
    };
    const requests = [
      ask(`${web.origin}/302/end`),
      ask(`${web.origin}/301/302/end`, post),
      ask(`${web.origin}/303/end`, post),
      ask(`${web.origin}/307/308/end`, post),
      ask(`${web.origin}/302/end`, { method: 'HEAD' }),
      ask(`${web.origin}/302/nowhere`),
      ask(`${web.origin}/302/ftp`),
      ask(`${web.origin}/302/loop`),
    ];
    const remarks: unknown[] = [];
    const all = [...requests, ask(`${web.origin}/307/other`, post)];
    const { answers } = await send(bench, LOOPBACK, all, { remark: (...said) => void remarks.push(said) });
    expect(answers.map(({ result, status, body }) => [result, status, body])).toEqual([
      [0, 200, 'GET:'],
      [0, 200, 'GET:'],
      [0, 200, 'GET:'],
      [0, 200, 'POST:form'],
      [0, 200, ''],
      [0, 302, 'moved'],
      [2, 0, ''],
      [2, 0, ''],
      [4, 0, ''],
    ]);
    expect(web.asked.filter(({ url }) => url === '/302/loop')).toHaveLength(11);
    expect(other.asked).toEqual([]);
    expect(remarks).toEqual([[
      `Network: POST 127.0.0.2:${other.port} was refused: 127.0.0.2 is not in the list of domains`,
      { Hint: 'To allow it, add "127.0.0.2" to Network.Domains of the task.' },
    ]]);
    expect(decisions(bench).at(-1)).toMatchObject({
      verdict: 'refused',
      host: '127.0.0.2',
      code: 'host-not-listed',
    });
    const { answers: [allowed] } = await send(bench, { Type: 'HTTP', Domains: ['127.0.0.1', '127.0.0.2'] }, [
      ask(`${web.origin}/307/other`, post),
    ]);
    expect(allowed).toMatchObject({ result: 0, body: 'other' });
    const [asked] = other.asked;
    expect(asked!.body.toString()).toBe('form');
    expect(asked!.headers).toContain('X-Keep');
    expect(asked!.headers).not.toContain('Authorization');
  });

  test('time-outs and broken connections', async () => {
    await using bench = new Bench({ childCommand, http: { timeoutMs: 700 } });
    await using web = await Web.start((request, response) => {
      if (request.url === '/silent') return;
      response.writeHead(200, { 'Content-Length': 10 });
      response.write('begin');
      if (request.url === '/broken') response.socket!.end();
      if (request.url === '/chunks') response.socket!.destroy();
    });
    const { answers } = await send(bench, LOOPBACK, [
      ask(`${web.origin}/silent`),
      ask(`${web.origin}/slow`),
      ask(`${web.origin}/broken`),
      ask('http://127.0.0.1:1025/'),
    ]);
    expect(answers.map(({ result }) => result)).toEqual([3, 3, 2, 2]);
    expect(decisions(bench).map(({ verdict, code }) => [verdict, code]).slice(0, 2))
      .toEqual([['failed', 'ETIMEDOUT'], ['failed', 'ETIMEDOUT']]);
  });

  test('a module that waits for an answer is stopped at once, and its request with it', async () => {
    await using bench = new Bench({ childCommand });
    let gone = false;
    await using web = await Web.start((request) => void request.socket.on('close', () => gone = true));
    const run = await bench.engine.create(
      bench.request('http', { params: { Parameters: [ask(web.origin)] }, network: LOOPBACK }),
      new AbortController().signal,
    );
    await run.start();
    await until(() => web.asked.length === 1);
    await run.stop(0);
    expect(await run.wait()).toMatchObject({ code: 'Stopped', exitCode: 137 });
    await until(() => gone);
    await until(() => decisions(bench).length === 1);
    expect(decisions(bench)).toMatchObject([{ verdict: 'failed', code: 'ECANCELED' }]);
  });

  test('TLS: the certificate must be of the host', async () => {
    const tls = {
      key: readFileSync(`${FIXTURES}/../tls/key.pem`, 'utf8'),
      cert: readFileSync(`${FIXTURES}/../tls/cert.pem`, 'utf8'),
    };
    await using web = await Web.start((_request, response) => void response.end('secret'), { tls });
    const resolve = () => Promise.resolve(['127.0.0.1']);
    const requests = ['localhost', 'other.example', '127.0.0.1', '127.0.0.2'].map((host) =>
      ask(`https://${host}:${web.port}/`)
    );
    await using bench = new Bench({ childCommand, http: { resolve, ca: tls.cert } });
    const { answers } = await send(bench, { Type: 'Full' }, requests);
    expect(answers.map(({ result, body }) => [result, body])).toEqual([
      [0, 'secret'],
      [2, ''],
      [0, 'secret'],
      [2, ''],
    ]);
    await using stranger = new Bench({ childCommand, http: { resolve } });
    expect((await send(stranger, { Type: 'Full' }, requests)).answers.map(({ result }) => result)).toEqual([
      2,
      2,
      2,
      2,
    ]);
  });

  test('the rate of a run with a list of domains is limited', async () => {
    await using bench = new Bench({ childCommand, http: { bytesPerSecond: 1_000_000 } });
    await using web = await Web.start((_request, response) => void response.end(pattern(1_500_000)));
    const began = performance.now();
    const { answers } = await send(bench, LOOPBACK, [ask(web.origin, { bodyRoom: 1_500_000 })]);
    expect(answers).toMatchObject([{ result: 0, bodyBytes: 1_500_000 }]);
    expect(performance.now() - began).toBeGreaterThan(450);
  });

  test('random parameters harm nobody but the module', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((_request, response) => void response.end('hello'));
    const places = [
      '0',
      '-1',
      '1',
      'U',
      'u',
      'H',
      'h',
      'B',
      'b',
      'S',
      'E',
      'E-1',
      'E-4',
      'E-8',
      '65536',
      '2147483648',
    ];
    let seed = 42;
    const next = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
    for (let round = 0; round < 20; round++) {
      const requests = Array.from(
        { length: 30 },
        () => `raw ${[next(9), ...Array.from({ length: 11 }, () => places[next(places.length)])].join(' ')}`,
      );
      const { end, answers } = await send(bench, LOOPBACK, requests, { env: { HTTP_URL: web.origin } });
      // It may have overwritten its own data with an answer; that is its own affair.
      if (end.kind === 'failed') expect(end).toMatchObject({ class: 'user', code: 'ModuleTrapped' });
      for (const { result } of answers) expect(result).toBeLessThanOrEqual(7);
    }
    expect((await bench.run('exit')).end).toEqual({ kind: 'exited', exitCode: 3 });
  });

  test('each connection leads to the host that was asked', async () => {
    await using one = await Web.start((_request, response) => void response.end('one'));
    await using two = await Web.start((_request, response) => void response.end('two'), {
      port: one.port,
      host: '127.0.0.2',
    });
    const resolve = (host: string) => Promise.resolve([host === 'two.org' ? '127.0.0.2' : '127.0.0.1']);
    await using bench = new Bench({ childCommand, http: { resolve } });
    const hosts = ['one.org', 'one.org', 'two.org', 'one.org', 'two.org', 'other.org'];
    const requests = hosts.map((host) => ask(`http://${host}:${two.port}/`));
    const { answers } = await send(bench, { Type: 'Full' }, requests);
    expect(answers.map(({ body }) => body)).toEqual(['one', 'one', 'two', 'one', 'two', 'one']);
    expect(decisions(bench).map(({ host, address }) => `${host} ${address}`)).toEqual(
      hosts.map((host) => `${host} ${host === 'two.org' ? '127.0.0.2' : '127.0.0.1'}`),
    );
  });

  test('a kept connection does not outlive the answer of the name server', async () => {
    await using one = await Web.start((_request, response) => void response.end('one'));
    let asked = 0;
    const resolve = () => Promise.resolve([asked++ === 0 ? '127.0.0.1' : '169.254.169.254']);
    await using bench = new Bench({ childCommand, http: { resolve } });
    const request = ask(`http://one.org:${one.port}/`);
    const { answers } = await send(bench, { Type: 'Full' }, [request, request]);
    expect(answers.map(({ result }) => result)).toEqual([0, 4]);
    expect(one.asked).toHaveLength(1);
  });

  test('a server that hangs up without an answer', async () => {
    let connections = 0;
    await using server = createServer((socket) => {
      connections++;
      socket.on('error', () => socket.destroy()).on('data', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await using bench = new Bench({ childCommand, http: { timeoutMs: 5000 } });
    const bodies = ['', '~10', '~1000000'];
    const { answers } = await send(bench, LOOPBACK, bodies.map((body) => ask(url, { method: 'POST', body })));
    expect(answers.map(({ result }) => result)).toEqual([2, 2, 2]);
    expect(connections).toBe(3);
  });
});
