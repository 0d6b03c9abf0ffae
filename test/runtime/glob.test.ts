import { expect, test } from 'vitest';
import { literalPrefix, matchesWildcard, pathPattern } from '../../runtime/glob.ts';

test.each([
  ['/data', ['/data'], ['/data/x', '/dat', '/data/']],
  ['/data/*', ['/data/x', '/data/.x'], ['/data', '/data/x/y']],
  ['/data/**', ['/data', '/data/x', '/data/x/y'], ['/database', '/dat', '/x/data']],
  ['/data/**/x', ['/data/x', '/data/a/b/x'], ['/data', '/datax', '/data/a/bx']],
  ['/d?ta/[ab]/[!c-e]', ['/data/a/f', '/d.ta/b/ü'], ['/d/ta/a/f', '/data/c/f', '/data/a/d', '/data/a//']],
  ['/{a,b/c}/x', ['/a/x', '/b/c/x'], ['/b/x', '/{a,b/c}/x']],
  ['/a.b+(c)', ['/a.b+(c)'], ['/aXb+(c)', '/a.bbc']],
  ['/a\\*', ['/a*'], ['/ab']],
  ['/a/x]y,z', ['/a/x]y,z'], []],
])('%s', (pattern, yes, no) => {
  const matches = pathPattern(pattern);
  for (const path of yes) expect(matches(path), path).toBe(true);
  for (const path of no) expect(matches(path), path).toBe(false);
});

test('an open bracket or brace is told', () => {
  expect(() => pathPattern('/a/[b')).toThrow('"[" is not closed in the pattern "/a/[b"');
  expect(() => pathPattern('/a/{b,c')).toThrow('"{" is not closed');
});

test('the fixed folder of a pattern', () => {
  expect(literalPrefix('/a/b/*.txt')).toBe('/a/b');
  expect(literalPrefix('/a/b')).toBe('/a/b');
  expect(literalPrefix('/**')).toBe('');
});

test.each([
  ['*', ['', 'x', 'a/b'], []],
  ['A?C', ['AXC', 'A?C', 'A*C'], ['AC', 'AXXC', 'xABC']],
  ['*_KEY', ['_KEY', 'A_KEY', '_KEY_KEY'], ['KEY', 'A_KEY_']],
  ['a*b*?c', ['abxc', 'abbbxc', 'axbxbc'], ['abc', 'abx']],
  ['a.b', ['a.b'], ['axb']],
])('wildcards: %s', (pattern, yes, no) => {
  for (const text of yes) expect(matchesWildcard(pattern, text), text).toBe(true);
  for (const text of no) expect(matchesWildcard(pattern, text), text).toBe(false);
});

test('many wildcards cost no more than their number: with a regular expression none of these ever ends', () => {
  const names = 'a'.repeat(4096);
  expect(matchesWildcard(`${'*a'.repeat(60)}*b`, names)).toBe(false);
  const deep = '/a'.repeat(2000);
  expect(pathPattern(`${'/**/a'.repeat(12)}/b`)(deep)).toBe(false);
  expect(pathPattern(`/${'*a'.repeat(12)}b`)(`/${names}`)).toBe(false);
  expect(pathPattern(`${'{/a,/*}'.repeat(12)}/**/b`)(deep)).toBe(false);
});
