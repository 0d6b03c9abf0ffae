import { describe, expect, it } from 'vitest';
import { proxyFor, type ProxyVariables, routeTo } from '../../runtime/proxy.ts';

const PROXY = 'http://user:word@proxy.test:3128';

/** `direct`, or the variable that counts. */
function way(url: string, env: ProxyVariables): string {
  return proxyFor(new URL(url), env)?.variable ?? 'direct';
}

describe('which proxy', () => {
  it.each<[string, ProxyVariables, string]>([
    ['http://example.test', {}, 'direct'],
    ['http://example.test', { HTTP_PROXY: '' }, 'direct'],
    ['http://example.test', { HTTP_PROXY: PROXY }, 'HTTP_PROXY'],
    ['http://example.test', { http_proxy: PROXY }, 'http_proxy'],
    ['http://example.test', { HTTP_PROXY: '', http_proxy: PROXY }, 'http_proxy'],
    ['http://example.test', { HTTPS_PROXY: PROXY }, 'direct'],
    ['https://example.test', { HTTP_PROXY: PROXY }, 'direct'],
    ['https://example.test', { https_proxy: PROXY, ALL_PROXY: PROXY }, 'https_proxy'],
    ['https://example.test', { all_proxy: PROXY }, 'all_proxy'],
    ['ws://example.test', { HTTP_PROXY: PROXY }, 'HTTP_PROXY'],
    ['wss://example.test', { HTTPS_PROXY: PROXY }, 'HTTPS_PROXY'],
  ])('%s with %j: %s', (url, env, expected) => expect(way(url, env)).toBe(expected));

  it.each([
    'localhost:1234',
    '127.0.0.1',
    '127.8.9.10:80',
    '127.1',
    '[::1]:1234',
    '[::ffff:127.0.0.1]',
    'LOCALHOST.',
  ])(
    'never for this machine: %s',
    (host) => expect(way(`http://${host}/`, { HTTP_PROXY: PROXY })).toBe('direct'),
  );

  it.each<[string, string, 'direct' | 'HTTP_PROXY']>([
    ['*', 'a.test', 'direct'],
    ['a.test', 'a.test', 'direct'],
    ['A.Test', 'a.test', 'direct'],
    ['a.test', 'x.a.test', 'direct'],
    ['a.test', 'xa.test', 'HTTP_PROXY'],
    ['.a.test', 'x.a.test', 'direct'],
    ['.a.test', 'a.test', 'HTTP_PROXY'],
    ['*.a.test', 'x.y.a.test', 'direct'],
    ['b.test, a.test', 'a.test', 'direct'],
    ['b.test a.test', 'a.test', 'direct'],
    ['a.test:8080', 'a.test:8080', 'direct'],
    ['a.test:8080', 'a.test', 'HTTP_PROXY'],
    ['a.test:80', 'a.test', 'direct'],
    ['10.1.2.3', '10.1.2.3', 'direct'],
    ['10.1.2.3:81', '10.1.2.3', 'HTTP_PROXY'],
    ['10.0.0.0/8', '10.1.2.3', 'direct'],
    ['10.0.0.0/8', '11.1.2.3', 'HTTP_PROXY'],
    ['10.0.0.0/99', '10.1.2.3', 'HTTP_PROXY'],
    ['10.0.0.0/x', '10.1.2.3', 'HTTP_PROXY'],
    ['10.0.0.0/8', '10.example.test', 'HTTP_PROXY'],
    ['fd00::/8', '[fd12::1]', 'direct'],
    ['fd00::/8', '[fe80::1]', 'HTTP_PROXY'],
    ['fd12::1', '[fd12::1]', 'direct'],
    ['[fd12::1]:81', '[fd12::1]:81', 'direct'],
    ['[fd12::1]:81', '[fd12::1]:82', 'HTTP_PROXY'],
    [',,', 'a.test', 'HTTP_PROXY'],
  ])('NO_PROXY=%s and %s: %s', (NO_PROXY, host, expected) => {
    expect(way(`http://${host}/`, { HTTP_PROXY: PROXY, NO_PROXY })).toBe(expected);
    expect(way(`http://${host}/`, { HTTP_PROXY: PROXY, no_proxy: NO_PROXY })).toBe(expected);
  });

  it('needs no scheme, and names the variable of one that is none', () => {
    expect(proxyFor(new URL('http://a.test'), { HTTP_PROXY: 'proxy.test:3128' })!.url.href).toBe(
      'http://proxy.test:3128/',
    );
    for (const bad of ['socks5://proxy.test', 'http://', 'a b']) {
      expect(() => proxyFor(new URL('http://a.test'), { ALL_PROXY: bad })).toThrow(
        /^ALL_PROXY names no proxy/,
      );
    }
  });

  it('the route names proxy and target, and no password', () => {
    const url = new URL('http://a.test:8080/path?q');
    expect(routeTo(url, proxyFor(url, { HTTP_PROXY: PROXY }))).toBe(
      '"http://a.test:8080" through the proxy "http://proxy.test:3128" (HTTP_PROXY)',
    );
    expect(routeTo(url, null)).toBe('"http://a.test:8080"');
  });
});
