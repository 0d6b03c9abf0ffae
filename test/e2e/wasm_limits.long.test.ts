/**
 * Must-hold 4 of WebAssembly: each way of taking too much is ended by its own limit, named in the error, less than a
 * second over it; the node goes on as before, and nothing stays of it: no process, no memory, no disk.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processCpuMs } from '../../runtime/process.ts';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { Connection } from '../support/http_load.ts';
import { wasmJob } from '../support/jobs.ts';
import { descendants, memoryOf, ROOT, run, type Server, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const API = '/api/v1/orchestrator/jobs';
const NODE = 'n-limits';
const MODULE = join(ROOT, 'test/fixtures/wasm/limits.wasm');
const MIB = 2 ** 20;
const COMPLETED = 9;
const FAILED = 10;

/** A node with one or two idle processes; more would be a leak. */
const IDLE_MEMORY = 250e6;
/** More than a process needs to start. */
const BUSY_TICKS = 60;
/** One log that is full, and the node's own files. */
const MOST_DISK = 160 * MIB;

interface Execution {
  readonly ID: string;
  readonly CreateTime: number;
  readonly ModifyTime: number;
  readonly ComputeState: { readonly StateType: number; readonly Message?: string };
  readonly RunOutput:
    | { readonly Stdout: string; readonly ExitCode: number; readonly ErrorMsg: string }
    | null;
}

interface Case {
  readonly name: string;
  /** What the module does (limits.c). */
  readonly what: string;
  readonly task?: Record<string, unknown>;
  readonly says: RegExp;
  readonly exitCode: number;
  /** Nothing else ends it before its processor time is used up. */
  readonly usesItAll?: boolean;
}

const outputs = { ResultPaths: [{ Name: 'out', Path: '/out' }], Publisher: { Type: 'noop', Params: {} } };

const cases: readonly Case[] = [
  {
    name: 'endless loop, time-out',
    what: 'loop',
    task: { Timeouts: { ExecutionTimeout: 1 } },
    says: /1 s|time-?out|1s/i,
    exitCode: 137,
  },
  {
    name: 'endless loop, processor time',
    what: 'loop',
    says: /used 2 s of processor time, all that it may use/,
    exitCode: 137,
    usesItAll: true,
  },
  {
    name: 'endless growth, of what a job gets that asks for nothing',
    what: 'memory',
    // The orchestrator's JobDefaults: 512 Mb.
    says: /ended with exit code 1: more memory was refused .* may have 488\.28 MiB/,
    exitCode: 1,
  },
  {
    name: 'endless growth, of what it asked for',
    what: 'pages',
    task: { Resources: { Memory: '64Mi' } },
    says: /trap: unreachable.*; more memory was refused .*64 MiB.*\n {2}at pages\n {2}at main/,
    exitCode: 1,
  },
  {
    name: 'recursion',
    what: 'recursion',
    says: /its call stack is exhausted\n {2}at deeper, \d+ times/,
    exitCode: 1,
  },
  {
    name: 'a program that starts itself again',
    what: 'restart',
    says: /its call stack is exhausted\n(.*\n)? {2}at main, \d+ times/,
    exitCode: 1,
  },
  {
    name: '1 million open files',
    what: 'files',
    task: outputs,
    says: /ended with exit code 1: it had reached its limit of 1024 open files/,
    exitCode: 1,
  },
  {
    name: '10 GB log',
    what: 'log',
    says: /printed more than the 100 MiB that its log may hold/,
    exitCode: 137,
  },
  {
    name: '10 GB file, limit of a file',
    what: 'file',
    task: outputs,
    says: /ended with exit code 1: it had reached the limit of 200 MiB for a file/,
    exitCode: 1,
  },
  {
    name: '10 GB in files, disk that the job asked for',
    what: 'disk',
    task: { ...outputs, Resources: { Disk: '50Mi' } },
    says: /it takes \d+ bytes of disk and may take 52\d{6}$/,
    exitCode: 137,
  },
];

describe.skipIf(process.platform !== 'linux')('limits of a module', () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let orchestrator: Orchestrator;
  let compute: Server;
  let module: string;

  beforeAll(async () => {
    module = (await readFile(MODULE)).toString('base64');
    folder = stack.use(await temporaryFolder()).path;
    orchestrator = await startOrchestrator('bun', folder);
    stack.defer(async () => void await orchestrator.end());
    compute = await startCompute('bun', folder, NODE, orchestrator.natsPort, [
      '-c',
      'Engines.Disabled=docker',
      '-c',
      'Engines.Types.WASM.MaxCPUTime=2s',
      '-c',
      'Engines.Types.WASM.MaxFileSize=200Mi',
      '-c',
      'Compute.Logs.MaxSize=100Mi',
    ]);
    stack.defer(async () => void await compute.end());
    await connectedNodes(orchestrator.apiPort, [NODE]);
    await hello();
  });
  afterAll(() => stack.disposeAsync());

  /** One request on a connection of its own: a server closes those that wait for long. */
  async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    using api = new Connection(orchestrator.apiPort);
    return await api.json<T>(method, path, body);
  }

  async function submit(body: unknown): Promise<string> {
    return (await ask<{ JobID: string }>('PUT', API, body)).JobID;
  }

  async function ended(id: string): Promise<{ state: string; message: string; execution: Execution }> {
    const { StateType, Message = '' } = await until(async () => {
      const { Job } = await ask<{ Job: { State: { StateType: string; Message?: string } } }>(
        'GET',
        `${API}/${id}`,
      );
      return ['Completed', 'Failed', 'Stopped'].includes(Job.State.StateType) ? Job.State : null;
    }, `job ${id} ends`);
    const executions = await executionsOf(id);
    expect(executions).toHaveLength(1);
    return { state: StateType, message: Message, execution: executions[0]! };
  }

  async function executionsOf(id: string): Promise<readonly Execution[]> {
    return (await ask<{ Items: Execution[] }>('GET', `${API}/${id}/executions`)).Items;
  }

  /** A job that does nothing: the node is as it was. */
  async function hello(): Promise<void> {
    const { execution } = await ended(await submit(wasmJob()));
    expect(execution.ComputeState.StateType).toBe(COMPLETED);
  }

  it.each(cases)('$name', async ({ what, task, says, exitCode, usesItAll }) => {
    const idle = usage();
    let most = 0;
    const watching = setInterval(() => most = Math.max(most, mostUsed(idle)), 20);
    const id = await submit(wasmJob({ module, parameters: [what], ...(task ? { task } : {}) }));
    const { state, message, execution } = await ended(id).finally(() => clearInterval(watching));
    await hello();

    expect(state).toBe('Failed');
    expect(message).toMatch(says);
    expect(execution.ComputeState.Message).toMatch(says);
    expect(execution.RunOutput).toMatchObject({ ExitCode: exitCode, ErrorMsg: expect.stringMatching(says) });
    if (usesItAll) {
      expect(most).toBeGreaterThan(150);
      expect(most).toBeLessThan(300);
    }

    const described = await run('bun', ['job', 'describe', id, '--output', 'json'], { env: client() });
    expect(described.stdout).toContain(JSON.stringify(message).slice(1, -1));
    // Those of the pool have nothing to do.
    const before = usage();
    expect(before.size).toBeLessThanOrEqual(2);
    await hello();
    expect(mostUsed(before)).toBeLessThan(20);
    await until(() => memoryOf(compute.pid) < IDLE_MEMORY, 'memory is given back', 15_000);
    await until(() => bytesOf(join(folder, NODE)) < MOST_DISK, 'the disk is free again', 15_000);
  });

  // SIGSEGV while the guest's own code runs is a trap to the runtime: see test/engine/wasm/processes.test.ts.
  it.each(['SIGFPE', 'SIGABRT', 'SIGKILL'] as const)('a process that ends by %s', async (signal) => {
    const idle = usage();
    const id = await submit(wasmJob({ module, parameters: ['loop'] }));
    const busy = await until(
      () => [...usage()].find(([pid, used]) => used - (idle.get(pid) ?? 0) > BUSY_TICKS)?.[0],
      'its process',
    );
    // What the kernel does when a host has no memory left is a SIGKILL to the process that it likes least.
    expect(readFileSync(`/proc/${busy}/oom_score_adj`, 'utf8').trim()).toBe('1000');
    expect(readFileSync(`/proc/${busy}/environ`, 'utf8')).toBe('');
    process.kill(busy, signal);
    const died = await until(async () => {
      const executions = await executionsOf(id);
      return executions.find(({ ComputeState }) => ComputeState.StateType === FAILED);
    }, 'the execution fails');
    expect(died.ComputeState.Message).toMatch(
      new RegExp(`The process of module "/main.wasm" died \\(killed by ${signal}`),
    );
    await hello();
    // It is not the job's fault, so it is run again.
    await until(async () => (await executionsOf(id)).length === 2, 'the next execution');
    await ask('DELETE', `${API}/${id}`);
  });

  it('on the command line', async () => {
    const { code, stdout, stderr } = await run('bun', ['wasm', 'run', MODULE, 'pages'], { env: client() });
    expect({ code, stdout: stdout + stderr }).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/was ended by a trap.*\n\s+at pages.*\n\s+at main/),
    });
  });

  /** Processor time of all module processes, in hundredths of a second. */
  function usage(): ReadonlyMap<number, number> {
    return new Map(descendants(compute.pid).map((pid) => [pid, ticks(pid)]));
  }

  /** What any of them has used since. */
  function mostUsed(since: ReadonlyMap<number, number>): number {
    return Math.max(0, ...[...usage()].map(([pid, used]) => used - (since.get(pid) ?? 0)));
  }

  function client(): Record<string, string> {
    return {
      BACALHAU_DIR: join(folder, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(orchestrator.apiPort),
    };
  }
});

/** Processor time of a process in hundredths of a second. */
function ticks(pid: number): number {
  return (processCpuMs(pid) ?? 0) / 10;
}

/** Of all files in a folder. */
function bytesOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true }).reduce((sum, entry) => {
    const stat = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    return sum + (stat?.isFile() ? stat.blocks * 512 : 0);
  }, 0);
}
