import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalHost, parseDomains } from '../../../runtime/egress/rules.ts';

function matches(entries: readonly string[], host: string, port = 80, scheme: 'http' | 'tunnel' = 'http') {
  const canonical = canonicalHost(host);
  return canonical !== null && parseDomains(entries).rules.match(canonical, port, scheme).kind === 'matched';
}

/** Every code point there is, halves of pairs among them. */
const anyText = fc.array(fc.nat(0x10ffff), { maxLength: 12 }).map((points) =>
  String.fromCodePoint(...points)
);

describe('domain lists', () => {
  it('a name covers itself only', () => {
    expect(matches(['Example.COM '], 'example.com')).toBe(true);
    expect(matches(['example.com'], 'EXAMPLE.com.')).toBe(true);
    for (const other of ['a.example.com', 'example.com.evil.org', 'notexample.com', 'example.co', 'com']) {
      expect(matches(['example.com'], other), other).toBe(false);
    }
  });

  it('a leading dot covers the name and all below it', () => {
    expect(matches(['.example.com'], 'example.com')).toBe(true);
    expect(matches(['.example.com'], 'a.b.example.com')).toBe(true);
    expect(matches(['.example.com'], 'badexample.com')).toBe(false);
  });

  it('globs', () => {
    expect(matches(['*.example.com'], 'a.example.com')).toBe(true);
    expect(matches(['*.example.com'], 'a.b.example.com')).toBe(true);
    expect(matches(['*.example.com'], 'example.com')).toBe(false);
    expect(matches(['*.example.com'], 'aXexample.com')).toBe(false);
    expect(matches(['api.*.org'], 'api.x.org')).toBe(true);
    expect(matches(['api.*.org'], 'www.x.org')).toBe(false);
    expect(matches(['*'], 'anything.at.all')).toBe(true);
    expect(matches(['*'], '93.184.216.34')).toBe(true);
  });

  it('addresses, in every spelling that means them', () => {
    expect(matches(['93.184.216.34'], '93.184.216.34')).toBe(true);
    expect(matches(['93.184.216.34'], '0x5d.184.55330')).toBe(true);
    expect(matches(['[2606:4700::1111]'], '2606:4700:0::1111')).toBe(true);
    expect(matches(['2606:4700::1111'], '[2606:4700::1111]')).toBe(true);
    expect(matches(['127.0.0.1'], '2130706433')).toBe(true);
    expect(matches(['example.com'], '93.184.216.34')).toBe(false);
  });

  it('a URL is reduced to its host, a written port restricts', () => {
    expect(matches(['http://x.org/p?q#f'], 'x.org')).toBe(true);
    expect(matches(['http://192.0.2.1/24'], '192.0.2.1')).toBe(true);
    expect(matches(['https://user@x.org:8443/p'], 'x.org', 8443, 'tunnel')).toBe(true);
    expect(matches(['x.org:8443'], 'x.org', 443, 'tunnel')).toBe(false);
    expect(matches(['[2606:4700::1]:8080'], '[2606:4700::1]', 8080)).toBe(true);
    expect(matches(['*.x.org:8080'], 'a.x.org', 80)).toBe(false);
  });

  it('ports without a written one: tunnels to 443, plain HTTP to the ports of the original', () => {
    expect(matches(['x.org'], 'x.org', 443, 'tunnel')).toBe(true);
    for (const port of [22, 25, 80, 8443]) {
      expect(matches(['x.org'], 'x.org', port, 'tunnel'), `${port}`).toBe(false);
    }
    for (const port of [80, 443, 8080, 1025]) expect(matches(['x.org'], 'x.org', port), `${port}`).toBe(true);
    for (const port of [21, 22, 25, 1024]) expect(matches(['x.org'], 'x.org', port), `${port}`).toBe(false);
  });

  it('international names meet in punycode', () => {
    expect(matches(['Bücher.example'], 'xn--bcher-kva.example')).toBe(true);
    expect(matches(['*.bücher.example'], 'a.BÜCHER.example')).toBe(true);
  });

  it('what cannot be read is reported by name', () => {
    const entries = [
      '',
      ' ',
      'a b.org',
      'x.org:0',
      'x.org:99999',
      '.1.2.3.4',
      'a..b',
      '*.exa mple',
      '10.0.0.0/8',
      'fd00::/8',
      'ok.org',
    ];
    const { problems, rules } = parseDomains(entries);
    expect(problems.map(({ entry }) => entry)).toEqual(entries.slice(0, -1));
    expect(rules.rules.map(({ value }) => value)).toEqual(['ok.org']);
  });

  it('patterns with many wildcards are matched at once, and lists and entries have an end', () => {
    const host = Array(4).fill('a'.repeat(60)).join('.');
    const hostile = `${'*a'.repeat(100)}*b`;
    const { rules, problems } = parseDomains([...Array<string>(999).keys()].map((n) => `${n}${hostile}`));
    expect(problems).toEqual([]);
    expect(rules.match(host, 443, 'tunnel').kind).toBe('none');
    expect(parseDomains([hostile.repeat(2)]).problems).toHaveLength(1);
    expect(parseDomains(['é'.repeat(1_000_000)]).problems[0]!.why).toContain('longer than 1024');
    const many = parseDomains(Array.from({ length: 1002 }, (_, n) => `h${n}.org`));
    expect(many.problems.map(({ entry }) => entry)).toEqual(['h1000.org', 'h1001.org']);
    expect(canonicalHost('é'.repeat(1_000_000))).toBe(null);
  });

  it('never throws, and a host that matches a plain name is that name', () => {
    fc.assert(fc.property(fc.string(), fc.oneof(fc.string(), anyText), (entry, host) => {
      parseDomains([entry]);
      const canonical = canonicalHost(host);
      if (canonical === null) return;
      expect(canonicalHost(canonical)).toBe(canonical);
      const found = parseDomains(['example.com', '.example.org']).rules.match(canonical, 80, 'http');
      expect(found.kind === 'matched').toBe(/^(example\.com|(.*\.)?example\.org)$/.test(canonical));
    }));
  });
});
