/** Proxies of the environment: never for this machine, always for other names, by client and node alike. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { ROOT, run, type Runtime, type Server, temporaryFolder } from '../support/program.ts';
import { type LittleProxy, startProxy } from '../support/proxy.ts';

const NOWHERE = 'http://127.0.0.1:9';

describe.each<Runtime>(['bun', 'deno'])('proxies, %s', (runtime) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orchestrator: Orchestrator;
  let compute: Server;
  let module: ReturnType<typeof createServer>;
  let toApi: LittleProxy;
  let toModule: LittleProxy;

  beforeAll(async () => {
    folder = await temporaryFolder();
    const bytes = await readFile(join(ROOT, 'test/fixtures/wasm/tool.wasm'));
    module = createServer((_request, answer) => void answer.end(bytes));
    await new Promise<void>((resolve) => module.listen(0, '127.0.0.1', resolve));
    toModule = await startProxy(() => (module.address() as AddressInfo).port);
    orchestrator = await startOrchestrator(runtime, folder.path);
    toApi = await startProxy(() => orchestrator.apiPort);
    compute = await startCompute(runtime, folder.path, 'n-proxy', orchestrator.natsPort, [], {
      http_proxy: toModule.url,
    });
    await connectedNodes(orchestrator.apiPort, ['n-proxy']);
  });

  afterAll(async () => {
    await compute.end();
    await orchestrator.end();
    toApi[Symbol.dispose]();
    toModule[Symbol.dispose]();
    module.close();
    await folder[Symbol.asyncDispose]();
  });

  const client = (host: string, proxies: Record<string, string>, ...words: string[]) =>
    run(runtime, words, {
      env: {
        BACALHAU_DIR: join(folder.path, 'client'),
        BACALHAU_API_HOST: host,
        BACALHAU_API_PORT: String(orchestrator.apiPort),
        ...proxies,
      },
    });

  it.each(['127.0.0.1', 'localhost', '0.0.0.0'])('a client reaches %s without it', async (host) => {
    const proxies = { HTTP_PROXY: NOWHERE, http_proxy: NOWHERE, ALL_PROXY: NOWHERE, HTTPS_PROXY: NOWHERE };
    const { code, stderr } = await client(host, proxies, 'job', 'list');
    expect([code, stderr]).toEqual([0, '']);
  });

  it('client and node go through it to other names, the log stream included', async () => {
    const words = [
      'wasm',
      'run',
      'http://data.test/main.wasm',
      '-e',
      'WORD=hello',
      '--wait=false',
      '--id-only',
      '--',
      'env',
      'WORD',
    ];
    const submitted = await client('api.test', { HTTP_PROXY: toApi.url }, ...words);
    expect(submitted).toMatchObject({ code: 0 });
    const id = submitted.stdout.trim();
    const logs = await client('api.test', { ALL_PROXY: toApi.url }, 'job', 'logs', '--follow', id);
    expect([logs.code, logs.stdout]).toEqual([0, expect.stringContaining('hello')]);
    const api = `api.test:${orchestrator.apiPort}`;
    expect(toApi.asked).toContain(`PUT http://${api}/api/v1/orchestrator/jobs`);
    expect(toApi.asked).toContain(`CONNECT ${api}`);
    expect(toModule.asked).toContain('GET http://data.test/main.wasm');
  });

  it('an error names the proxy and what was to be reached, without the password', async () => {
    const { code, stderr } = await client(
      'api.test',
      { HTTP_PROXY: 'http://user:secret@127.0.0.1:9' },
      'job',
      'list',
    );
    expect(code).toBe(1);
    expect(stderr).toContain(
      `"http://api.test:${orchestrator.apiPort}" through the proxy "${NOWHERE}" (HTTP_PROXY): connection refused`,
    );
    expect(stderr).not.toContain('secret');
    const exempt = await client('api.test', { HTTP_PROXY: NOWHERE, NO_PROXY: '.test' }, 'job', 'list');
    expect(exempt.stderr).toMatch(/"http:\/\/api.test:\d+": host not found/);
  });
});
