import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net';
import process from 'node:process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NoAnswer } from '../../runtime/no_answer.ts';
import { textOf, tunnelTo, webRequest } from '../../runtime/web_request.ts';
import { startProxy } from '../support/proxy.ts';

const servers: (Server | TcpServer)[] = [];

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Answers with what it was asked. */
const echo: RequestListener = async (request, answer) => {
  let body = '';
  for await (const part of request) body += part;
  answer.end(`${request.method} ${request.url} of ${request.headers.host}: ${body}`);
};

afterEach(() => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
});

const ask = async (...args: Parameters<typeof webRequest>) => await textOf(await webRequest(...args));

describe('a request', () => {
  it('goes direct to this machine, whatever the environment says', async () => {
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9');
    vi.stubEnv('ALL_PROXY', 'socks5://nonsense');
    const port = await listen(createServer(echo));
    expect(await ask(`http://127.0.0.1:${port}/a?b=c`, { method: 'DELETE', body: 'ä' })).toBe(
      `DELETE /a?b=c of 127.0.0.1:${port}: ä`,
    );
    expect(await ask(`http://localhost:${port}/`)).toBe(`GET / of localhost:${port}: `);
  });

  it('goes through the proxy to any other name, with its credentials', async () => {
    const port = await listen(createServer(echo));
    using proxy = await startProxy(() => port);
    vi.stubEnv('HTTP_PROXY', proxy.url);
    expect(await ask('http://web.test/a?b=c', { method: 'PUT', body: 'body' })).toBe(
      'PUT /a?b=c of web.test: body',
    );
    expect(proxy.asked).toEqual(['PUT http://web.test/a?b=c']);
  });

  it('HTTPS goes through a tunnel, and the certificate is that of the target', async () => {
    const fixture = (name: string) => readFileSync(`${import.meta.dirname}/../fixtures/tls/${name}.pem`);
    const port = await listen(createSecure({ cert: fixture('cert'), key: fixture('key') }, echo));
    using proxy = await startProxy(() => port);
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    await expect(ask('https://web.test/')).rejects.toThrow(
      /^no answer from "https:\/\/web.test" through the proxy "http:\/\/127.0.0.1:\d+" \(HTTPS_PROXY\): .*(certificate|Certificate|self.signed)/,
    );
    expect(proxy.asked).toContain('CONNECT web.test:443');
  });

  it('a proxy that is not there, refuses or is none is named', async () => {
    using proxy = await startProxy(() => 0);
    vi.stubEnv('HTTP_PROXY', 'http://user:secret@127.0.0.1:9');
    await expect(ask('http://web.test/')).rejects.toThrow(
      'no answer from "http://web.test" through the proxy "http://127.0.0.1:9" (HTTP_PROXY): connection refused',
    );
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    await expect(ask('https://refused.test/')).rejects.toThrow(
      /\(HTTPS_PROXY\): the proxy answered 403 Forbidden$/,
    );
    vi.stubEnv('HTTP_PROXY', 'socks5://127.0.0.1:9');
    await expect(ask('http://web.test/')).rejects.toThrow(/"http:\/\/web.test": HTTP_PROXY names no proxy/);
  });

  it('follows redirects, each by its own way, without credentials to another host', async () => {
    const seen: string[] = [];
    const port = await listen(createServer((request, answer) => {
      seen.push(
        `${request.method} ${request.headers.host}${request.url} ${request.headers.authorization ?? '-'}`,
      );
      if (request.url === '/first') return answer.writeHead(302, { location: '/second' }).end('moved');
      if (request.url === '/second') {
        return answer.writeHead(307, { location: 'http://web.test/third' }).end();
      }
      if (request.url === '/loop') return answer.writeHead(302, { location: '/loop' }).end();
      answer.end('here');
    }));
    using proxy = await startProxy(() => port);
    vi.stubEnv('http_proxy', proxy.url);
    const headers = { Authorization: 'Bearer x' };
    expect(await ask(`http://127.0.0.1:${port}/first`, { method: 'PUT', body: 'b', headers })).toBe('here');
    expect(seen).toEqual([
      `PUT 127.0.0.1:${port}/first Bearer x`,
      `GET 127.0.0.1:${port}/second Bearer x`,
      'GET web.test/third -',
    ]);
    expect(proxy.asked).toEqual(['GET http://web.test/third']);
    expect((await webRequest(`http://127.0.0.1:${port}/loop`)).status).toBe(302);
  });

  it('an answer cut short is an error', async () => {
    const port = await listen(createServer((request, answer) => {
      if (request.url === '/length') answer.writeHead(200, { 'content-length': '10' });
      answer.write('half', () => answer.destroy());
    }));
    for (const path of ['length', 'chunks']) {
      await expect(ask(`http://127.0.0.1:${port}/${path}`), path).rejects.toThrow();
    }
  });

  it('a host that hangs up, is silent or cannot be found', async () => {
    const port = await listen(createTcp((socket) => socket.destroy()));
    await expect(ask(`http://127.0.0.1:${port}/`)).rejects.toThrow(/the connection was closed$/);
    const silent = await listen(createTcp());
    const controller = new AbortController();
    const asked = ask(`http://127.0.0.1:${silent}/`, { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
    await expect(ask('http://no-such-host.invalid/')).rejects.toThrow(/host not found$/);
    expect(await ask('http://no-such-host.invalid/').catch((error) => error)).toBeInstanceOf(NoAnswer);
  });

  it('the signal ends the body, too', async () => {
    const port = await listen(createServer((_request, answer) => void answer.write('one')));
    const controller = new AbortController();
    const answer = await webRequest(`http://127.0.0.1:${port}/`, { signal: controller.signal });
    const read = textOf(answer);
    controller.abort(new Error('enough'));
    await expect(read).rejects.toThrow();
  });
});

it('a tunnel for what is no exchange', async () => {
  const port = await listen(createTcp((socket) => void socket.pipe(socket)));
  using proxy = await startProxy(() => port);
  vi.stubEnv('ALL_PROXY', proxy.url);
  expect(await tunnelTo(new URL('ws://localhost/'))).toBeNull();
  const socket = (await tunnelTo(new URL('ws://web.test/')))!;
  socket.write('hello');
  const [answer] = await new Promise<unknown[]>((resolve) => socket.once('data', (...data) => resolve(data)));
  expect(String(answer)).toBe('hello');
  socket.destroy();
  expect(proxy.asked).toEqual(['CONNECT web.test:80']);
  expect(process.env.ALL_PROXY).toBe(proxy.url);
});
