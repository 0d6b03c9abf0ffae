/** Foreign text as terminals and logs get it. */
import { expect, it } from 'vitest';
import { isPrintable, printable, printableLine } from '../../runtime/printable.ts';

it.each<[string, string]>([
  ['ä ☃ 🐟\tx\n', 'ä ☃ 🐟\tx\n'],
  ['\x1b[2J\x07\0', '\\u001b[2J\\u0007\\u0000'],
  ['one\r\ntwo\rthree', 'one\ntwo\\u000dthree'],
  ['\x9b2J\x7f', '\\u009b2J\\u007f'],
  ['\u202egpj.exe\u2066\u2028', '\\u202egpj.exe\\u2066\\u2028'],
])('%j is shown as %j', (text, shown) => {
  expect(printable(text)).toBe(shown);
  expect(isPrintable(text)).toBe(text === shown);
  expect(isPrintable(printable(text))).toBe(true);
});

it('a line of a log stays one', () => expect(printableLine('a\nb\tc\x1b')).toBe('a\\nb\\tc\\u001b'));

it('a text in JSON stays the same value', () => {
  const value = { text: '\x9b2J\x1b\u202e\n"' };
  expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
});
