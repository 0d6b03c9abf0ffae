/** Image names, with the cases of the distribution project's own tests. */
import { describe, expect, it } from 'vitest';
import { parseReference } from '../../../runtime/docker/mod.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('parseReference', () => {
  it.each([
    ['ubuntu', 'docker.io', 'library/ubuntu', undefined, undefined, 'ubuntu'],
    ['ubuntu:22.04', 'docker.io', 'library/ubuntu', '22.04', undefined, 'ubuntu:22.04'],
    ['docker.io/library/ubuntu', 'docker.io', 'library/ubuntu', undefined, undefined, 'ubuntu'],
    ['index.docker.io/ubuntu', 'docker.io', 'library/ubuntu', undefined, undefined, 'ubuntu'],
    ['user/image', 'docker.io', 'user/image', undefined, undefined, 'user/image'],
    ['library/a/b', 'docker.io', 'library/a/b', undefined, undefined, 'library/a/b'],
    ['localhost/image', 'localhost', 'image', undefined, undefined, 'localhost/image'],
    ['127.0.0.1:5000/a/b:t', '127.0.0.1:5000', 'a/b', 't', undefined, '127.0.0.1:5000/a/b:t'],
    ['[2001:db8::1]:5000/a', '[2001:db8::1]:5000', 'a', undefined, undefined, '[2001:db8::1]:5000/a'],
    ['ghcr.io/a/b', 'ghcr.io', 'a/b', undefined, undefined, 'ghcr.io/a/b'],
    ['Host/image', 'Host', 'image', undefined, undefined, 'Host/image'],
    [`a@${DIGEST}`, 'docker.io', 'library/a', undefined, DIGEST, `a@${DIGEST}`],
    [`a:t@${DIGEST}`, 'docker.io', 'library/a', 't', DIGEST, `a:t@${DIGEST}`],
    ['a__b/c-d.e', 'docker.io', 'a__b/c-d.e', undefined, undefined, 'a__b/c-d.e'],
  ])('%s', (text, domain, path, tag, digest, familiar) => {
    const found = parseReference(text);
    expect([found.domain, found.path, found.tag, found.digest, found.familiar])
      .toEqual([domain, path, tag, digest, familiar]);
    expect(parseReference(found.canonical)).toEqual(found);
  });

  it.each([
    '',
    'UPPER',
    'user/Image',
    'a//b',
    '-a',
    'a-',
    'a:',
    'a:-tag',
    `a:${'t'.repeat(129)}`,
    'a@sha256:abc',
    `a@${DIGEST.toUpperCase()}`,
    `a@${DIGEST}@${DIGEST}`,
    'ab'.repeat(32),
    `${'a/'.repeat(130)}a`,
    'https://ghcr.io/a',
    'a b',
    'a/b/../c',
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(RangeError);
  });
});
