/** The vectors of job-spec.md section 10. */
import { describe, expect, it } from 'vitest';
import { parseConstraints, parseInput, parseOutput, parsePublisher } from '../../mod/spec/mod.ts';

const s3 = (params: object) => ({ Type: 's3', Params: { Bucket: 'b', ...params } });

describe('-i', () => {
  it.each<[string, object, string]>([
    ['ipfs://Qm:/p', { Type: 'ipfs', Params: { CID: 'Qm' } }, '/p'],
    ['s3://b/k*:/in,opt=filter=.*csv', s3({ Key: 'k*', Filter: '.*csv' }), '/in'],
    ['src=s3://b/k,dst=/x', s3({ Key: 'k' }), '/x'],
    ['SRC=s3://b/k,target=/x', s3({ Key: 'k' }), '/x'],
    [
      's3://b/k,opt=versionID=1,opt=checksum-256=abc,opt=region=r,opt=endpoint=http://h:9',
      s3({ Key: 'k', VersionID: '1', ChecksumSHA256: 'abc', Region: 'r', Endpoint: 'http://h:9' }),
      '/inputs',
    ],
    ['"s3://b/k,1"', s3({ Key: 'k,1' }), '/inputs'],
    ['https://a.com/x:/y', { Type: 'urlDownload', Params: { URL: 'https://a.com/x' } }, '/y'],
    ['https://a.com:90/x', { Type: 'urlDownload', Params: { URL: 'https://a.com:90/x' } }, '/inputs'],
    ['https://a.com:90/x:/y', { Type: 'urlDownload', Params: { URL: 'https://a.com:90/x' } }, '/y'],
    ['src=https://a.com:90/x', { Type: 'urlDownload', Params: { URL: 'https://a.com:90/x' } }, '/inputs'],
    [
      'file:///a/b,opt=rw=true',
      { Type: 'local', Params: { SourcePath: '/a/b', ReadWrite: true } },
      '/inputs',
    ],
    ['file://rel/b', { Type: 'local', Params: { SourcePath: 'rel/b', ReadWrite: false } }, '/inputs'],
  ])('%s', (text, Source, Target) => {
    expect(parseInput(text)).toMatchObject({ Source, Target });
  });
  it.each([
    ['http://h/x:/in,opt=writable=true', {
      Type: 'urlDownload',
      Params: { URL: 'http://h/x', Writable: true },
    }],
    ['http://h/x:/in,opt=writable=false', { Type: 'urlDownload', Params: { URL: 'http://h/x' } }],
    ['file:///d:/in,opt=writable=true', {
      Type: 'local',
      Params: { SourcePath: '/d', ReadWrite: true, CreateAs: '' },
    }],
    ['s3://b/k:/in,opt=writable=true,opt=region=r', {
      Type: 's3',
      Params: {
        Bucket: 'b',
        Key: 'k',
        Region: 'r',
        Endpoint: '',
        VersionID: '',
        ChecksumSHA256: '',
        Filter: '',
        Writable: true,
      },
    }],
  ])('gives the program a copy of its own where %s asks for it (A5)', (text, Source) => {
    expect(parseInput(text).Source).toEqual(Source);
  });
  it('names the source as its alias', () => expect(parseInput('ipfs://Qm:/p').Alias).toBe('ipfs://Qm'));
  it.each([
    's3://b/k,opt=Region=x',
    'https://a.com:90',
    'https://a.com',
    'ipfs://',
    '/local/path',
    'inline://x',
    'git://a',
    'http://a/b?x=1,dst=/q',
    '',
    's3://b/k,opt=region',
    's3://b/k, dst=/x',
    '"s3://b/k',
    's3://b/k,',
  ])('refuses "%s"', (text) => expect(() => parseInput(text)).toThrow(`Cannot read input "${text}"`));
});

describe('-p', () => {
  it.each<[string, object]>([
    ['local', { Type: 'local' }],
    ['ipfs://x', { Type: 'ipfs' }],
    ['s3://b/k/{jobID}', { Type: 's3', Params: { bucket: 'b', key: 'k/{jobID}' } }],
    [
      's3://b/k,opt=encoding=plain,opt=region=r',
      { Type: 's3', Params: { bucket: 'b', key: 'k', encoding: 'plain', region: 'r' } },
    ],
    ['dst=s3://b/k', { Type: 's3', Params: { bucket: 'b', key: 'k' } }],
    ['s3,opt=bucket=b,opt=key=k', { Type: 's3', Params: { bucket: 'b', key: 'k' } }],
  ])('%s', (text, wanted) => expect(parsePublisher(text)).toEqual(wanted));
  it.each(['noop', 'IPFS', 's3', 's3://b/k,foo', 's3://b/k,x=y', ''])('refuses "%s"', (text) => {
    expect(() => parsePublisher(text)).toThrow('Cannot read publisher');
  });
});

it('-o', () => {
  expect(parseOutput('out:/outputs')).toEqual({ Name: 'out', Path: '/outputs' });
  for (const text of ['out', 'out:', ':/x', 'a:b:c']) expect(() => parseOutput(text)).toThrow('NAME:PATH');
});

describe('--constraints', () => {
  it.each<[string, object[]]>([
    ['k=v', [{ Key: 'k', Operator: '=', Values: ['v'] }]],
    ['k == v', [{ Key: 'k', Operator: '==', Values: ['v'] }]],
    ['k!=v', [{ Key: 'k', Operator: '!=', Values: ['v'] }]],
    ['k in (b, a,b)', [{ Key: 'k', Operator: 'in', Values: ['a', 'b'] }]],
    ['k notin (a)', [{ Key: 'k', Operator: 'notin', Values: ['a'] }]],
    ['k', [{ Key: 'k', Operator: 'exists' }]],
    ['!k', [{ Key: 'k', Operator: '!' }]],
    ['k>5', [{ Key: 'k', Operator: 'gt', Values: ['5'] }]],
    ['k<5', [{ Key: 'k', Operator: 'lt', Values: ['5'] }]],
    ['k=', [{ Key: 'k', Operator: '=', Values: [''] }]],
    ['', []],
    ['z=1, x.org/a in (p,q),!m', [
      { Key: 'm', Operator: '!' },
      { Key: 'x.org/a', Operator: 'in', Values: ['p', 'q'] },
      { Key: 'z', Operator: '=', Values: ['1'] },
    ]],
  ])('%s', (text, wanted) => expect(parseConstraints(text)).toEqual(wanted));
  it.each(['k=v=w', 'k in a', 'k in (a', '-k', 'k>x', ',', 'k,', 'a b', 'k=/'])('refuses "%s"', (text) => {
    expect(() => parseConstraints(text)).toThrow('Cannot read constraints');
  });
});
