import { Buffer } from 'node:buffer';
import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ApiServer, startApiServer } from '../../../mod/api/server/mod.ts';
import {
  type Fake,
  makeExecution,
  makeFake,
  makeHistory,
  makeJob,
  VERSION,
} from '../../support/fake_backend.ts';

const BASE = '/api/v1/orchestrator';
let fake: Fake;
let server: ApiServer;
const errors: unknown[] = [];

beforeAll(async () => {
  fake = makeFake();
  // One server for all tests, a new world behind it for each.
  const jobs = new Proxy(fake.jobs, { get: (_target, key) => Reflect.get(fake.jobs, key).bind?.(fake.jobs) });
  const { agent, nodes } = fake.backends;
  server = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    backends: { agent, jobs, ...(nodes ? { nodes } : {}) },
    version: VERSION,
    nodeId: 'n-111',
    bodyLimit: 2000,
    onError: (error) => errors.push(error),
  });
});
afterAll(() => server.close());
beforeEach(() => {
  fake = makeFake();
  errors.length = 0;
});

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(server.url + path, { redirect: 'manual', ...init });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith('{') ? JSON.parse(text) : null,
  };
}

const put = (body: unknown, headers: Record<string, string> = {}) =>
  call(`${BASE}/jobs`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

describe('errors', () => {
  it('have the shape that the original clients decode', async () => {
    const { status, body, headers } = await call(`${BASE}/jobs/zzz`, { headers: { 'X-Request-Id': 'r-1' } });
    expect(status).toBe(404);
    expect(body).toEqual({
      Status: 404,
      Message: 'job not found: zzz',
      RequestID: 'r-1',
      Code: 'NotFound',
      Component: 'JobStore',
    });
    expect(headers.get('x-request-id')).toBe('r-1');
    expect(headers.get('x-bacalhau-git-version')).toBe('v1.10.0');
  });

  it('tell nothing of what went wrong inside, but the log does', async () => {
    fake.jobs.getJob = () => Promise.reject(new Error('secret path /x'));
    const { status, body, text } = await call(`${BASE}/jobs/a`);
    expect(status).toBe(500);
    expect(body).toMatchObject({
      Code: 'InternalError',
      Component: 'Unknown',
      Message: 'Internal server error',
    });
    expect(text).not.toContain('secret');
    expect(String(errors[0])).toContain('secret path');
  });

  it('unknown routes, wrong methods and HEAD are 404', async () => {
    const unknown = await call('/api/v1/nothing');
    expect(unknown.body).toMatchObject({ Status: 404, Code: 'NotFound', Component: 'APIServer' });
    expect(unknown.body.Details.cli_usage).toBeTypeOf('string');
    expect((await call('/api/v1/agent/alive', { method: 'DELETE' })).status).toBe(404);
    expect((await call('/api/v1/agent/alive', { method: 'HEAD' })).status).toBe(404);
    expect((await call(`${BASE}/jobs/`)).status).toBe(404);
    expect((await call('/version', { method: 'PUT' })).headers.get('allow')).toBe('OPTIONS, GET');
  });
});

describe('pipeline', () => {
  it('answers preflights and names any origin', async () => {
    const answer = await call(`${BASE}/jobs`, {
      method: 'OPTIONS',
      headers: { 'Access-Control-Request-Headers': 'x-a', Origin: 'https://a.example' },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-headers')).toBe('x-a');
    expect(answer.headers.get('x-request-id')).toBeNull();
  });

  it('makes a request id of 32 letters and refuses large bodies before the server headers', async () => {
    const large = await put({ Job: { Name: 'x'.repeat(3000) } });
    expect(large.status).toBe(413);
    expect(large.headers.get('x-request-id')).toMatch(/^[A-Za-z]{32}$/);
    expect(large.headers.get('x-bacalhau-git-version')).toBeNull();
    expect(large.body.Code).toBe('InternalError');
  });

  it('holds the limit for bodies of unknown length', async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(new TextEncoder().encode('x'.repeat(1000)));
        controller.close();
      },
    });
    const init = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body, duplex: 'half' };
    expect((await call(`${BASE}/jobs`, init as RequestInit)).status).toBe(413);
  });

  it('gives a handler up after its time', async () => {
    const { agent } = fake.backends;
    const slow = await startApiServer({
      host: '127.0.0.1',
      port: 0,
      backends: { agent: { ...agent, debug: () => new Promise<never>(() => {}) } },
      version: VERSION,
      nodeId: 'n-slow',
      handlerTimeout: 20,
    });
    try {
      const response = await fetch(`${slow.url}/api/v1/agent/debug`);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ Code: 'ServiceUnavailable' });
    } finally {
      await slow.close();
    }
  });

  it.each([
    ['v1.3.9', 403],
    ['v1.4.0', 200],
    ['v1.4.0-rc1', 403],
    ['1.9', 200],
    ['v1', 403],
    ['v0.0.0-xxxxxxx', 200],
    ['v0.0.0-abcdefg', 403],
    ['latest', 400],
    ['', 200],
  ])('client version %s gets %i', async (version, status) => {
    const answer = await call('/api/v1/agent/alive', { headers: { 'X-Bacalhau-Git-Version': version } });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body).toMatchObject({ MinVersion: '1.4.0', ServerVersion: '1.10.0' });
  });

  it('reads parameter names in any case and indents on request', async () => {
    fake.jobs.jobs.push(makeJob(1), makeJob(2));
    const { text, body } = await call(`${BASE}/jobs?LIMIT=1&pretty`);
    expect(body.Items).toHaveLength(1);
    expect(text).toContain('\n  "Items"');
    expect(text.endsWith('}\n')).toBe(true);
  });

  it.each(['limit=-1', 'limit=x', 'reverse=maybe', 'next_token=abc=', 'order_by=colour', 'labels=%21%21'])(
    'refuses %s with 400',
    async (query) => {
      expect((await call(`${BASE}/jobs?${query}`)).status).toBe(400);
    },
  );
});

describe('jobs', () => {
  it('submits what the body says, keys in any case, large integers kept', async () => {
    const text =
      '{"job":{"Name":"x","Type":"batch","CreateTime":1795219115974285210},"FORCE":true,"IdempotencyToken":"once"}';
    const { status, body } = await put(text, {
      'X-Bacalhau-InstallationID': 'inst',
      'Content-Type': 'APPLICATION/JSON',
    });
    expect(status).toBe(200);
    expect(body).toEqual({ JobID: fake.jobs.jobs[0]!.ID, EvaluationID: 'ev-1', Warnings: null });
    expect(fake.jobs.submitted).toEqual([{
      job: { Name: 'x', Type: 'batch', CreateTime: 1795219115974285210n },
      force: true,
      clientInstallationId: 'inst',
      idempotencyKey: 'once',
    }]);
  });

  it.each([['{', 'JSON'], ['[]', 'object'], ['{}', 'Job'], ['{"Job":{},"Force":1}', 'Force']])(
    'refuses the body %s',
    async (text, names) => {
      const { status, body } = await put(text);
      expect(status).toBe(400);
      expect(body.Message).toContain(names);
    },
  );

  it('refuses another media type', async () => {
    const { status, body } = await put('<a/>', { 'Content-Type': 'text/xml' });
    expect([status, body.Message]).toEqual([400, expect.stringContaining('415')]);
  });

  it('pages through a list; the token carries order, direction and limit', async () => {
    for (let i = 0; i < 5; i++) fake.jobs.jobs.push(makeJob(i));
    const seen: string[] = [];
    let token = '';
    do {
      const query = token ? `next_token=${token}` : 'limit=2&reverse=true';
      const { body } = await call(`${BASE}/jobs?${query}`);
      seen.push(...body.Items.map((job: { Name: string }) => job.Name));
      token = body.NextToken;
      if (seen.length === 2) expect(token).toBe('Y3JlYXRlZF9hdDpZOjI6Mg');
    } while (token);
    expect(seen).toEqual(['job-4', 'job-3', 'job-2', 'job-1', 'job-0']);
  });

  it.each(['', '?pretty'])(
    'a list without a limit is whole and has no token, however long it is %s',
    async (query) => {
      const Meta = { large: 'x'.repeat(300_000) };
      for (let i = 0; i < 10; i++) fake.jobs.jobs.push(makeJob(i, { Meta }));
      const { body, text, headers } = await call(`${BASE}/jobs${query}`);
      expect(body.NextToken).toBe('');
      expect(body.Items.map((job: { Name: string }) => job.Name)).toEqual(
        fake.jobs.jobs.map((job) => job.Name),
      );
      expect(text.endsWith('}\n')).toBe(true);
      expect(headers.get('content-type')).toBe('application/json');
    },
  );

  it('writes nanoseconds with all their digits', async () => {
    fake.jobs.jobs.push(makeJob(7));
    const { text } = await call(`${BASE}/jobs/job-7`);
    expect(text).toContain('"CreateTime":1795219115974285217,"ModifyTime":1795219124974285217');
  });

  it('shows the new state of a job whose object was replaced', async () => {
    const job = makeJob(7);
    fake.jobs.jobs.push(job);
    await call(`${BASE}/jobs/job-7`);
    fake.jobs.replace(job.ID, { State: { StateType: 'Failed' } });
    expect((await call(`${BASE}/jobs/job-7`)).body.Job.State.StateType).toBe('Failed');
  });

  it('includes history and executions when asked', async () => {
    const job = makeJob(1);
    fake.jobs.jobs.push(job);
    fake.jobs.histories.set(job.ID, [makeHistory(job, 1, 'Submission', 'Job submitted')]);
    fake.jobs.executionsOf.set(job.ID, [makeExecution(job)]);
    const { body } = await call(`${BASE}/jobs/${job.ID}?include=history,%20executions,nonsense`);
    expect(body.History).toMatchObject({
      NextToken: '',
      Items: [{ SeqNum: 1, Event: { Topic: 'Submission' } }],
    });
    expect(body.Executions.Items[0]).toMatchObject({
      ComputeState: { StateType: 9 },
      RunOutput: { stderr: '' },
    });
    expect(Object.keys((await call(`${BASE}/jobs/${job.ID}`)).body)).toEqual(['Job']);
  });

  it('follows a history by its token until the job has ended', async () => {
    const job = makeJob(1, { State: { StateType: 'Running' } });
    fake.jobs.jobs.push(job);
    fake.jobs.histories.set(job.ID, [makeHistory(job, 1, 'Submission', 'Job submitted')]);
    const first = (await call(`${BASE}/jobs/job-1/history?limit=10`)).body;
    expect(first.Items).toHaveLength(1);
    const again = (await call(`${BASE}/jobs/job-1/history?limit=10&next_token=${first.NextToken}`)).body;
    expect(again).toEqual({ NextToken: first.NextToken, Items: [] });
    fake.jobs.replace(job.ID, { State: { StateType: 'Completed' } });
    const last = (await call(`${BASE}/jobs/job-1/history?limit=10&next_token=${first.NextToken}`)).body;
    expect(last).toEqual({ NextToken: '', Items: [] });
  });

  it('gives clients below 1.5 the keys that they read', async () => {
    const job = makeJob(1);
    fake.jobs.jobs.push(job);
    fake.jobs.histories.set(job.ID, [
      makeHistory(job, 1, 'Submission', 'x'),
      makeHistory(job, 2, 'Execution', 'y', 'e-1'),
    ]);
    const old = await call(`${BASE}/jobs/job-1/history`, { headers: { 'X-Bacalhau-Git-Version': 'v1.4.2' } });
    expect(old.body.Items).toMatchObject([{ JobState: {} }, { ExecutionState: {} }]);
    const now = await call(`${BASE}/jobs/job-1/history`, {
      headers: { 'X-Bacalhau-Git-Version': 'v1.10.0' },
    });
    expect(now.body.Items[0]).not.toHaveProperty('JobState');
  });

  it.each([
    ['the body', '', '{"reason":"why"}'],
    ['the query', '?reason=why', ''],
    ['the query, with the empty body of the Python SDK', '?reason=why', '{}'],
  ])('takes the reason of a stop from %s', async (_where, query, body) => {
    fake.jobs.jobs.push(makeJob(1));
    const headers = { 'Content-Type': 'application/json' };
    const answer = await call(`${BASE}/jobs/job-1${query}`, {
      method: 'DELETE',
      headers,
      ...(body ? { body } : {}),
    });
    expect(answer.body).toEqual({ EvaluationID: 'ev-stop' });
    expect(fake.jobs.stopped).toEqual([{ ref: 'job-1', namespace: '', reason: 'why' }]);
  });

  it('addresses a job whose name has a slash', async () => {
    fake.jobs.jobs.push(makeJob(1, { Name: 'a/b' }));
    expect((await call(`${BASE}/jobs/a%2Fb`)).body.Job.Name).toBe('a/b');
  });
});

describe('nodes', () => {
  it('lists sorted by id, or by what is free with the largest first', async () => {
    const ids = async (query: string) =>
      (await call(`${BASE}/nodes${query}`)).body.Nodes.map((node: { Info: { NodeID: string } }) =>
        node.Info.NodeID
      );
    expect(await ids('')).toEqual(['n-a', 'n-b']);
    expect(await ids('?order_by=available_cpu&reverse=true')).toEqual(['n-b', 'n-a']);
    expect(await ids('?order_by=available_cpu&limit=1')).toEqual(['n-a']);
    expect(await ids('?filter-approval=pending')).toEqual([]);
  });

  it('wraps a single node', async () => {
    expect((await call(`${BASE}/nodes/n-a`)).body.Node.Info.NodeID).toBe('n-a');
  });
});

describe('agent and redirects', () => {
  it('answers as every node does', async () => {
    expect((await call('/api/v1/agent/alive')).body).toEqual({ Status: 'OK' });
    expect((await call('/api/v1/agent/version')).body).toEqual(VERSION);
    expect((await call('/api/v1/agent/config')).body).toEqual({ config: { API: { Host: '0.0.0.0' } } });
    expect((await call('/api/v1/agent/authconfig')).body).toEqual({ Version: '1.0.0', Config: {} });
    expect((await call('/')).headers.get('location')).toBe('/api/v1/agent/version');
  });

  it('has no orchestrator routes on a compute node', async () => {
    const compute = await startApiServer({
      host: '127.0.0.1',
      port: 0,
      backends: { agent: fake.backends.agent },
      version: VERSION,
      nodeId: 'n-c',
    });
    try {
      expect((await fetch(`${compute.url}${BASE}/jobs`)).status).toBe(404);
      expect((await fetch(`${compute.url}/api/v1/agent/alive`)).status).toBe(200);
    } finally {
      await compute.close();
    }
  });

  it('says which address is taken', async () => {
    const again = startApiServer({
      host: '127.0.0.1',
      port: server.port,
      backends: fake.backends,
      version: VERSION,
      nodeId: 'x',
    });
    await expect(again).rejects.toThrow(`"127.0.0.1:${server.port}": address already in use`);
  });
});

describe('legacy token', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const post = (signature: Buffer) =>
    call('/api/v1/auth/clientkey', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        Credential: null,
        MethodData: Buffer.from(JSON.stringify({
          PhraseSignature: signature.toString('base64'),
          PublicKey: publicKey.export({ format: 'der', type: 'pkcs1' }).toString('base64'),
        })).toString('base64'),
      }),
    });

  it('is given to whoever signs the phrase with their own key', async () => {
    const { body: { Methods } } = await call('/api/v1/auth');
    expect(Methods.clientkey.type).toBe('challenge');
    const phrase = Buffer.from(Methods.clientkey.params.InputPhrase, 'base64');
    const { status, body } = await post(sign('sha256', phrase, privateKey));
    expect(status).toBe(200);
    expect(body.Authentication.success).toBe(true);
    const [header, claims] = body.Authentication.token.split('.').map((part: string) =>
      Buffer.from(part, 'base64url')
    );
    expect(JSON.parse(header)).toEqual({ alg: 'RS256', typ: 'JWT' });
    expect(JSON.parse(claims)).toMatchObject({
      iss: 'n-111',
      aud: ['n-111'],
      sub: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('is refused for another phrase, in a shape of its own', async () => {
    const { status, body } = await post(sign('sha256', Buffer.from('other'), privateKey));
    expect(status).toBe(401);
    expect(body).toEqual({ Authentication: { success: false, reason: expect.any(String) } });
  });
});

describe('logs', () => {
  function frames(path: string): Promise<{ texts: string[]; code: number }> {
    const socket = new WebSocket(server.url.replace('http', 'ws') + path);
    const texts: string[] = [];
    return new Promise((resolve, reject) => {
      socket.on('message', (data) => texts.push(String(data)));
      socket.on('close', (code) => resolve({ texts, code }));
      socket.on('error', reject);
    });
  }

  it('sends one text frame per chunk and closes with 1000', async () => {
    fake.jobs.jobs.push(makeJob(1));
    fake.jobs.log = async function* () {
      yield { Type: 1, Line: 'hello <world>\n' };
      yield { Type: 2, Line: 'oh' };
    };
    const { texts, code } = await frames(`${BASE}/jobs/job-1/logs?follow=true`);
    expect(texts).toEqual([
      '{"value":{"Type":1,"Line":"hello <world>\\n"}}\n',
      '{"value":{"Type":2,"Line":"oh"}}\n',
    ]);
    expect(code).toBe(1000);
  });

  it('tells errors in the stream', async () => {
    expect(await frames(`${BASE}/jobs/none/logs`)).toEqual({
      texts: ['{"error":"job not found: none","value":{"Type":0,"Line":""}}\n'],
      code: 1000,
    });
  });

  it('tells the backend when the client is gone', async () => {
    fake.jobs.jobs.push(makeJob(1));
    let release = () => {};
    const gone = new Promise<void>((resolve) => release = resolve);
    fake.jobs.log = async function* (signal) {
      yield { Type: 1, Line: 'x' };
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      release();
    };
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/jobs/job-1/logs?follow=true`);
    socket.on('message', () => socket.close());
    await gone;
  });

  it('answers another path with the ordinary error', async () => {
    await expect(frames(`${BASE}/jobs/job-1/nothing`)).rejects.toThrow('404');
  });
});
