/** HTTP host functions of modules (executors.md 8), against real servers, under both runtimes. */
import { describe, expect, test } from 'vitest';
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
            'X-Guest: one\n x-guest :two\r\n\nno colon\nHost: evil.example\nContent-Length: 99\nX-U: ü\nConnection: keep-alive',
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
    expect(of('connection')).toEqual(['close']);
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
});
