/** Texts of a million characters that a pattern with two ways to share them out would never be done with. */
import { expect, it } from 'vitest';
import { parseDuration, parseResources } from '../../mod/model/mod.ts';
import { parseJson } from '../../mod/model/json.ts';
import { startFailure } from '../../mod/engine/docker/failures.ts';
import { networkProblems } from '../../mod/spec/validate_network.ts';
import { parseConstraints } from '../../mod/spec/mod.ts';
import { fileNameOf } from '../../mod/storage/file_name.ts';
import { urlSource } from '../../mod/storage/mod.ts';
import { DockerError, parseReference } from '../../runtime/docker/mod.ts';
import { holds } from '../../mod/schedule/place/constraints.ts';

const N = 1_000_000;

it('a domain', () => {
  const Domains = ['a'.repeat(1000), 'a-'.repeat(500), 'a'.repeat(N), '*.x.org', '.x.org', 'http://x.org/p'];
  const found = networkProblems({ Type: 'HTTP', Domains }, []);
  expect(found.map(({ message }) => message.slice(-40))).toEqual([
    expect.stringContaining('neither a domain'),
    expect.stringContaining('neither a domain'),
    expect.stringContaining('longer than 1024'),
  ]);
  const many = networkProblems({ Type: 'HTTP', Domains: Array<string>(N).fill('x.org') }, []);
  expect(many.map(({ message }) => message)).toEqual(['there are more than 1000 domains']);
});

it('a duration, an amount, a number', () => {
  const digits = '1'.repeat(N);
  expect(() => parseDuration(`${digits}x`)).toThrow('is not a duration');
  expect(parseDuration('1.5s1.m.5h')).toBe(1_861_500);
  expect(() => parseResources({ CPU: `${digits}x`, Memory: '', Disk: '', GPU: '' })).toThrow('CPU');
  expect(() => parseResources({ CPU: '', Memory: '', Disk: '', GPU: digits })).toThrow('GPU');
  expect(parseResources({ CPU: '1.', Memory: '', Disk: '', GPU: '' }).CPU).toBe(1);
  expect(parseJson(`[${digits},12345678901234567890]`)).toEqual([Infinity, 12345678901234567890n]);
  expect(holds({ Key: 'a', Operator: 'gt', Values: [digits] }, { a: digits })).toBe(false);
});

it('a selector', () => {
  expect(() => parseConstraints(`a${' '.repeat(N)}b`)).toThrow('Cannot read constraints');
  expect(parseConstraints(`a  =   b ,   c in ( d,  e )`)).toEqual([
    { Key: 'a', Operator: '=', Values: ['b'] },
    { Key: 'c', Operator: 'in', Values: ['d', 'e'] },
  ]);
});

it('a web address and the name of its file', async () => {
  const source = urlSource();
  const check = (URL: string) => source.check({ Type: 'urlDownload', Params: { URL } });
  expect(await check(`http://x.org/a${' '.repeat(N)}b`)).toMatchObject({
    reason: expect.stringContaining('longer than 8192'),
  });
  expect(await check(` "http://x.org/a"\n`)).toBe(null);
  expect(fileNameOf(`http://x.org/a${'/'.repeat(N)}b`, { redirected: false, disposition: null })).toBe('b');
  expect(fileNameOf(`http://x.org/a${'/'.repeat(N)}`, { redirected: false, disposition: null })).toBe('a');
});

it('an image name, and what an engine says of a job', () => {
  expect(() => parseReference('a-'.repeat(N))).toThrow('longer than 1024');
  const said = `${'exec: "": stat : '.repeat(N / 10)}${'the name cwd '.repeat(N / 10)}`;
  const failure = startFailure(new DockerError('SystemError', said), 'start');
  expect(failure).toMatchObject({ code: 'ContainerStartFailed' });
  expect((failure as Error).message.length).toBeLessThan(5000);
  const missing = new DockerError(
    'SystemError',
    'exec: "/a \\"b": stat /a "b: no such file or directory: unknown',
  );
  expect(startFailure(missing, 'start')).toMatchObject({ code: 'ExecutableNotFound' });
});
