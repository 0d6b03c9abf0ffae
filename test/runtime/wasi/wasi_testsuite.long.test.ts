/**
 * The public wasi-testsuite, preview 1, as its JSON says: each compiled program as a run of the real engine, and as a job
 * of a node. Its programs stay outside this repository: BACALHAU_WASI_TESTSUITE names a checkout of the branch
 * `prod/testsuite-base`.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHILD_COMMAND } from '../../../runtime/wasi/frames.ts';
import { Bench } from '../../engine/wasm/helpers.ts';
import { connectedNodes, startCompute, startOrchestrator } from '../../support/cluster.ts';
import { Connection } from '../../support/http_load.ts';
import { wasmJob } from '../../support/jobs.ts';
import { PROGRAMS, type Runtime, temporaryFolder } from '../../support/program.ts';
import { until } from '../../support/until.ts';

interface Program {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly exitCode: number;
  /** Null: any. */
  readonly stdout: string | null;
  /** A copy of the directory that is the program's root. */
  readonly root: string | null;
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

/** Runs `act` with a program whose root is a fresh copy below `scratch`. */
async function withProgram(path: string, scratch: string, act: (program: Program) => Promise<void>) {
  const json = path.replace(/\.wasm$/, '.json');
  const { args = [], env = {}, root, exit_code = 0, stdout = null } = existsSync(json)
    ? JSON.parse(readFileSync(json, 'utf8'))
    : {};
  const copy = mkdtempSync(join(scratch, 'wasi-testsuite-'));
  try {
    if (root) cpSync(join(dirname(path), root), copy, { recursive: true });
    await act({ path, args, env, exitCode: exit_code, stdout, root: root ? copy : null });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const JOBS = '/api/v1/orchestrator/jobs';

interface Executions {
  readonly Items: readonly {
    readonly RunOutput: { readonly ExitCode: number; readonly Stdout: string; readonly Stderr: string };
  }[];
}

/** Submits a program as a job, waits for its end and gives what it printed. */
async function runAsJob(
  api: Connection,
  program: Program,
): Promise<Executions['Items'][number]['RunOutput']> {
  const local = (SourcePath: string, Target: string, ReadWrite: boolean) => ({
    Source: { Type: 'local', Params: { SourcePath, ReadWrite } },
    Target,
  });
  // Some count their variables, to which a node would add its own.
  const { Job } = wasmJob({ parameters: program.args, params: { SystemEnvironment: false } });
  const task = {
    ...(Job.Tasks as [Record<string, unknown>])[0],
    Env: program.env,
    InputSources: [
      local(program.path, '/main.wasm', false),
      ...(program.root === null ? [] : [local(program.root, '/', true)]),
    ],
  };
  const { JobID } = await api.json<{ JobID: string }>('PUT', JOBS, { Job: { ...Job, Tasks: [task] } });
  await until(async () => {
    const { Job } = await api.json<{ Job: { State: { StateType: string } } }>('GET', `${JOBS}/${JobID}`);
    return ['Completed', 'Failed', 'Stopped'].includes(Job.State.StateType);
  }, `job ${JobID} ended`);
  return (await api.json<Executions>('GET', `${JOBS}/${JobID}/executions`)).Items.at(-1)!.RunOutput;
}

if (suite === undefined) {
  console.log('SKIPPED the wasi-testsuite: BACALHAU_WASI_TESTSUITE names no checkout of prod/testsuite-base');
  // A file without any test is an error of the runner.
  it('the wasi-testsuite is run where BACALHAU_WASI_TESTSUITE names its folder', () => {
    expect(suite).toBeUndefined();
  });
} else {
  const all = programs(suite);
  const each = all.map((path) => [basename(path, '.wasm'), path] as const);

  it('is the whole suite', () => {
    expect(all.length).toBe(72);
  });

  describe.each<Runtime>(['bun', 'deno'])('as runs of the engine under %s', (runtime) => {
    let bench: Bench;
    beforeAll(() => {
      bench = new Bench({ childCommand: [...PROGRAMS[runtime], CHILD_COMMAND] });
    });
    afterAll(() => bench[Symbol.asyncDispose]());

    it.each(each)(
      '%s',
      (_title, path) =>
        withProgram(path, tmpdir(), async ({ args, env, exitCode, stdout, root }) => {
          const inputs = root === null ? [] : [{ hostPath: root, target: '/', readOnly: false }];
          const finished = await bench.run(path, { params: { Parameters: args }, env, inputs });
          expect(finished.end, finished.stderr).toEqual({ kind: 'exited', exitCode });
          if (stdout !== null) expect(finished.stdout).toBe(stdout);
        }),
    );
  });

  describe.each<Runtime>(['bun', 'deno'])('as jobs of the program under %s', (runtime) => {
    const cleanup = new AsyncDisposableStack();
    let api: Connection;
    let scratch: string;
    beforeAll(async () => {
      const folder = cleanup.use(await temporaryFolder());
      scratch = folder.path;
      const { apiPort, natsPort } = cleanup.use(await startOrchestrator(runtime, scratch));
      const allowed = ['-c', `Compute.AllowListedLocalPaths=${scratch}/**:rw,${suite}/**`];
      cleanup.use(await startCompute(runtime, scratch, 'n-wasi', natsPort, allowed));
      await connectedNodes(apiPort, ['n-wasi']);
      api = cleanup.use(new Connection(apiPort));
    });
    afterAll(() => cleanup.disposeAsync());

    it.each(each)(
      '%s',
      (_title, path) =>
        withProgram(path, scratch, async (program) => {
          const output = await runAsJob(api, program);
          expect(output, output?.Stderr).toMatchObject({ ExitCode: program.exitCode });
          if (program.stdout !== null) expect(output.Stdout).toBe(program.stdout);
        }),
    );
  });
}
