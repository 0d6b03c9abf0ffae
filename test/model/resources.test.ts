import { describe, expect, it } from 'vitest';
import { amountText, parseBytes, parseCpu, parseGpu } from '../../mod/model/mod.ts';

/** The vectors of job-spec.md section 10. */
describe('amounts', () => {
  it.each<[string, number]>([
    ['500m', 0.5],
    ['0.5', 0.5],
    ['2', 2],
    ['100M', 0.1],
    [' 1 ', 1],
    ['1e2', 100],
    ['+2', 2],
    ['1_000', 1000],
    ['0.0005', 0],
    ['0.0019', 0.001],
    ['-1', -1],
    ['-500m', -0.5],
  ])('CPU %s', (text, cores) => expect(parseCpu(text)).toBe(cores));
  it.each(['0.1m', 'm', '1k', '2cores', '1,5', '0x10', 'inf', 'nan'])('no CPU %s', (text) => {
    expect(() => parseCpu(text)).toThrow(RangeError);
  });
  it.each<[string, number]>([
    ['512Mb', 512e6],
    ['512MB', 512e6],
    ['512M', 512e6],
    ['512Mi', 2 ** 29],
    ['512MiB', 2 ** 29],
    ['1g', 1e9],
    ['1 GB', 1e9],
    ['1Gi', 2 ** 30],
    ['1 g i b', 2 ** 30],
    ['1.5gb', 1.5e9],
    ['.5gb', 5e8],
    ['1,024kb', 1024000],
    ['100', 100],
    ['100b', 100],
    ['1k', 1000],
    ['1kib', 1024],
    ['2Tb', 2e12],
    ['1e', 1e18],
    ['1.', 1],
  ])('bytes %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));
  it.each(['-1gb', '1xb', 'gb', '1.2.3gb', '1e3', '20000eb', '.', ''])('no bytes %s', (text) => {
    expect(() => parseBytes(text)).toThrow(RangeError);
  });
  it.each<[string, number]>([['1', 1], ['0', 0], ['1 0', 10]])('GPU %s', (text, count) => {
    expect(parseGpu(text)).toBe(count);
  });
  it.each(['1.5', '-1', '+1', 'abc', '0x1', '18446744073709551616'])('no GPU %s', (text) => {
    expect(() => parseGpu(text)).toThrow(RangeError);
  });
});

it.each(
  [
    ['Memory', 999, '999 B'],
    ['Memory', 20_000_000, '20 MB'],
    ['Disk', 60_124_810_444, '60.12 GB'],
    ['Disk', 999e12, '999 TB'],
    ['CPU', 1.6, '1.6'],
  ] as const,
)('%s of %s is told as %s', (key, value, text) => {
  expect(amountText(key, value)).toBe(text);
});
