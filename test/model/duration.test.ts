import { expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../mod/model/mod.ts';

it.each<[string, number, string]>([
  ['1m', 60_000, '1m0s'],
  ['1h30m', 5_400_000, '1h30m0s'],
  ['24h', 86_400_000, '24h0m0s'],
  ['100ms', 100, '100ms'],
  ['1.5s', 1500, '1.5s'],
  ['0', 0, '0s'],
  ['-5m50s', -350_000, '-5m50s'],
  ['3ns', 3e-6, '3ns'],
  ['2us', 2e-3, '2µs'],
  ['1h0.5s', 3_600_500, '1h0m0.5s'],
])('%s', (text, millis, written) => {
  expect(parseDuration(text)).toBe(millis);
  expect(formatDuration(millis)).toBe(written);
  expect(parseDuration(written)).toBe(millis);
});

it.each(['', '5', '1d', 's', '1 s', '.s', '1m-3s'])('no duration: "%s"', (text) => {
  expect(() => parseDuration(text)).toThrow(RangeError);
});
