import { describe, expect, it } from 'vitest';
import { MAX_YAML_BYTES, plainScalar, readYaml, writeYaml } from '../../runtime/yaml.ts';

const value = async (text: string) => {
  const read = await readYaml(text);
  expect(read.problems).toEqual([]);
  return read.value;
};

describe('scalars', () => {
  it.each<[string, unknown]>([
    ['yes', true],
    ['No', false],
    ['ON', true],
    ['off', false],
    ['y', true],
    ['N', false],
    ['True', true],
    ['0777', 511],
    ['0o17', 15],
    ['0x1F', 31],
    ['0b11', 3],
    ['1_000', 1000],
    ['-0x10', -16],
    ['+5', 5],
    ['08', 8],
    ['1e3', 1000],
    ['1.0', 1],
    ['3.0e0', 3],
    ['.5', 0.5],
    ['0', 0],
    ['-1', -1],
    ['2024-01-01', '2024-01-01'],
    ['1:30', '1:30'],
    ['1.2.3', '1.2.3'],
    ['yEs', 'yEs'],
    ['-', '-'],
    ['.', '.'],
    ['~', null],
    ['', null],
    ['NULL', null],
    ['9007199254740993', 9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['18446744073709551616', 18446744073709551616],
  ])('%s', (text, wanted) => expect(plainScalar(text)).toBe(wanted));

  it('quoted and tagged ones stay texts', async () => {
    expect(await value(`{a: "yes", b: '1', c: !!str 12, d: |-\n  no\n}`.replace('|-\n  no\n', '"no"')))
      .toEqual({ a: 'yes', b: '1', c: '12', d: 'no' });
    expect(await value('a: |-\n  no\n')).toEqual({ a: 'no' });
  });
});

describe('structure', () => {
  it('reads the first document only', async () => {
    expect(await value('a: 1\n---\nb: [\n')).toEqual({ a: 1 });
    expect(await value('# nothing\n')).toBeNull();
    expect(await value('null')).toBeNull();
  });
  it('turns keys into texts', async () => {
    expect(await value('1: a\ntrue: b\nyes: c\n0x10: d')).toEqual({ '1': 'a', 'true': 'c', '16': 'd' });
    expect((await readYaml('? [1]\n: 2')).problems).toHaveLength(1);
  });
  it('takes the last of duplicates and reports them', async () => {
    const read = await readYaml('a: 1\nb: 2\na: 3\n');
    expect(read.value).toEqual({ a: 3, b: 2 });
    expect(read.duplicates).toMatchObject([{ line: 3, column: 1 }]);
  });
  it('merges: own keys win, then earlier maps', async () => {
    const text = 'p: &p {a: 1, b: 1}\nq: &q {b: 2, c: 2}\nm:\n  a: 0\n  <<: [*p, *q]\nk: {<<: *q, b: 9}\n';
    expect(await value(text)).toMatchObject({ m: { a: 0, b: 1, c: 2 }, k: { b: 9, c: 2 } });
    expect((await readYaml('<<: 3')).problems).toHaveLength(1);
  });
  it('keeps "__proto__" an ordinary key', async () => {
    const read = (await value('__proto__: {polluted: true}')) as object;
    expect(Object.keys(read)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('problems', () => {
  it.each<[string, string, number]>([
    ['tab indentation', 'a:\n\tb: 1', 2],
    ['infinity', 'a: 1\nb: .inf', 2],
    ['unclosed list', 'a: [1,', 1],
    ['unknown alias', 'a: 1\nb: *x', 2],
  ])('%s', async (_name, text, line) => {
    const { problems } = await readYaml(text);
    expect(problems[0]?.line).toBe(line);
  });
  it('refuses what is too large, too deep or multiplies', async () => {
    expect((await readYaml('a'.repeat(MAX_YAML_BYTES + 1))).problems[0]?.message).toContain('larger than');
    expect((await readYaml('['.repeat(300) + ']'.repeat(300))).problems[0]?.message).toContain('nested');
    const laughs = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 9; i++) laughs.push(`a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join(',')}]`);
    expect((await readYaml(laughs.join('\n'))).problems[0]?.message).toContain('too many');
  });
});

it('locates values and the nearest place for missing ones', async () => {
  const { locate } = await readYaml('Name: a\ntasks:\n  - name: x\n    Engine:\n      Type: y\n');
  expect(locate(['Tasks', 0, 'Engine', 'type'])).toEqual({ line: 5, column: 7 });
  expect(locate(['Tasks', 0, 'Publisher'])).toEqual({ line: 3, column: 5 });
  expect(locate(['Type'])).toEqual({ line: 1, column: 1 });
});

it('writes what readers of YAML 1.1 read back', async () => {
  const data = { a: 'yes', b: '0777', c: 'no\nlines: 1', d: ['~', 1, null, true], e: {} };
  expect(await value(await writeYaml(data))).toEqual(data);
});

it.each([
  ['2006-01-02', '"2006-01-02"'],
  ['2026-11-21T16:19:43.123456789Z', '"2026-11-21T16:19:43.123456789Z"'],
  ['yes', '"yes"'],
  ['1.2.3', '1.2.3'],
  ['a: b', "'a: b'"],
])('writes the text %s as the original does', async (text, written) => {
  expect(await writeYaml({ a: text })).toBe(`a: ${written}\n`);
});
