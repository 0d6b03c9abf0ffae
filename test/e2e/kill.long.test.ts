/**
 * Must-hold 3: an orchestrator and two compute nodes as processes of the executable; each of the three is killed with
 * SIGKILL while 50 jobs run, and started again. All 50 end with the right output, and no process is left.
 */
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { connectedNodes, startCompute, startOrchestrator } from '../support/cluster.ts';
import { Connection } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { descendants, isAlive, ROOT, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const JOBS = 50;
const API = '/api/v1/orchestrator/jobs';
const NODES = ['n-one', 'n-two'];

interface Execution {
  readonly ComputeState: { readonly StateType: number };
  readonly RunOutput: { readonly Stdout: string; readonly ExitCode: number } | null;
}

async function completed(api: Connection, ids: readonly string[]): Promise<string[]> {
  const states = [];
  for (const id of ids) {
    const { Job } = await api.json<{ Job: { State: { StateType: string; Message?: string } } }>(
      'GET',
      `${API}/${id}`,
    );
    if (Job.State.StateType === 'Failed') throw new Error(`job ${id} failed: ${Job.State.Message}`);
    states.push(Job.State.StateType);
  }
  return states.filter((state) => state === 'Completed');
}

it('50 jobs survive kill -9 of the orchestrator and of both compute nodes', async () => {
  await using folder = await temporaryFolder();
  // Spins for a while, then writes its argument to standard output.
  const module = (await readFile(join(ROOT, 'test/fixtures/wasm/busy-echo.wasm'))).toString('base64');
  const started: number[] = [];
  const seen = new Set<number>();
  const remember = (pid: number) => {
    started.push(pid);
    return pid;
  };
  const observe = () => started.forEach((pid) => descendants(pid).forEach((child) => seen.add(child)));

  let orchestrator = await startOrchestrator('bun', folder.path);
  remember(orchestrator.pid);
  const ports = { api: orchestrator.apiPort, nats: orchestrator.natsPort };
  let one = await startCompute('bun', folder.path, NODES[0]!, ports.nats);
  let two = await startCompute('bun', folder.path, NODES[1]!, ports.nats);
  remember(one.pid);
  remember(two.pid);
  try {
    await connectedNodes(ports.api, NODES);
    const ids: string[] = [];
    let api = new Connection(ports.api);
    for (let i = 0; i < JOBS; i++) {
      const body = wasmJob({ module, parameters: ['150', `job ${i}`] });
      ids.push((await api.json<{ JobID: string }>('PUT', API, body)).JobID);
    }
    const progress = (count: number) =>
      until(
        async () => {
          observe();
          return (await completed(api, ids)).length >= count;
        },
        `${count} of ${JOBS} jobs completed`,
        120_000,
      );

    await progress(5);
    await one.kill('SIGKILL');
    one = await startCompute('bun', folder.path, NODES[0]!, ports.nats);
    remember(one.pid);
    await progress(15);
    api[Symbol.dispose]();
    await orchestrator.kill('SIGKILL');
    orchestrator = await startOrchestrator('bun', folder.path, ports);
    remember(orchestrator.pid);
    api = new Connection(ports.api);
    await progress(30);
    await two.kill('SIGKILL');
    two = await startCompute('bun', folder.path, NODES[1]!, ports.nats);
    remember(two.pid);
    await progress(JOBS);

    for (const [index, id] of ids.entries()) {
      const { Items } = await api.json<{ Items: Execution[] }>('GET', `${API}/${id}/executions`);
      const counted = Items.filter((execution) => execution.ComputeState.StateType === 9);
      expect(counted.map((execution) => execution.RunOutput)).toMatchObject([{
        Stdout: `job ${index}\n`,
        ExitCode: 0,
      }]);
    }
    api[Symbol.dispose]();
  } catch (cause) {
    const said = Object.entries({ one, two, orchestrator })
      .map(([name, { lines }]) => `--- ${name}\n${lines.slice(-30).join('\n')}`);
    throw new Error(`${(cause as Error).message}\n${said.join('\n')}`, { cause });
  } finally {
    observe();
    for (const server of [one, two, orchestrator]) await server.end();
  }
  await until(() => ![...started, ...seen].some(isAlive), 'no process is left', 5_000);
});
