import { expect, test } from 'vitest';
import { globToRegExp, literalPrefix } from '../../runtime/glob.ts';

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
  const compiled = globToRegExp(pattern);
  for (const path of yes) expect(compiled.test(path), path).toBe(true);
  for (const path of no) expect(compiled.test(path), path).toBe(false);
});

test('an open bracket or brace is told', () => {
  expect(() => globToRegExp('/a/[b')).toThrow('"[" is not closed in the pattern "/a/[b"');
  expect(() => globToRegExp('/a/{b,c')).toThrow('"{" is not closed');
});

test('the fixed folder of a pattern', () => {
  expect(literalPrefix('/a/b/*.txt')).toBe('/a/b');
  expect(literalPrefix('/a/b')).toBe('/a/b');
  expect(literalPrefix('/**')).toBe('');
});
