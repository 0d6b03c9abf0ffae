/**
 * The switch of the differences, on the executable: what ours means, and what `Compatibility=1.9` brings back, for the
 * rows A1 and A2 (exit codes), A5 (inputs) and A6 (user errors and time-outs). A7 and A8 have tests in their rooms.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { Connection } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { ROOT, run, type Server, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const JOBS = '/api/v1/orchestrator/jobs';

interface Execution {
  readonly ComputeState: { readonly StateType: number };
  readonly RunOutput: { readonly ExitCode: number };
}

const module = (name: string) => join(ROOT, 'test/fixtures/wasm', `${name}.wasm`);

describe.each([{ version: '' }, { version: '1.9' }])('Compatibility="$version"', ({ version }) => {
  const ours = version === '';
  const settings = ours ? [] : ['-c', `Compatibility=${version}`];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orchestrator: Orchestrator;
  let compute: Server;
  let api: Connection;
  let env: Record<string, string>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    orchestrator = await startOrchestrator('bun', folder.path, {}, settings);
    compute = await startCompute('bun', folder.path, 'n-compat', orchestrator.natsPort, settings);
    await connectedNodes(orchestrator.apiPort, ['n-compat']);
    api = new Connection(orchestrator.apiPort);
    env = {
      BACALHAU_DIR: join(folder.path, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(orchestrator.apiPort),
      BACALHAU_COMPATIBILITY: version,
    };
  });

  afterAll(async () => {
    api[Symbol.dispose]();
    await compute.end();
    await orchestrator.end();
    await folder[Symbol.asyncDispose]();
  });

  async function outcome(...args: string[]) {
    const { code, stdout, stderr } = await run('bun', ['wasm', 'run', ...args], { env });
    const id = /j-[0-9a-f-]{36}/.exec(stdout + stderr)![0];
    const states = (await executions(id)).map((each) => each.ComputeState.StateType);
    return { code, job: (await job(id)).StateType, executions: states };
  }

  async function job(id: string): Promise<{ readonly StateType: string }> {
    return (await api.json<{ Job: { State: { StateType: string } } }>('GET', `${JOBS}/${id}`)).Job.State;
  }

  async function executions(id: string): Promise<readonly Execution[]> {
    return (await api.json<{ Items: Execution[] }>('GET', `${JOBS}/${id}/executions`)).Items;
  }

  it('A1, A2: an exit code other than 0', async () => {
    expect(await outcome(module('exit'))).toEqual(
      ours ? { code: 1, job: 'Failed', executions: [10] } : { code: 0, job: 'Completed', executions: [9] },
    );
    const propagated = await run('bun', ['wasm', 'run', '--propagate-exit-code', module('exit')], { env });
    expect(propagated.code).toBe(3);
  });

  it('A5: whether a program may write into what was fetched for it', async () => {
    const wasm = (await readFile(module('write-input'))).toString('base64');
    const exitCode = async (params: Record<string, unknown>) => {
      const inputs = [{
        Target: '/input',
        Source: { Type: 'inline', Params: { URL: 'data:,x', ...params } },
      }];
      const { JobID } = await api.json<{ JobID: string }>('PUT', JOBS, wasmJob({ module: wasm, inputs }));
      await until(async () => ['Completed', 'Failed'].includes((await job(JobID)).StateType), 'the job ends');
      return (await executions(JobID)).at(-1)!.RunOutput.ExitCode;
    };
    const readOnly = await exitCode({});
    expect(readOnly === 0).toBe(!ours);
    expect(await exitCode({ Writable: true })).toBe(0);
  });

  it('A6: a trap of the program is tried again only as the original does', async () => {
    const { code, job, executions } = await outcome(module('trap'));
    expect({ job, tries: executions.length > 1 }).toEqual({ job: 'Failed', tries: !ours });
    expect(code).toBe(ours ? 1 : 0);
  });
});
