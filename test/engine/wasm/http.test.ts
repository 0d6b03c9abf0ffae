/** HTTP host functions of modules (executors.md 8), against real servers, under both runtimes. */
import { describe, expect, test } from 'vitest';
import { mayKeepConnections } from '../../../runtime/egress/mod.ts';
import { ask, decisions, fnv, pattern, send, Web } from './http_guest.ts';
import { Bench, CHILDREN } from './helpers.ts';

const LOOPBACK = { Type: 'HTTP', Domains: ['127.0.0.1'] } as const;

describe.each(Object.entries(CHILDREN))('under %s', (_runtime, childCommand) => {
  test('every method, headers and bodies in both directions', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((request, response, body) => {
      response.writeHead(request.method === 'POST' ? 201 : 200, {
        'x-one': 'täxt',
        'X-Many': ['a', 'b'],
        'content-type': 'text/plain',
      });
      response.end(request.method === 'HEAD' ? '' : `${request.method}:${body}`);
    });
    const methods = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'];
    const { answers, end } = await send(
      bench,
      LOOPBACK,
      methods.map((method) =>
        ask(`${web.origin}/a b?q=ü#no`, {
          method,
          headers:
            'X-Guest: one\n x-guest :two\r\n\nno colon\nhOsT: evil.example\nContent-Length: 99\nX-U: ü\nConnection: keep-alive',
          body: ['POST', 'PUT', 'PATCH'].includes(method) ? `body of ${method}` : '',
        })
      ),
    );
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(answers.map(({ result }) => result)).toEqual(methods.map(() => 0));
    expect(answers.map(({ status }) => status)).toEqual(methods.map((name) => name === 'POST' ? 201 : 200));
    expect(web.asked.map(({ method }) => method)).toEqual(methods);
    expect(answers.map(({ body }) => body)).toEqual([
      'GET:',
      'POST:body of POST',
      'PUT:body of PUT',
      'DELETE:',
      '',
      'OPTIONS:',
      'PATCH:body of PATCH',
    ]);
    const [{ headers, url }] = web.asked as [(typeof web.asked)[0]];
    expect(url).toBe('/a%20b?q=%C3%BC');
    const of = (name: string) => headers.filter((_, at) => headers[at - 1]?.toLowerCase() === name);
    expect(of('x-guest')).toEqual(['one', 'two']);
    expect(of('host')).toEqual([`127.0.0.1:${web.port}`]);
    expect(of('connection')).toEqual([mayKeepConnections ? 'keep-alive' : 'close']);
    expect(of('x-bacalhau-job-id')).toEqual(['j-1']);
    expect(Buffer.from(of('x-u')[0]!, 'latin1').toString()).toBe('ü');
    expect(answers[0]!.headers).toContain('X-Many: a\nX-Many: b\nContent-Type: text/plain');
    expect(decisions(bench)[0]).toMatchObject({
      verdict: 'allowed',
      method: 'GET',
      host: '127.0.0.1',
      port: web.port,
      address: '127.0.0.1',
      rule: '127.0.0.1',
      status: 200,
      bytesReceived: 4,
    });
    expect(decisions(bench)).toHaveLength(methods.length);
  });

  test('a body of any length goes out whole and comes back whole', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((_request, response, body) => void response.end(body));
    const sizes = [1, 49_151, 49_152, 49_153, 3_000_000];
    const { answers } = await send(
      bench,
      { Type: 'Full' },
      sizes.map((size) => ask(web.origin, { method: 'POST', body: `~${size}`, bodyRoom: size })),
    );
    expect(answers.map(({ result, bodyBytes }) => [result, bodyBytes])).toEqual(
      sizes.map((size) => [0, size]),
    );
    expect(answers.map(({ hash }) => hash)).toEqual(sizes.map((size) => fnv(pattern(size))));
    expect(web.asked.map(({ body }) => body.length)).toEqual(sizes);
  });

  test('what is cut, what is too large, and what the answer says of it', async () => {
    await using bench = new Bench({ childCommand, http: { maxBytes: 200_000 } });
    await using web = await Web.start((request, response) => {
      const size = Number(/\d+/.exec(request.url!)![0]);
      if (request.url!.startsWith('/chunked')) return void response.end(pattern(size));
      response.writeHead(200, { 'Content-Length': size, 'X-Last': 'end' });
      response.end(pattern(size));
    });
    const { answers } = await send(bench, { Type: 'Host' }, [
      ask(`${web.origin}/sized/1000`, { bodyRoom: 100, headerRoom: 10 }),
      ask(`${web.origin}/chunked/1000`, { bodyRoom: 100, headerRoom: 0 }),
      ask(`${web.origin}/sized/200000`, { bodyRoom: 300_000 }),
      ask(`${web.origin}/sized/200001`, { bodyRoom: 300_000 }),
      ask(`${web.origin}/chunked/200001`, { bodyRoom: 100 }),
      ask(`${web.origin}/sized/0`, { bodyRoom: 0 }),
      ask(`${web.origin}/sized/7`, { bodyRoom: 0, method: 'HEAD' }),
    ]);
    expect(answers.map(({ result, status, bodyBytes }) => [result, status, bodyBytes])).toEqual([
      [0, 200, 100],
      [0, 200, 100],
      [0, 200, 200_000],
      [5, 200, 200_000],
      [5, 200, 100],
      [0, 200, 0],
      [0, 200, 0],
    ]);
    expect(answers[0]!.headers).toBe('Content-Le');
    expect(answers[0]!.hash).toBe(fnv(pattern(100)));
    expect(answers[1]!.headers).toBe('');
    expect(answers[3]!.hash).toBe(fnv(pattern(200_000)));
    expect(answers[6]!.headers).toContain('Content-Length: 7');
  });

  test('the limit of what is cut follows the memory of the module', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((request, response) => {
      response.end(Buffer.alloc(Number(request.url!.slice(1)), 'x'));
    });
    const size = 4_000_000;
    const { answers } = await send(bench, { Type: 'Full' }, [
      ask(`${web.origin}/${size}`, { bodyRoom: 1000 }), // beyond 80 % of its first pages
      ask(`${web.origin}/${size}`, { bodyRoom: size }), // all that it has grown to, but there is room
      ask(`${web.origin}/${size}`, { bodyRoom: size - 1 }),
    ]);
    expect(answers.map(({ result, bodyBytes }) => [result, bodyBytes])).toEqual([
      [5, 1000],
      [0, size],
      [0, size - 1],
    ]);
  });

  test('addresses outside the memory are told before anything is sent', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((_request, response) => void response.end('hello'));
    const cases: readonly [parameters: string, result: number][] = [
      ['0 U u 0 0 0 0 H h B b S', 0],
      ['0 U u 0 0 0 0 H h B b 0', 0],
      ['99 U u 0 0 0 0 H h B b S', 0], // unknown methods are GET, as in the original
      ['0 U u 0 0 0 0 0 h B b S', 6],
      ['0 U u 0 0 0 0 H 0 B b S', 6],
      ['0 U u 0 0 0 0 H h 0 b S', 6],
      ['0 U u 0 0 0 0 H h B 0 S', 6],
      ['0 E u 0 0 0 0 H h B b S', 6],
      ['0 E-2 u 0 0 0 0 H h B b S', 6],
      ['0 U -1 0 0 0 0 H h B b S', 6],
      ['0 -1 -1 0 0 0 0 H h B b S', 6],
      ['0 U u E-1 2 0 0 H h B b S', 6],
      ['0 U u -1 -1 0 0 H h B b S', 6],
      ['1 U u 0 0 E-1 2 H h B b S', 6],
      ['1 U u 0 0 E 1 H h B b S', 6],
      ['1 U u 0 0 1024 -1 H h B b S', 6],
      ['0 U u 0 0 0 0 H E-3 B b S', 7],
      ['0 U u 0 0 0 0 H -1 B b S', 7],
      ['0 U u 0 0 0 0 H h B E-3 S', 7],
      ['0 U u 0 0 0 0 H h B b E-3', 7],
      ['0 U u 0 0 0 0 H h B b -1', 7],
      ['0 U u 0 0 0 0 E+1 h B b S', 7],
      ['0 U u 0 0 0 0 H h E+1 b S', 7],
      ['0 U u 0 0 0 0 H h -1 b S', 7],
    ];
    const { answers, end } = await send(bench, LOOPBACK, cases.map(([text]) => `raw ${text}`), {
      env: { HTTP_URL: web.origin },
    });
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(cases.map(([text], at) => [text, answers[at]?.result])).toEqual(cases);
    expect(web.asked).toHaveLength(3);
    // Room is promised beyond the memory: it is the answer that has to fit.
    const late = await send(bench, LOOPBACK, [
      'raw 0 U u 0 0 0 0 H h E-5 b S',
      'raw 0 U u 0 0 0 0 H h E-4 b S',
      'raw 0 U u 0 0 0 0 E-4 h B b S',
    ], { env: { HTTP_URL: web.origin } });
    expect(late.answers.map(({ result }) => result)).toEqual([0, 7, 7]);
    expect(late.end).toEqual({ kind: 'exited', exitCode: 0 });
  });

  test('URLs and headers that are none', async () => {
    await using bench = new Bench({ childCommand });
    const { answers } = await send(bench, { Type: 'Full' }, [
      ...[
        '',
        'foo',
        '/path',
        'ftp://127.0.0.1/',
        'http://',
        'http://a b/',
        'file:///etc/passwd',
        ' http://x/',
        'http://x:99999/',
      ]
        .map((url) => ask(url)),
      ...['http://127.0.0.1/\n', 'http://[::1', 'http://999.1.1.1/', 'http://%zz/'].map((url) => ask(url)),
      ask('http://127.0.0.1/', { headers: 'Bad Name: x' }),
      ask('http://127.0.0.1/', { headers: 'Name: a\x01b' }),
    ]);
    expect(answers.map(({ result }) => result)).toEqual([...Array(13).fill(1), 6, 6]);
  });

  test('a task without network is not given the functions', async () => {
    await using bench = new Bench({ childCommand });
    const { end, answers } = await send(bench, { Type: 'None' }, [ask('http://127.0.0.1/')]);
    expect(answers).toEqual([]);
    expect(end).toMatchObject({
      kind: 'failed',
      code: 'NetworkRequired',
      class: 'user',
      message: expect.stringContaining('"wasi:http/requests", which a task without network is not given'),
      hint: expect.stringContaining('Network.Type'),
    });
    expect((await bench.run('exit', { network: { Type: 'None' } })).end).toEqual({
      kind: 'exited',
      exitCode: 3,
    });
  });

  test('what cannot be recorded is not done', async () => {
    await using bench = new Bench({ childCommand });
    await using web = await Web.start((_request, response) => void response.end());
    const { end } = await bench.run('http', {
      params: { Parameters: [ask(web.origin)] },
      directory: bench.path('gone'),
    });
    expect(end).toMatchObject({
      kind: 'failed',
      code: 'DecisionLogFailed',
      class: 'infrastructure',
      message: expect.stringMatching(/requests cannot be recorded \(.*gone/),
    });
    expect(web.asked).toEqual([]);
    // The next run has a process of its own.
    expect((await bench.run('exit')).end).toEqual({ kind: 'exited', exitCode: 3 });
  });
});
