/** `docker run`: its dry run against what the original printed, its refusals, its help. */
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command } from '../../cmd/docker/run.ts';
import { parseJobFile } from '../../mod/spec/mod.ts';
import { dryRunCases, invoke, testDryRuns } from '../support/invoke.ts';

const FIXTURES = resolve(import.meta.dirname!, '..', 'fixtures', 'dry-run');
const CASES = dryRunCases(FIXTURES);

const dockerRun = (...words: readonly string[]) => invoke(command, 'docker run', words);

const dryRun = (...words: readonly string[]) => dockerRun('--dry-run', ...words);
const task = async (...words: readonly string[]) =>
  (await parseJobFile((await dryRun(...words)).stdout, {})).job.Tasks[0]!;

describe('a dry run', () => {
  testDryRuns(FIXTURES, dryRun);

  it('says that a flag is an old name, beside the answer', async () => {
    expect((await dryRun(...CASES.old!)).stderr).toBe(
      'Flag --concurrency has been deprecated, use --count\n',
    );
    await expect(dryRun('--count', '2', ...CASES.old!)).rejects.toThrow(
      '--count together with --concurrency',
    );
  });

  it('keeps an explicit queue time-out of 0, which fails at once', async () => {
    expect((await task('--queue-timeout', '0', 'alpine')).Timeouts).toEqual({ QueueTimeout: 0 });
  });

  it('takes what scripts write with empty variables', async () => {
    expect(await task('-l', '', '--timeout', '0', 'alpine')).toMatchObject({ Timeouts: {} });
  });

  it.each<[string, Record<string, string>]>([
    ['A=x,B=y', { A: 'x', B: 'y' }],
    ['A=x,y', { A: 'x,y' }],
    ['"A=x,y=z"', { A: 'x,y=z' }],
    ['A=x,"B=y,z=1"', { A: 'x', B: 'y,z=1' }],
    ['A={"x": "y"}', { A: '{"x": "y"}' }],
    ['A=b=c', { A: 'b=c' }],
  ])('reads the variables of -e %s', async (text, expected) => {
    expect((await task('-e', text, 'alpine')).Env).toEqual(expected);
  });

  it.each([
    ['/data/', '/data'],
    ['./in', 'in'],
    ['/a/./b//../c', '/a/c'],
    ['../x', '../x'],
    ['/', '/'],
  ])('writes the input file://%s as %s', async (path, expected) => {
    const { InputSources } = await task('-i', `file://${path}`, 'alpine');
    expect(InputSources).toMatchObject([{
      Alias: `file://${path}`,
      Source: { Params: { SourcePath: expected } },
    }]);
  });

  it('publishes ports in a network that has them', async () => {
    const ports = [
      '--port',
      'name=http,target=80',
      '--port',
      'NAME=admin,target=81,static=8081,host=127.0.0.1',
    ];
    expect((await task(...ports, 'alpine')).Network).toEqual({
      Type: 'Bridge',
      Ports: [
        { Name: 'http', Target: 80 },
        { Name: 'admin', Target: 81, Static: 8081, HostNetwork: '127.0.0.1' },
      ],
    });
    expect((await task('--network', 'host', '--port', 'name=http', 'alpine')).Network).toEqual({
      Type: 'Host',
      Ports: [{ Name: 'http' }],
    });
  });
});

describe('refused before anything is sent:', () => {
  it.each<[string, readonly string[]]>([
    ['WorkingDirectory: "rel" is not an absolute path', ['-w', 'rel', 'alpine']],
    ['Image: it is missing', ['']],
    ['the repository name must be lower case', ['Ubuntu::x']],
    ['it needs the argument <image>', []],
    ['flag needs an argument: --labels', ['alpine', 'ls', '-l']],
    ['ops jobs cannot specify count > 1', ['--target', 'all', '--count', '2', 'alpine']],
    ['environment variable "a" must be upper case', ['-e', 'a=b', 'alpine']],
    ['"localhost" is neither a domain nor an IP address', [
      '--network',
      'http',
      '--domain',
      'localhost',
      'alpine',
    ]],
    ['domains can only be set', ['--network', 'bridge', '--domain', 'a.com', 'alpine']],
    ["argument 'foo' is invalid", ['--network', 'foo', 'alpine']],
    ['it is NAME:PATH', ['-o', 'x', 'alpine']],
    ['ports can only be set', ['--network', 'none', '--port', 'name=a,target=1', 'alpine']],
    ['a port name is missing', ['--port', 'target=80', 'alpine']],
    ['Cannot read port "80": "80" is none of', ['--port', '80', 'alpine']],
    ['"many" is not a port', ['--port', 'name=a,target=many', 'alpine']],
    ['static port 80 is not between', ['--port', 'name=a,static=80', 'alpine']],
    ['--cpu: invalid resources: CPU: "x" is not an amount of CPU', ['--cpu', 'x', 'alpine']],
    ['--memory: invalid resources: memory: "lots"', ['--memory', 'lots', 'alpine']],
    ['--env: environment variable "a" must be upper case', ['-e', 'a=b', 'alpine']],
    ['environment variable "A" (--env): it is not of the form KEY=value', ['-e', 'A', 'alpine']],
    ['--input: input source with target', ['-i', 'file:///a:/x', '-i', 'file:///b:/x', 'alpine']],
    ['--output: invalid output: path "rel" must be absolute', ['-p', 'local', '-o', 'o:rel', 'alpine']],
    ['--domain: invalid network: "localhost"', ['--network', 'http', '--domain', 'localhost', 'alpine']],
    ['--workdir: invalid docker engine', ['-w', 'rel', 'alpine']],
    ['the image: invalid docker engine', ['Ubuntu']],
    ['label "a=b c" (--labels): "b c" is no label value', ['-l', 'a=b c', 'alpine']],
    ['Cannot read --entrypoint "a"b": misplaced quote', ['--entrypoint', 'a"b', 'alpine']],
    ["argument '-1' is invalid. It is no whole number of at least 0", ['--count', '-1', 'alpine']],
    ["argument 'x' is invalid. It is no whole number.", ['--priority', 'x', 'alpine']],
    ['It is too large', ['--timeout', '99999999999999999999', 'alpine']],
  ])('%s', async (message, words) => {
    await expect(dryRun(...words)).rejects.toThrow(message);
  });

  it.each([
    ['a -c', ['alpine', 'sh', '-c', 'echo hi'], '"echo hi" is not a valid config key', 'comes after --: '],
    [
      'a flag',
      ['alpine', 'echo', '-n', 'hi'],
      'unknown shorthand flag: "n"',
      'Flags of the program come after --.',
    ],
  ])('%s that is meant for the program, with a hint at --', async (_, words, message, hint) => {
    await expect(dryRun(...words)).rejects.toMatchObject({
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it.each<[string, string]>([
    ['Image: it is missing', '{}'],
    ['Parameters: it is not a list of texts', '{Image: a, Parameters: ls -l}'],
    ['Entrypoint: it is not a list of texts: put entry 1 in quotes: "1"', '{Image: a, entrypoint: [1]}'],
    ['EnvironmentVariables: "=x" has no name', '{Image: a, EnvironmentVariables: [A=1, =x]}'],
    [
      'EnvironmentVariables: names that begin with BACALHAU_',
      '{Image: a, EnvironmentVariables: [bacalhau_x=1]}',
    ],
    ['WorkingDirectory: "x" is not an absolute path', '{image: a, workingdirectory: x}'],
  ])('in a job file, too: %s', async (message, params) => {
    const text = `Type: batch\nTasks:\n- Name: main\n  Engine: {Type: Docker, Params: ${params}}\n`;
    await expect(parseJobFile(text, {})).rejects.toThrow(message);
  });
});

it('explains itself', async () => {
  const { stdout } = await dockerRun('--help');
  expect(stdout).toContain('docker run [flags] IMAGE[:TAG|@DIGEST] [COMMAND] [ARG...]');
  for (const flag of ['--entrypoint', '-w, --workdir', '--dry-run', '--port', '--network', '-f, --follow']) {
    expect(stdout).toContain(flag);
  }
  expect(stdout).toContain('Examples:\n');
  expect(stdout).not.toMatch(/--concurrency|--selector/);
});
