/**
 * The Go standard library's own tests, compiled for WASI (`GOOS=wasip1`), and how wazero runs them. Nothing of it is part
 * of this repository: the machine's Go compiles them from its own sources, and gets wazero from the module proxy. What is
 * built is kept per version of Go, since it takes 20 s.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

const WAZERO = 'v1.12.0';

export interface GoStd {
  /** The sources of Go, below which the packages are (`src/<package>`). */
  readonly root: string;
  /** The compiled tests of a package. */
  module(name: string): string;
  /** Runs the tests of a package under wazero, with `folders` as its own and its temporary directory. */
  wazero(name: string, folders: Folders): Promise<string>;
}

/** What a run may change. */
export interface Folders {
  /** A copy of the package's directory. */
  readonly sources: string;
  readonly temporary: string;
}

/** Packages whose tests only compute: shorter, they do the same in fewer rounds, which saves minutes. */
const COMPUTING: readonly string[] = ['strings', 'encoding/json'];

/** The arguments of each run. */
export function argumentsOf(name: string): string[] {
  return ['-test.v', ...(COMPUTING.includes(name) ? ['-test.short'] : [])];
}

/** The environment of each run. */
export function environment(root: string, name: string): Record<string, string> {
  return { PWD: `${root}/src/${name}`, GOROOT: root, TMPDIR: '/tmp', HOME: '/tmp' };
}

/** Compiles what is not there yet. Null where there is no Go, or it gets nothing from its proxy. */
export async function goStd(packages: readonly string[]): Promise<GoStd | null> {
  const version = await go(['env', 'GOVERSION', 'GOROOT']).catch(() => null);
  if (version === null) return null;
  const [release = '', root = ''] = version.trim().split('\n');
  const folder = join(tmpdir(), `bacalhau-go-std-${release}-${WAZERO}`);
  await mkdir(folder, { recursive: true });
  const module = (name: string) => join(folder, `${name.replaceAll('/', '_')}.wasm`);
  const wazero = join(folder, 'wazero');
  try {
    await made(
      wazero,
      (to) => go(['install', `github.com/tetratelabs/wazero/cmd/wazero@${WAZERO}`], { GOBIN: to }),
    );
  } catch {
    return null;
  }
  for (const name of packages) {
    await made(
      module(name),
      (to) =>
        go(['test', '-c', '-o', join(to, module(name).slice(folder.length + 1)), name], {
          GOOS: 'wasip1',
          GOARCH: 'wasm',
        }),
    );
  }
  return {
    root,
    module,
    async wazero(name, { sources, temporary }) {
      const mounts = [`${root}:${root}:ro`, `${sources}:${root}/src/${name}`, `${temporary}:/tmp`];
      const env = Object.entries(environment(root, name)).map(([key, value]) => `${key}=${value}`);
      const child = execute(wazero, [
        'run',
        ...['-cachedir', join(folder, 'cache')],
        ...mounts.flatMap((mount) => ['-mount', mount]),
        ...env.flatMap((each) => ['-env', each]),
        module(name),
        ...argumentsOf(name),
      ], { maxBuffer: 2 ** 28 });
      // A test that fails makes the program fail.
      return await child.then(({ stdout }) => stdout, (error: { stdout: string }) => error.stdout);
    },
  };

  /** Makes `path` where it is not, whole or not at all. */
  async function made(path: string, make: (to: string) => Promise<unknown>): Promise<void> {
    if (existsSync(path)) return;
    const scratch = await mkdtemp(join(folder, 'making-'));
    await make(scratch);
    await rename(join(scratch, path.slice(folder.length + 1)), path);
    await rm(scratch, { recursive: true });
  }
}

async function go(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return (await execute('go', [...args], { cwd: tmpdir(), env: { ...process.env, ...env } })).stdout;
}

/** Where a machine has a file system in memory: a disk that is busy makes these tests of files ten times slower. */
const MEMORY = '/dev/shm';

/** A private folder for all runs, gone at the end of the block. */
export async function scratchFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'go-std-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Fresh folders for a run. */
export async function foldersFor(root: string, name: string, scratch: string): Promise<Folders> {
  const folder = await mkdtemp(join(scratch, 'run-'));
  const [sources, temporary] = [join(folder, 'sources'), join(folder, 'temporary')];
  await mkdir(temporary);
  await cp(join(root, 'src', name), sources, { recursive: true });
  return { sources, temporary };
}

export type Result = 'PASS' | 'FAIL' | 'SKIP';

/** What `-test.v` printed: the result of each test and sub-test by name. */
export function resultsOf(output: string): Map<string, Result> {
  const found = output.matchAll(/^ *--- (PASS|FAIL|SKIP): (.+) \([\d.]+s\)$/gm);
  return new Map([...found].map(([, result, name]) => [name!, result as Result]));
}
