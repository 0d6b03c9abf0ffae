/**
 * The public wasi-testsuite, preview 1: each compiled program as a run of the real engine, as its JSON says. Its programs
 * stay outside this repository: BACALHAU_WASI_TESTSUITE names a checkout of the branch `prod/testsuite-base`.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, CHILDREN, EXECUTABLE_CHILD } from '../../engine/wasm/helpers.ts';

interface Specification {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly root?: string | null;
  readonly exit_code?: number;
  readonly stdout?: string;
}

const suite = process.env.BACALHAU_WASI_TESTSUITE;
const LANGUAGES = ['assemblyscript', 'c', 'rust'];

function programs(folder: string): string[] {
  return LANGUAGES.flatMap((language) => {
    const directory = join(folder, 'tests', language, 'testsuite', 'wasm32-wasip1');
    return readdirSync(directory).filter((name) => name.endsWith('.wasm')).sort()
      .map((name) => join(directory, name));
  });
}

function specification(program: string): Specification {
  const path = program.replace(/\.wasm$/, '.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) as Specification : {};
}

if (suite === undefined) {
  console.log('SKIPPED the wasi-testsuite: BACALHAU_WASI_TESTSUITE names no checkout of prod/testsuite-base');
  // A file without any test is an error of the runner.
  it('the wasi-testsuite is run where BACALHAU_WASI_TESTSUITE names its folder', () => {
    expect(suite).toBeUndefined();
  });
} else {
  const all = programs(suite);

  it('is the whole suite', () => {
    expect(all.length).toBe(72);
  });

  const children = existsSync(EXECUTABLE_CHILD[0]) ? { ...CHILDREN, executable: EXECUTABLE_CHILD } : CHILDREN;
  describe.each(Object.entries(children))('as runs of the engine under %s', (_name, childCommand) => {
    let bench: Bench;
    beforeAll(() => {
      bench = new Bench({ childCommand });
    });
    afterAll(() => bench[Symbol.asyncDispose]());

    it.each(all.map((program) => [basename(program, '.wasm'), program]))('%s', async (_title, program) => {
      const { args = [], env = {}, root, exit_code = 0, stdout } = specification(program);
      const scratch = mkdtempSync(join(tmpdir(), 'wasi-testsuite-'));
      try {
        const inputs = [];
        if (root) {
          cpSync(join(dirname(program), root), scratch, { recursive: true });
          inputs.push({ hostPath: scratch, target: '/', readOnly: false });
        }
        const finished = await bench.run(program, { params: { Parameters: args }, env, inputs });
        expect(finished.end, finished.stderr).toEqual({ kind: 'exited', exitCode: exit_code });
        if (stdout !== undefined) expect(finished.stdout).toBe(stdout);
      } finally {
        rmSync(scratch, { recursive: true });
      }
    });
  });
}
