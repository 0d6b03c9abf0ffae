/** Modules that send HTTP requests, as jobs of the executable, by what the job says of its network. */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server as WebServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DECISION_LOG } from '../../runtime/egress/mod.ts';
import { connectedNodes, type Orchestrator, startCompute, startOrchestrator } from '../support/cluster.ts';
import { ROOT, run, type Runtime, type Server, temporaryFolder } from '../support/program.ts';
import { until } from '../support/until.ts';

const MODULE = join(ROOT, 'test/fixtures/wasm/http.wasm');
const TLS = join(ROOT, 'test/fixtures/tls');
const MIB = 2 ** 20;

describe.each<Runtime>(['bun', 'deno'])('under %s', (runtime) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let orchestrator: Orchestrator;
  let compute: Server;
  let web: WebServer;
  let origin: string;
  let waiting = 0;
  let env: Record<string, string>;

  beforeAll(async () => {
    web = createServer((request, response) => {
      if (request.url === '/silent') {
        waiting++;
        request.socket.on('close', () => waiting--);
      } else if (request.url === '/big') response.end(Buffer.alloc(32 * MIB, 'x'));
      else if (request.url === '/away') response.writeHead(302, { Location: 'http://192.0.2.1/' }).end();
      else if (request.url === '/early') response.writeHead(413).end('too much');
      else request.pipe(response);
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    folder = await temporaryFolder();
    orchestrator = await startOrchestrator(runtime, folder.path);
    compute = await startCompute(runtime, folder.path, 'n-http', orchestrator.natsPort, [
      '-c',
      'Engines.Types.WASM.HTTP.BytesPerSecond=0',
    ], { NODE_EXTRA_CA_CERTS: join(TLS, 'cert.pem') });
    await connectedNodes(orchestrator.apiPort, ['n-http']);
    env = {
      BACALHAU_DIR: join(folder.path, 'client'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(orchestrator.apiPort),
    };
  });

  afterAll(async () => {
    await compute.end();
    await orchestrator.end();
    web.closeAllConnections();
    web.close();
    await folder[Symbol.asyncDispose]();
  });

  const job = (...args: string[]) => run(runtime, ['wasm', 'run', ...args], { env });

  function decisions(): { verdict: string; host: string; code?: string }[] {
    return readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith(DECISION_LOG))
      .flatMap((path) => readFileSync(join(folder.path, path), 'utf8').trimEnd().split('\n'))
      .map((line) => JSON.parse(line) as { verdict: string; host: string });
  }

  it('a list of domains: what it names, and nothing else', async () => {
    const { code, stdout } = await job(
      ...['--network', 'http', '--domain', '127.0.0.1', '--follow', MODULE],
      ...[
        `POST|${origin}/echo||~300|100|1000`,
        'GET|http://127.0.0.2/||x|9|9',
        `GET|${origin}/away|||100|100`,
      ],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/result 0\nstatus 200\n[\s\S]*body 300 [\s\S]*result 4\nresult 4\n/);
    const seen = decisions();
    for (
      const line of [
        { verdict: 'allowed', host: '127.0.0.1', bytesSent: 300, bytesReceived: 300, status: 200 },
        { verdict: 'refused', host: '127.0.0.2', code: 'host-not-listed' },
        { verdict: 'allowed', host: '127.0.0.1', status: 302 },
        { verdict: 'refused', host: '192.0.2.1', code: 'host-not-listed' },
      ]
    ) expect(seen).toContainEqual(expect.objectContaining(line));
  });

  it('TLS, with the authorities that the operator of the node added', async () => {
    const pem = (name: string) => readFileSync(join(TLS, `${name}.pem`), 'utf8');
    await using secure = createSecureServer({ key: pem('key'), cert: pem('cert') }, (_request, response) => {
      response.end('secret');
    });
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const { port } = secure.address() as AddressInfo;
    const { stdout } = await job(
      ...['--network', 'http', '--domain', '127.0.0.1', '--domain', '127.0.0.2', '--follow', MODULE],
      ...[`GET|https://127.0.0.1:${port}/|||100|100`, `GET|https://127.0.0.1:${port}/|||100|100`],
    );
    // Deno's node:tls knows no others than its own.
    const expected = runtime === 'bun'
      ? ['result 0', 'secret', 'result 0', 'secret']
      : ['result 2', 'result 2'];
    expect(stdout.match(/^(result \d|secret)/gm)).toEqual(expected);
    secure.closeAllConnections();
  });

  it('no network: the job says why the module cannot be loaded', async () => {
    const { code, stderr, stdout } = await job('--network', 'none', MODULE, `GET|${origin}/|||9|9`);
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(
      'imports "wasi:http/requests", which a task without network is not given',
    );
    expect(stdout + stderr).toContain('Network.Type');
  });

  it('a large answer comes whole', async () => {
    const { stdout } = await job('--follow', MODULE, `GET|${origin}/big|||100|${32 * MIB}`);
    expect(stdout).toMatch(new RegExp(`result 0\nstatus 200\n[\\s\\S]*body ${32 * MIB} `));
  });

  it('a job that waits for an answer is stopped, and its connection closed', async () => {
    const { stdout } = await job('--id-only', '--wait=false', MODULE, `GET|${origin}/silent|||9|9`);
    await until(() => waiting === 1, 'the request is under way');
    const stopped = await run(runtime, ['job', 'stop', stdout.trim()], { env });
    expect(stopped.code).toBe(0);
    await until(() => waiting === 0, 'its connection is closed');
  });

  it('a host that answers before it has read the request', async () => {
    const put = `PUT|${origin}/early||~20000000|100|100`;
    const { stdout } = await job('--follow', MODULE, put, put, `POST|${origin}/echo||~9|100|100`, put);
    const results = stdout.match(/^(result|status|body) \d+/gm)!.join(', ');
    const early = 'result 0, status 413, body 8';
    // The system throws away an answer that it has received when the host resets the connection; nothing may hang.
    const put1 = `(${early}|result 2)`;
    expect(results).toMatch(new RegExp(`^${put1}, ${put1}, result 0, status 200, body 9, ${put1}$`));
  });

  it('connections are kept where the runtime can, and not missed when the server ends them', async () => {
    const served: string[] = [];
    let connections = 0;
    await using server = createTcpServer((socket) => {
      connections++;
      let got = '';
      let left = 3;
      socket.setEncoding('latin1').on('error', () => socket.destroy()).on('data', (data) => {
        if (left === 0) return void socket.destroy();
        got += String(data);
        const [, head = '', rest = ''] = /^(.*?)\r\n\r\n(.*)$/s.exec(got) ?? [];
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (head === '' || rest.length < length) return;
        got = '';
        left--;
        served.push(head.split(' ')[0]!);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const methods = ['GET', 'PUT', 'GET', 'PUT', 'DELETE', 'POST', 'GET'];
    const { stdout } = await job(
      ...['--follow', '--network', 'full', MODULE],
      ...methods.map((method) => `${method}|${url}||${method.startsWith('P') ? '~100000' : ''}|100|100`),
    );
    expect(stdout.match(/^result \d/gm)).toEqual(methods.map(() => 'result 0'));
    expect(served).toEqual(methods);
    expect(connections).toBe(runtime === 'bun' ? 3 : methods.length);
    if (runtime === 'deno') return;
    // The fourth on a connection is lost with it; what may not be done twice is told.
    const lost = await job(
      '--follow',
      MODULE,
      ...['GET', 'GET', 'GET', 'POST'].map((method) => `${method}|${url}|||9|9`),
    );
    expect(lost.stdout.match(/^result \d/gm)).toEqual(['result 0', 'result 0', 'result 0', 'result 2']);
  });
});
