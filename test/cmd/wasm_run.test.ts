/** `wasm run`: its dry run against what the original printed, its refusals, its help; and `wasm validate`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command as runCommand } from '../../cmd/wasm/run.ts';
import { command as validateCommand } from '../../cmd/wasm/validate.ts';
import { parseJobFile } from '../../mod/spec/mod.ts';
import { invoke, testDryRuns } from '../support/invoke.ts';

const FIXTURES = resolve(import.meta.dirname!, '..', 'fixtures', 'dry-run-wasm');
const MODULES = resolve(import.meta.dirname!, '..', 'fixtures', 'wasm');

const dryRun = (...words: readonly string[]) => invoke(runCommand, 'wasm run', ['--dry-run', ...words]);
const validate = (...words: readonly string[]) => invoke(validateCommand, 'wasm validate', words);

const before = process.cwd();
let folder: string;
beforeAll(() => {
  process.chdir(MODULES);
  folder = mkdtempSync(join(tmpdir(), 'wasm-run-'));
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | number[]): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : Uint8Array.from(content));
  return path;
}

/** A module that wants a function of ours that does not exist. */
function httpGet(): string {
  const renamed = readFileSync('http.wasm').toString('latin1').replace('http_request', 'http_get____');
  return file('get.wasm', [...Buffer.from(renamed, 'latin1')]);
}

describe('a dry run', () => {
  testDryRuns(FIXTURES, dryRun);

  it('packs a larger module under its name', async () => {
    const { stdout } = await dryRun('files.wasm:/app/files.wasm');
    const { job } = await parseJobFile(stdout, {});
    const { Source, Target } = job.Tasks[0]!.InputSources![0]!;
    expect(Target).toBe('/app/files.wasm');
    const [, packed] = /^data:application\/gzip;base64,(.*)$/.exec(
      String(Source!.Params!.URL),
    )!;
    const archive = gunzipSync(Buffer.from(packed!, 'base64'));
    expect(archive.subarray(0, 10).toString()).toBe('files.wasm');
    expect(archive.includes(readFileSync('files.wasm'))).toBe(true);
  });

  it('takes names of variables in lower case, which the original refuses', async () => {
    const { job } = await parseJobFile((await dryRun('-e', 'http_proxy=x', 'exit.wasm')).stdout, {});
    expect(job.Tasks[0]!.Env).toEqual({ http_proxy: 'x' });
  });
});

describe('refused before anything is sent:', () => {
  it.each<[string, () => readonly string[]]>([
    ['it needs the argument <module>', () => []],
    ['Cannot use module "nowhere.wasm": no such file, and no input has this target', () => ['nowhere.wasm']],
    ['Cannot use module ".": it is not a file', () => ['.']],
    ['Cannot use module "exit.wat": it is not WebAssembly but WebAssembly in text form', () => ['exit.wat']],
    ['empty": it is empty', () => [file('empty', '')]],
    ['component": it is a WebAssembly component', () => [file('component', [0, 97, 115, 109, 13, 0, 1, 0])]],
    [
      'version": its version of the binary format is 2',
      () => [file('version', [0, 97, 115, 109, 2, 0, 0, 0])],
    ],
    ['Cannot use module "/nowhere.wasm"', () => ['-I', '/nowhere.wasm', 'exit.wasm']],
    ['import module "library.wasm": its place is missing', () => ['-I', 'library.wasm', 'exit.wasm']],
    [
      'import module "https://h.example/x.wasm": its place',
      () => ['-I', 'https://h.example/x.wasm', 'exit.wasm'],
    ],
    ['Cannot use --entry-point ""', () => ['--entry-point', '', 'exit.wasm']],
    [
      "input source with target 'main.wasm' already exists",
      () => ['-I', 'library.wasm:main.wasm', 'exit.wasm'],
    ],
    ['--env: environment variable "BACALHAU_X" cannot start', () => ['-e', 'BACALHAU_X=1', 'exit.wasm']],
    ['--env: environment variable "bacalhau_x" cannot start', () => ['-e', 'bacalhau_x=1', 'exit.wasm']],
    ['ops jobs cannot specify count > 1', () => ['--target', 'all', '--count', '2', 'exit.wasm']],
    ['unknown shorthand flag: "n"', () => ['exit.wasm', '-n']],
  ])('%s', async (message, words) => {
    await expect(dryRun(...words())).rejects.toThrow(message);
  });
});

it('explains itself', async () => {
  const { stdout } = await invoke(runCommand, 'wasm run', ['--help']);
  expect(stdout).toContain('wasm run [flags] ENTRY-MODULE [wasm-args...]');
  for (const flag of ['--entry-point', '-I, --import-modules', '--dry-run', '--network', '-f, --follow']) {
    expect(stdout).toContain(flag);
  }
  expect(stdout).toContain('Examples:\n');
});

describe('validate', () => {
  it('says in words what a module needs, and OK', async () => {
    expect((await validate('exit.wasm')).stdout).toMatch(
      /^WASI preview 1: 2 functions\nExports: memory "memory", function "_start"\nMemory: .* at the start.*\nOK\n$/,
    );
    expect((await validate('http.wasm')).stdout).toMatch(
      /HTTP: sends requests, so the task needs a network other than None\n[\s\S]*OK\n$/,
    );
    expect((await validate('--entry-point', 'other', 'uses_library.wasm')).stdout).toMatch(
      /Import: function "answer" from "\/wasm\/library\.wasm" \(give that module in ImportModules/,
    );
  });

  it.each<[string, () => readonly string[]]>([
    ['exports no function "main" (but "_start")', () => ['--entry-point', 'main', 'exit.wasm']],
    ['exports no function "_start" (but "answer")', () => ['library.wasm']],
    [
      'nobody provides the function "http_get____" that it imports from "wasi:http/requests"',
      () => [httpGet()],
    ],
    ['it is not WebAssembly but WebAssembly in text form', () => ['exit.wat']],
    ['it is empty', () => [file('nothing', '')]],
    ['it is a WebAssembly component', () => [file('comp', [0, 97, 115, 109, 13, 0, 1, 0])]],
    ['no such file', () => ['nowhere.wasm']],
    ['it needs the argument <file>', () => []],
  ])('fails and says why: %s', async (message, words) => {
    await expect(validate(...words())).rejects.toThrow(message);
  });
});
