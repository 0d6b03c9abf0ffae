/** Modules as jobs of the executable: the old layout, where modules come from, their files, and what is no module. */
import { createServer, type Server as WebServer } from 'node:http';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { Connection } from '../support/http_load.ts';
import { ROOT, run, type Runtime, type Server, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const JOBS = '/api/v1/orchestrator/jobs';
const FIXTURES = join(ROOT, 'test/fixtures/wasm');
const TOOL = join(FIXTURES, 'tool.wasm');
const LIBRARY = '/wasm/library.wasm';

interface Ended {
  readonly state: string;
  readonly exitCode: number;
  readonly stdout: string;
}

describe.each<Runtime>(['bun', 'deno'])('under %s', (runtime) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orchestrator: Orchestrator;
  let compute: Server;
  let api: Connection;
  let web: WebServer;
  let origin: string;
  let env: Record<string, string>;
  /** What the node lets jobs have of its own files. */
  let local: string;

  beforeAll(async () => {
    folder = await temporaryFolder();
    local = join(folder.path, 'local');
    await mkdir(local);
    web = createServer(async (request, response) => {
      response.end(await readFile(join(FIXTURES, request.url!.slice(1))));
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    orchestrator = await startOrchestrator(runtime, folder.path);
    compute = await startCompute(runtime, folder.path, 'n-modules', orchestrator.natsPort, [
      '-c',
      `Compute.AllowListedLocalPaths=${local}/**:rw,${FIXTURES}/**:ro`,
    ]);
    await connectedNodes(orchestrator.apiPort, ['n-modules']);
    api = new Connection(orchestrator.apiPort);
    env = {
      BACALHAU_DIR: join(folder.path, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(orchestrator.apiPort),
    };
  });

  afterAll(async () => {
    api[Symbol.dispose]();
    await compute.end();
    await orchestrator.end();
    web.closeAllConnections();
    web.close();
    await folder[Symbol.asyncDispose]();
  });

  const wasm = (...args: string[]) => run(runtime, ['wasm', 'run', ...args], { env });
  const inline = async (name: string) => ({
    Type: 'inline',
    Params: {
      URL: `data:application/wasm;base64,${
        (await readFile(join(FIXTURES, `${name}.wasm`))).toString('base64')
      }`,
    },
  });
  const input = (path: string, target: string, writable = false) =>
    `src=file://${path},dst=${target}${writable ? ',opt=rw=true' : ''}`;

  async function submit(task: Record<string, unknown>, name?: string): Promise<string> {
    const Job = {
      Type: 'batch',
      Count: 1,
      ...(name ? { Name: name } : {}),
      Tasks: [{ Name: 'main', ...task }],
    };
    return (await api.json<{ JobID: string }>('PUT', JOBS, { Job })).JobID;
  }

  async function outcome(id: string): Promise<Ended> {
    return await until(async () => {
      const { Job } = await api.json<{ Job: { State: { StateType: string } } }>('GET', `${JOBS}/${id}`);
      if (!['Completed', 'Failed'].includes(Job.State.StateType)) return null;
      const { Items: [execution] } = await api.json<
        { Items: { RunOutput: { ExitCode: number; Stdout: string } }[] }
      >('GET', `${JOBS}/${id}/executions`);
      const { ExitCode, Stdout } = execution!.RunOutput;
      return { state: Job.State.StateType, exitCode: ExitCode, stdout: Stdout };
    }, `the end of ${id}`);
  }

  it('the old layout, with modules among the parameters, twice the same', async () => {
    const task = {
      Engine: {
        Type: 'wasm',
        Params: {
          EntryModule: { Source: await inline('uses_library') },
          Entrypoint: '_start',
          ImportModules: [{
            Source: { Type: 'urlDownload', Params: { URL: `${origin}/library.wasm` } },
            Target: LIBRARY,
          }],
        },
      },
    };
    const id = await submit(task, 'old-layout');
    expect(await outcome(id)).toMatchObject({ exitCode: 42 });
    await expect(submit(task, 'old-layout')).rejects.toThrow('no changes detected');
    const { Job } = await api.json<{ Job: { Version: number; Tasks: { Engine: { Params: unknown } }[] } }>(
      'GET',
      `${JOBS}/${id}`,
    );
    expect(Job.Version).toBe(1);
    expect(Job.Tasks[0]!.Engine.Params).toMatchObject({
      EntryModule: '/wasm/entry.wasm',
      ImportModules: [LIBRARY],
    });
  });

  it.each([
    ['inline', () => ['-I', `${FIXTURES}/library.wasm:${LIBRARY}`]],
    ['urlDownload', () => ['-I', `${origin}/library.wasm:${LIBRARY}`]],
    ['local', () => ['-i', input(`${FIXTURES}/library.wasm`, LIBRARY), '-I', LIBRARY]],
    [
      'an input that nobody lists, by its name alone',
      () => ['-i', input(`${FIXTURES}/library.wasm`, LIBRARY)],
    ],
  ])('an imported module is linked by name: %s', async (_, flags) => {
    const { code } = await wasm('--propagate-exit-code', ...flags(), join(FIXTURES, 'uses_library.wasm'));
    expect(code).toBe(42);
  });

  it('the entry module from a URL with a port, and from a folder of the node', async () => {
    const urls = await wasm('--follow', `${origin}/tool.wasm`, 'env', 'X');
    expect([urls.code, urls.stdout]).toEqual([0, expect.stringContaining('X=(none)\n')]);
    const given = await wasm('--follow', '-i', input(FIXTURES, '/modules'), '/modules/tool.wasm', 'env', 'Y');
    expect([given.code, given.stdout]).toEqual([0, expect.stringContaining('Y=(none)\n')]);
  });

  it('names of variables in lower case', async () => {
    const { stdout } = await wasm(
      '--follow',
      '-e',
      'lower=yes',
      '-e',
      'Mixed_1=too',
      TOOL,
      'env',
      'lower',
      'env',
      'Mixed_1',
    );
    expect(stdout).toContain('lower=yes\nMixed_1=too\n');
  });

  it('an input at the root', async () => {
    const root = join(local, 'root');
    await mkdir(join(root, 'deep'), { recursive: true });
    await writeFile(join(root, 'deep', 'file'), 'deep below\n');
    const flags = ['--follow', '-i', input(root, '/'), TOOL];
    const { code, stdout } = await wasm(...flags, 'list', '/', 'cat', '/deep/file');
    expect([code, stdout]).toEqual([0, expect.stringMatching(/deep\nmain\.wasm\n(.*\n)*deep below\n/)]);
    const refused = await wasm(...flags, 'write', '/new', 'x');
    expect(refused.stdout + refused.stderr).toMatch(/\/new: Read-only file system/);
  });

  it('a local input that may be written', async () => {
    const data = join(local, 'data');
    await mkdir(data);
    await writeFile(join(data, 'old'), 'old');
    const flags = ['--follow', TOOL, 'write', '/d/old', 'changed', 'write', '/d/new', 'made'];
    const readOnly = await wasm('-i', input(data, '/d'), ...flags);
    expect(readOnly.stdout + readOnly.stderr).toMatch(/\/d\/old: Read-only file system/);
    expect((await wasm('-i', input(data, '/d', true), ...flags)).code).toBe(0);
    expect(await readFile(join(data, 'old'), 'utf8')).toBe('changed');
    expect(await readFile(join(data, 'new'), 'utf8')).toBe('made');
  });

  it('what is no module is refused by name, before anything runs', async () => {
    const header = (...bytes: number[]) => Uint8Array.from([0, 97, 115, 109, ...bytes]);
    const cases: [name: string, content: string | Uint8Array, why: string][] = [
      ['empty.wasm', '', 'it is empty'],
      ['text.wasm', '(module)', 'it is not WebAssembly but WebAssembly in text form (.wat)'],
      ['page.wasm', '<!DOCTYPE html>', 'it is not WebAssembly but a page in HTML or XML'],
      ['short.wasm', header(), 'it is cut off'],
      ['component.wasm', header(13, 0, 1, 0), 'it is a WebAssembly component'],
      ['version.wasm', header(2, 0, 0, 0), 'its version of the binary format is 2'],
    ];
    const bad = join(local, 'bad');
    await mkdir(bad);
    for (const [name, content] of cases) await writeFile(join(bad, name), content);
    for (const [name, , why] of cases) {
      const { code, stdout, stderr } = await wasm('-i', input(bad, '/m'), `/m/${name}`);
      expect([name, code]).toEqual([name, 1]);
      expect(stdout + stderr).toContain(`Cannot run module "/m/${name}": ${why}`);
    }
    const imported = await wasm('-i', input(bad, '/m'), '-I', '/m/component.wasm', TOOL);
    expect(imported.stdout + imported.stderr).toContain(
      'Cannot run module "/m/component.wasm": it is a WebAssembly component',
    );
    const missing = await wasm('-i', input(bad, '/m'), '/m/nowhere.wasm');
    expect(missing.stdout + missing.stderr).toContain(
      'Cannot find module "/m/nowhere.wasm": no such file in the task',
    );
  });
});
