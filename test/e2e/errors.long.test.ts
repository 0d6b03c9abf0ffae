/** Must-hold 4: each wrong input gives one clear sentence that names field or cause, a hint, and a non-zero exit. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import {
  descendants,
  type Ended,
  ROOT,
  run,
  type Runtime,
  type Server,
  temporaryFolder,
} from '../support/program.ts';
import { until } from '../support/until.ts';

/** `(func (export "_start") (loop (br 0)))` */
const ENDLESS = join(ROOT, 'test/fixtures/wasm/endless.wasm');

describe.each<Runtime>(['bun', 'deno'])('wrong input, %s', (runtime) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orchestrator: Orchestrator;
  let compute: Server;
  let env: Record<string, string>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    orchestrator = await startOrchestrator(runtime, folder.path);
    compute = await startCompute(runtime, folder.path, 'n-errors', orchestrator.natsPort, [
      '-c',
      `Compute.AllowListedLocalPaths=${folder.path}/allowed/**`,
    ]);
    await connectedNodes(orchestrator.apiPort, ['n-errors']);
    env = {
      BACALHAU_DIR: join(folder.path, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(orchestrator.apiPort),
    };
  });

  afterAll(async () => {
    await compute.end();
    await orchestrator.end();
    await folder[Symbol.asyncDispose]();
  });

  function failing(ended: Ended, ...expected: RegExp[]): void {
    const text = ended.stdout + ended.stderr;
    for (const pattern of expected) expect(text).toMatch(pattern);
    expect(text).not.toMatch(/\n\s+at .+:\d+:\d+/); // no stack traces
    expect(ended.code).toBeGreaterThan(0);
  }

  async function spec(name: string, task: Record<string, unknown>): Promise<string> {
    const path = join(folder.path, `${name}.json`);
    const job = {
      Type: 'batch',
      Tasks: [{
        Name: 'main',
        Engine: { Type: 'wasm', Params: { EntryModule: '/main.wasm', Entrypoint: '_start' } },
        ...task,
      }],
    };
    await writeFile(path, JSON.stringify(job));
    return path;
  }

  const source = (type: string, params: Record<string, unknown>) => [{
    Target: '/main.wasm',
    Source: { Type: type, Params: params },
  }];

  async function nothingLeft(): Promise<void> {
    await until(() => descendants(compute.pid).length <= 2, 'no busy child is left', 10_000);
    const runs = join(folder.path, 'n-errors');
    expect(await readdir(runs)).not.toContain('undefined');
  }

  it('a wrong spec names every field and its line', async () => {
    const path = join(folder.path, 'wrong.yaml');
    await writeFile(path, 'Type: batch\nCount: "1"\nTasks:\n  - Name: main\n    Engine: {Type: ""}\n');
    failing(await run(runtime, ['job', 'run', path], { env }), /Count/, /line 2|:2/);
    failing(await run(runtime, ['job', 'validate', path], { env }), /Count/);
  });

  it('an unknown command names the nearest one', async () => {
    failing(await run(runtime, ['jbo', 'list'], { env }), /unknown command/i, /job/);
  });

  it('an unreachable server is named with what to do', async () => {
    const unreachable = { ...env, BACALHAU_API_PORT: '1' };
    failing(
      await run(runtime, ['job', 'list'], { env: unreachable }),
      /127\.0\.0\.1:1\b/,
      /hint|check|--api-host/i,
    );
  });

  it('a local path outside the allow-list names the path and the key', async () => {
    const outside = join(folder.path, 'secret');
    await mkdir(outside, { recursive: true });
    await writeFile(join(outside, 'main.wasm'), '');
    const path = await spec('outside', {
      InputSources: source('local', { SourcePath: join(outside, 'main.wasm') }),
    });
    failing(await run(runtime, ['job', 'run', path], { env }), /secret\/main\.wasm/, /AllowListedLocalPaths/);
  });

  it('a URL that answers 404 names the URL and the status', async () => {
    const web = createServer((_request, response) => void response.writeHead(404).end());
    await new Promise<void>((listening) => web.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/none.wasm`;
    const path = await spec('missing', {
      Engine: { Type: 'wasm', Params: { EntryModule: '/in/none.wasm', Entrypoint: '_start' } },
      InputSources: [{ Target: '/in', Source: { Type: 'urlDownload', Params: { URL: url } } }],
    });
    failing(await run(runtime, ['job', 'run', path], { env }), /none\.wasm/, /404/);
    web.close();
  });

  it('a module that is not WebAssembly is said so', async () => {
    const path = join(folder.path, 'text.wasm');
    await writeFile(path, 'This is no module.');
    failing(await run(runtime, ['wasm', 'run', path], { env }), /WebAssembly/);
  });

  it('a module that loops for ever ends by its time limit', async () => {
    const ended = await run(runtime, ['wasm', 'run', '--timeout', '2', ENDLESS], { env });
    failing(ended, /timed? ?out|time limit/i, /2 ?s/);
    await nothingLeft();
  });
});
