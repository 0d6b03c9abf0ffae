import { describe, expect, it } from 'vitest';
import { holds } from '../../mod/schedule/place/constraints.ts';
import { refusalOf } from '../../mod/schedule/place/filters.ts';
import { rankOf } from '../../mod/schedule/place/ranks.ts';
import { placementRequest } from '../../mod/schedule/place/request.ts';
import { makeInfo, makeJob, makeNode } from './model.ts';

describe('constraints', () => {
  const labels = { zone: 'eu', cores: '8', empty: '' };
  it.each(
    [
      ['zone', '=', ['eu'], true],
      ['zone', '==', ['us'], false],
      ['nope', '=', [''], false],
      ['empty', '=', [''], true],
      ['zone', 'in', ['us', 'eu'], true],
      ['nope', 'in', ['us'], false],
      ['zone', '!=', ['eu'], false],
      ['nope', '!=', ['eu'], true],
      ['zone', 'notin', ['us'], true],
      ['nope', 'notin', ['us'], true],
      ['zone', 'exists', [], true],
      ['toString', 'exists', [], false],
      ['zone', '!', [], false],
      ['nope', '!', [], true],
      ['cores', 'gt', ['7'], true],
      ['cores', 'gt', ['8'], false],
      ['cores', 'lt', ['10'], true],
      ['zone', 'lt', ['10'], false],
      ['nope', 'gt', ['1'], false],
      ['cores', 'gt', ['x'], false],
      ['zone', '~', ['eu'], false],
    ] as const,
  )('%s %s %j is %s', (Key, Operator, Values, expected) => {
    expect(holds({ Key, Operator, Values }, labels)).toBe(expected);
  });
});

describe('filters', () => {
  const task = makeJob().Tasks[0]!;
  const context = { overCommit: 1.5, avoided: new Map() };
  const check = (job: Parameters<typeof makeJob>[0], node: Parameters<typeof makeNode>[1] = {}) =>
    refusalOf(makeNode('n-1', node), placementRequest(makeJob(job)), context);

  it('take a fitting node, names compared ignoring case', () => {
    expect(check({ Tasks: [{ ...task, Engine: { Type: 'wasm' }, Publisher: { Type: 'LOCAL' } }] }))
      .toBeNull();
  });

  it.each(
    [
      ['EngineMissing', { Tasks: [{ ...task, Engine: { Type: 'docker' } }] }, {}, false],
      ['PublisherMissing', { Tasks: [{ ...task, Publisher: { Type: 's3' } }] }, {}, false],
      [
        'StorageMissing',
        { Tasks: [{ ...task, InputSources: [{ Source: { Type: 's3' }, Alias: '', Target: '/i' }] }] },
        {},
        false,
      ],
      ['ConstraintNotMet', { Constraints: [{ Key: 'gpu', Operator: 'exists' }] }, {}, false],
      ['JobTooLarge', { Tasks: [{ ...task, Resources: { CPU: '3' } }] }, {}, false],
      ['NodeFull', {}, { promised: { CPU: 2.5 } }, true],
      ['NodeRejected', {}, { membership: 'REJECTED' }, false],
      ['NodePending', {}, { membership: 'PENDING' }, true],
      ['NodeNotEligible', {}, { eligibility: 'draining' }, true],
      ['NodeDisconnected', {}, { session: 'suspect' }, true],
      [
        'ProtocolUnknown',
        {},
        { info: makeInfo('n', { CPU: 2 }, { SupportedProtocols: ['bprotocol/v2'] }) },
        false,
      ],
      [
        'VersionTooOld',
        {},
        {
          info: makeInfo('n', { CPU: 2 }, {
            BacalhauVersion: { GitVersion: 'v1.0.3', GitCommit: '', BuildDate: '', GOOS: '', GOARCH: '' },
          }),
        },
        false,
      ],
    ] as const,
  )('%s', (code, job, node, retryable) => {
    const refusal = check(job as object, node as object)!;
    expect(refusal).toMatchObject({ code, retryable });
    expect(refusal.reason).toMatch(/^this node /);
    expect(refusal.hint).not.toBe('');
  });

  it('name what waiting cannot cure before what it can', () => {
    expect(check({ Tasks: [{ ...task, Engine: { Type: 'docker' } }] }, { session: 'away' })!.code).toBe(
      'EngineMissing',
    );
  });

  it('promise up to the over-commit and not beyond', () => {
    expect(check({}, { promised: { CPU: 2 } })).toBeNull();
    expect(check({}, { promised: { CPU: 2.001 } })!.code).toBe('NodeFull');
    // What the job does not ask for does not stand in its way.
    expect(check({}, { promised: { GPU: 5 } })).toBeNull();
  });
});

describe('ranks', () => {
  const context = { siblings: 0, failures: 0, random: () => 0 };
  const request = placementRequest(makeJob({ Constraints: [{ Key: 'favour_ssd', Operator: 'exists' }] }));

  it('prefer an empty node, a proven one, a preferred label; spread outweighs all', () => {
    const plain = rankOf(makeNode('n'), request, context);
    expect(request.constraints).toEqual([]);
    expect(rankOf(makeNode('n', { promised: { CPU: 0.5 } }), request, context)).toBeLessThan(plain);
    expect(rankOf(makeNode('n'), request, { ...context, failures: 1 })).toBeLessThan(plain);
    const ssd = makeNode('n', { info: makeInfo('n', { CPU: 2, Memory: 2e9 }, { Labels: { ssd: '' } }) });
    expect(rankOf(ssd, request, context)).toBeCloseTo(plain + 10);
    const worst = rankOf(makeNode('n', { promised: { CPU: 9 } }), request, { ...context, failures: 9 });
    expect(rankOf(ssd, request, { ...context, siblings: 1, random: () => 1 })).toBeLessThan(worst);
  });
});
