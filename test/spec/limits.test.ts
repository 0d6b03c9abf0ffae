/** Every number, length and count of a spec is bounded, with path, value and limit in the message. */
import { describe, expect, it } from 'vitest';
import { decodeJob, JOB_LIMITS, type Limit, parseJson } from '../../mod/model/mod.ts';
import { readSpec, validateSubmission } from '../../mod/spec/mod.ts';

const task = { Name: 'main', Engine: { Type: 'noop' } };
const job = (fields: object = {}, more: object = {}) =>
  decodeJob({ Name: 'a', Type: 'batch', Tasks: [{ ...task, ...more }], ...fields });
const told = (fields: object, more: object = {}) =>
  validateSubmission(job(fields, more)).map(({ path, message }) => `${path}: ${message}`).join('\n');

describe('numbers of a spec', () => {
  it.each(
    [
      ['Priority', { Priority: 2e10 }, {}, '2147483647'],
      ['Priority', { Priority: -2e10 }, {}, '-2147483647'],
      ['Count', { Count: 5e9 }, {}, '10000'],
      ['Count', { Count: 1e6 }, {}, '10000'],
      ['Count', { Count: -1 }, {}, '>= 0'],
      ...['ExecutionTimeout', 'QueueTimeout', 'TotalTimeout'].flatMap((key) =>
        [1e10, -1].map((value) =>
          [
            `Tasks[0].Timeouts.${key}`,
            {},
            { Timeouts: { [key]: value } },
            value < 0 ? '>= 0' : '3153600000',
          ] as const
        )
      ),
      ...['Static', 'Target'].flatMap((key) =>
        [70_000, -1].map((value) =>
          [
            `Tasks[0].Network.Ports[0].${key}`,
            {},
            { Network: { Type: 'Bridge', Ports: [{ Name: 'x', [key]: value }] } },
            value < 0 ? '>= 0' : '65535',
          ] as const
        )
      ),
      ['Tasks[0].Resources.CPU', {}, { Resources: { CPU: '1e300' } }, '1000000'],
      ['Tasks[0].Resources.Memory', {}, { Resources: { Memory: '10eb' } }, 'at most'],
      ['Tasks[0].Resources.Disk', {}, { Resources: { Disk: '17000pb' } }, 'at most'],
      ['Tasks[0].Resources.GPU', {}, { Resources: { GPU: '99999999' } }, '1000000'],
    ] as const,
  )('%s of %j %j is refused with its limit', (path, fields, more, limit) => {
    const text = told(fields, more);
    expect(text).toContain(`${path}: `);
    expect(text).toContain(limit);
  });

  it('all that are out of range are told together, with the advice', () => {
    const text = told({ Priority: 1e12, Count: 1e12 }, { Timeouts: { TotalTimeout: 1e12 } });
    expect(text.split('\n')).toHaveLength(3);
    expect(text).toContain(
      'job count must be <= 10000, not 1000000000000: divide the work among several jobs',
    );
  });

  it('the greatest values are taken', () => {
    expect(told({ Priority: 2 ** 31 - 1, Count: 10_000 }, { Timeouts: { ExecutionTimeout: 3_153_600_000 } }))
      .toBe('');
  });

  it.each([
    '9223372036854775808',
    '-9223372036854775809',
    '1e400',
    '1e20',
    '1.5',
    '"7"',
    '9'.repeat(100_000),
    'true',
  ])(
    'as a number of JSON, %s is told clearly or bounded',
    (text) => {
      for (const spec of [`{"Type":"batch","Count":${text}}`, `{"Type":"batch","Priority":${text}}`]) {
        expect(() => decodeJob(parseJson(spec))).toThrow(
          /(Count|Priority): invalid type: found .*, wanted int/,
        );
      }
    },
  );

  it('a number that no double holds is told in free parameters, too', async () => {
    const text = 'Type: batch\nTasks:\n  - Name: a\n    Engine: {Type: noop, Params: {x: .inf}}\n';
    expect((await readSpec(text)).problems).toHaveLength(1);
    expect(() => decodeJob(parseJson('{"Tasks":[{"Engine":{"Type":"x","Params":{"a":1e400}}}]}')))
      .toThrow('the number is too large');
  });

  it('an integer of a million digits is read in no time that counts', () => {
    const digits = '9'.repeat(5_000_000);
    expect(parseJson(`{"a":${digits}}`)).toEqual({ a: Infinity });
  });
});

/** A job that has, at each place of the table that bounds a size, one more than is allowed. */
function* tooLarge(
  limit: Limit,
  wrap: (value: unknown) => unknown,
  path: string,
): Generator<[string, unknown]> {
  if (limit.maxLength !== undefined) yield [path, wrap('x'.repeat(limit.maxLength + 1))];
  if (limit.maxItems !== undefined) {
    yield [path, wrap(Array.from({ length: limit.maxItems + 1 }, () => ({})))];
  }
  if (limit.items) yield* tooLarge(limit.items, (value) => wrap([value]), `${path}[0]`);
  if (limit.maxProperties !== undefined) {
    yield [
      path,
      wrap(Object.fromEntries(Array.from({ length: limit.maxProperties + 1 }, (_, at) => [`k${at}`, 'v']))),
    ];
  }
  if (limit.additionalProperties) {
    yield* tooLarge(limit.additionalProperties, (value) => wrap({ key: value }), `${path}.key`);
  }
  if (limit.propertyNames) yield [path, wrap({ ['k'.repeat(limit.propertyNames.maxLength! + 1)]: 'v' })];
  for (const [key, own] of Object.entries(limit.properties ?? {})) {
    yield* tooLarge(own, (value) => wrap({ [key]: value }), path === '' ? key : `${path}.${key}`);
  }
}

describe('sizes of a spec', () => {
  const cases = [...tooLarge(JOB_LIMITS, (value) => value, '')]
    // Lists of texts hold texts.
    .filter(([path]) => !/Values$|Domains$/.test(path));
  it('covers what the table names', () => expect(cases.length).toBeGreaterThan(30));
  it.each(cases)('%s', (path, value) => {
    const problems = validateSubmission(decodeJob(value));
    expect(problems.map((each) => each.path)).toContain(path);
    expect(problems.find((each) => each.path === path)!.message).toMatch(/too many: at most \d+|must be/);
  });

  it('the answer to a job with a million faults is short', () => {
    expect(() => decodeJob({ Tasks: Array.from({ length: 100_000 }, () => 1) })).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{0,20000}$/s) }),
    );
  });
});
