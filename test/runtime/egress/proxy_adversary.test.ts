/**
 * Requests made to be read differently by two parties: whatever the proxy answers, what a host gets is one request a
 * connection, in one framing, for the name that was checked.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { endRigs, rawUpstream, startProxy, upstream } from './support/proxy_rig.ts';

/** On a machine that may be busy. */
const SOON = { timeout: 15_000 };

afterEach(endRigs);

/** Bytes of each connection, answered when they end with `until` or an empty line. */
async function recorder(answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') {
  const got: string[] = [];
  const port = await rawUpstream((socket) => {
    const at = got.push('') - 1;
    socket.on('data', (bytes) => {
      got[at] += bytes.toString('latin1');
      const end = got[at]!.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /^content-length: (\d+)\r$/im.exec(got[at]!)?.[1];
      const whole = /^transfer-encoding: chunked\r$/im.test(got[at]!)
        ? got[at]!.endsWith('0\r\n\r\n')
        : got[at]!.length >= end + 4 + Number(length ?? 0);
      if (whole) socket.end(answer);
    });
  });
  return { port, got };
}

describe.each(['deno', 'bun'] as const)('on %s', { timeout: 60_000 }, (runtime) => {
  const proxy = (domains: readonly string[]) =>
    startProxy(runtime, [...domains, '127.0.0.1'], {
      'allowed.test': ['127.0.0.1'],
      'evil.test': ['127.0.0.1'],
    });

  it('no framing of a request hides another in it', async () => {
    const { port, got } = await recorder();
    const { askBriefly } = await proxy(['allowed.test']);
    const hidden = `GET /hidden HTTP/1.1\r\nHost: evil.test\r\n\r\n`;
    const size = hidden.length.toString(16);
    const framings = [
      `Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `Content-Length: ${hidden.length}\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `Content-Length: 0, ${hidden.length}\r\n\r\n${hidden}`,
      `Content-Length: +${hidden.length}\r\n\r\n${hidden}`,
      `Content-Length: -1\r\n\r\n${hidden}`,
      `Content-Length: 0x10\r\n\r\n${hidden}`,
      `Content-Length : ${hidden.length}\r\n\r\n${hidden}`,
      `Content-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${size}\r\n${hidden}\r\n0\r\n\r\n`,
      `Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${hidden}`,
      `X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `X: y\nTransfer-Encoding: chunked\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\n\r\n${size};a="\n\r\n${hidden}\r\n0\r\n\r\n`,
      `Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\n\r\n0${size}\r\n${hidden}\r\n0\r\nHost: evil.test\r\n\r\n`,
      `\r\n${hidden}`,
    ];
    for (const framing of framings) {
      const before = got.length;
      const answer = await askBriefly(
        `POST http://allowed.test:${port}/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}`,
      );
      // A connection without a byte: the request was given up before it was passed on.
      const passed = got.slice(before).filter((text) => text !== '');
      for (const text of passed) {
        const [head = '', ...rest] = text.split('\r\n\r\n');
        const lines = head.toLowerCase().split('\r\n');
        expect(lines[0], framing).toBe('post /a http/1.1');
        expect(lines.filter((line) => line.startsWith('host:')), framing).toEqual([
          `host: allowed.test:${port}`,
        ]);
        const framed = lines.filter((line) => /^(content-length|transfer-encoding)\b/.test(line));
        expect(framed.length, framing).toBeLessThanOrEqual(1);
        expect(head, framing).not.toMatch(/[^\r]\n/);
        // Bytes after the head are within the one framing that it names.
        const body = rest.join('\r\n\r\n');
        const length = /^content-length: (\d+)$/.exec(framed[0] ?? '')?.[1];
        if (framed[0] === 'transfer-encoding: chunked') expect(body, framing).toMatch(/0\r\n(\r\n)?$/);
        else expect(body.length, framing).toBeLessThanOrEqual(Number(length ?? 0));
      }
      // What came after it was at most a request of its own, which the proxy refuses: it names no full URL.
      if (passed.length > 1) throw new Error(`two requests came out of ${JSON.stringify(framing)}`);
      if (passed.length > 0) expect(answer, framing).toMatch(/^HTTP\/1.1 200 /);
      else expect(answer, framing).toMatch(/^(HTTP\/1.1 (200|400) |$)/);
    }
  });

  it('bytes behind a last request do not cost it its answer, however late that comes', async () => {
    const port = await rawUpstream((socket) => {
      socket.once(
        'data',
        () => setTimeout(() => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 150),
      );
    });
    const { askBriefly } = await proxy(['allowed.test']);
    const answer = await askBriefly(
      `GET http://allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*\r\n\r\nok$/);
  });

  it('what is asked of the proxy counts, not what Host or a user in the URL say', async () => {
    const { port, seen } = await upstream();
    const { ask, log } = await proxy(['allowed.test']);
    const refused = [
      `GET http://evil.test:${port}/1 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://allowed.test@evil.test:${port}/2 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://evil.test:${port}#@allowed.test/3 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://evil.test:${port}\\@allowed.test/4 HTTP/1.1\r\nHost: allowed.test`,
      `GET http:evil.test:${port}/5 HTTP/1.1\r\nHost: allowed.test`,
      `GET //evil.test:${port}/6 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://allowed.test.evil.test:${port}/7 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://evil.test%2eallowed.test:${port}/8 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://[::ffff:127.0.0.2]:${port}/9 HTTP/1.1\r\nHost: allowed.test`,
      `GET http://allowed.test:${port}/10 HTTP/1.1\r\nHost: allowed.test\r\nHost: evil.test`,
      `CONNECT evil.test:443 HTTP/1.1\r\nHost: allowed.test:443`,
      `CONNECT allowed.test:443@evil.test:443 HTTP/1.1\r\nHost: allowed.test:443`,
      `CONNECT http://allowed.test:443/ HTTP/1.1\r\nHost: allowed.test:443`,
      `PRI * HTTP/2.0`,
    ];
    for (const head of refused) {
      const answer = await ask(`${head}\r\nConnection: close\r\n\r\n`);
      // Two Host lines may be refused or replaced by the checked name.
      if (head.includes('/10 ')) continue;
      expect(answer, head).toMatch(/^HTTP\/1.1 4(00|03) /);
    }
    expect(seen.map(({ url }) => url).filter((url) => url !== '/10')).toEqual([]);
    for (const { headers } of seen) {
      expect(headers.join('\n').toLowerCase()).not.toContain('evil');
    }
    await expect.poll(() => log().filter(({ verdict }) => verdict === 'allowed').length, SOON).toBe(
      seen.length,
    );
    // A user in the URL is not understood differently by anybody further on either.
    const fragment = await ask(
      `GET http://allowed.test:${port}/ok#@evil.test/ HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n`,
    );
    expect(fragment).toMatch(/^HTTP\/1.1 (200|400) /);
  });

  it('no upgrade passes, asked for or not', async () => {
    const { port, seen } = await upstream();
    const { askBriefly } = await proxy(['allowed.test']);
    const answer = await askBriefly(
      `GET http://allowed.test:${port}/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1.1 (200|4\d\d) /);
    expect(seen.flatMap(({ headers }) => headers).join(' ').toLowerCase()).not.toContain('upgrade');
    const { port: switching } = await recorder(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nsecret',
    );
    const unasked = await askBriefly(`GET http://allowed.test:${switching}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(unasked).not.toContain('secret');
    expect(unasked).toMatch(/^HTTP\/1.1 502 /);
  });

  it('answers keep their meaning: without a body, cut off, unframed, with two lengths', async () => {
    const answers = {
      'HEAD': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
      'GET 204': 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n',
      'GET 304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      'GET unframed': 'HTTP/1.1 200 OK\r\n\r\nto the end',
      'GET cut': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort',
      'GET early':
        'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'GET two': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
      'GET nothing': '',
      'GET noise': 'SSH-2.0-OpenSSH_9\r\n\r\n',
    };
    const got: Record<string, string> = {};
    const { ask } = await proxy(['allowed.test']);
    for (const [name, answer] of Object.entries(answers)) {
      const { port } = await recorder(answer);
      const method = name.split(' ')[0];
      got[name] = await ask(
        `${method} http://allowed.test:${port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
    }
    expect(got['HEAD']).toMatch(/^HTTP\/1.1 200 [^]*content-length: 5\r\n[^]*\r\n\r\n$/i);
    expect(got['GET 204']).toMatch(/^HTTP\/1.1 204 [^]*x-a: 1\r\n[^]*\r\n\r\n$/i);
    expect(got['GET 304']).toMatch(/^HTTP\/1.1 304 [^]*\r\n\r\n$/);
    expect(got['GET unframed']).toMatch(/^HTTP\/1.1 200 [^]*to the end/);
    // The client can tell that something is missing.
    expect(got['GET cut']).toMatch(
      /^(HTTP\/1.1 502 |HTTP\/1.1 200 [^]*content-length: 100\r\n[^]*short$|$)/i,
    );
    expect(got['GET early']).toMatch(/HTTP\/1.1 200 [^]*ok$/);
    for (const name of ['GET two', 'GET nothing', 'GET noise']) {
      expect(got[name], name).toMatch(/^HTTP\/1.1 502 /);
    }
  });
});
