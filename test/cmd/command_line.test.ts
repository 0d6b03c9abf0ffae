/** The command line as a process of its own, against the real API over jobs in memory. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ApiServer, startApiServer } from '../../mod/api/server/mod.ts';
import { ComputeState } from '../../mod/model/mod.ts';
import { packFolder } from '../../runtime/archive.ts';
import {
  type Fake,
  makeExecution,
  makeFake,
  makeHistory,
  makeJob,
  VERSION,
} from '../support/fake_backend.ts';

const MAIN = resolve(import.meta.dirname!, '..', '..', 'main.ts');
const VALID = 'Type: batch\nTasks:\n  - Name: main\n    Engine: {Type: noop}\n';
let fake: Fake;
let server: ApiServer;
let folder: string;

beforeAll(async () => {
  fake = makeFake();
  const jobs = new Proxy(fake.jobs, {
    get: (_target, key) => {
      const member = Reflect.get(fake.jobs, key);
      return typeof member === 'function' ? member.bind(fake.jobs) : member;
    },
  });
  const backends = { ...fake.backends, jobs };
  server = await startApiServer({ host: '127.0.0.1', port: 0, backends, version: VERSION, nodeId: 'n-1' });
  folder = await mkdtemp(join(tmpdir(), 'bacalhau-cmd-'));
  await writeFile(join(folder, 'job.yaml'), VALID);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  fake = makeFake();
});

function start(args: readonly string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, ['run', '-A', '--quiet', MAIN, ...args], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      BACALHAU_DIR: join(folder, 'data'),
      BACALHAU_API_HOST: '127.0.0.1',
      BACALHAU_API_PORT: String(server.port),
      ...env,
    },
  });
}

function run(args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) {
  const child = start(args, options.env);
  child.stdin.end(options.input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout += text);
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr += text);
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) =>
    child.on('close', (code) => done({ code, stdout, stderr }))
  );
}

/** The next submitted job ends so, as soon as somebody looks at its history. */
function endSubmitted(state: 'Completed' | 'Failed', message = '', exitCode = 0): void {
  fake.jobs.onHistory = () => {
    const job = fake.jobs.jobs[0];
    if (!job || job.State.StateType === state) return;
    fake.jobs.replace(job.ID, { State: { StateType: state, Message: message } });
    const entries = fake.jobs.histories.get(job.ID)!;
    entries.push(
      makeHistory(
        job,
        2,
        'Execution',
        state === 'Failed' ? message : 'Running',
        'e-5d20c7aa-1111-4111-8111-111111111111',
      ),
    );
    fake.jobs.executionsOf.set(job.ID, [makeExecution(job, { RunOutput: { ExitCode: exitCode } })]);
  };
}

/** The port, once it listens. */
function listen(web: Server): Promise<number> {
  return new Promise((ready) => web.listen(0, '127.0.0.1', () => ready((web.address() as AddressInfo).port)));
}

describe('a configuration that relies on a protection which does not exist', () => {
  const args = ['-c', 'API.TLS.SelfSigned=true'];
  it.each(['serve', 'devstack'])('keeps %s from starting, before it touches anything', async (name) => {
    const data = join(folder, `refused-${name}`);
    const { code, stderr } = await run([name, ...args, '--data-dir', data]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /API\.TLS\.SelfSigned \(-c\) has no effect yet[^]*Cannot start a node: .* API\.TLS\.SelfSigned needs TLS/,
    );
    await expect(readdir(data)).rejects.toThrow();
  });
  it('does not keep a client from its work', async () => {
    expect((await run(['job', 'list', ...args])).code).toBe(0);
  });
});

describe('wrong command lines', () => {
  it.each([
    [['jbo', 'list'], 'unknown command "jbo" for "bacalhau"', 'Did you mean "bacalhau job"?'],
    [['job', 'stpo'], 'unknown command "stpo" for "bacalhau job"', '"bacalhau job stop"'],
    [['job', 'list', '--nonsense'], 'unknown flag: --nonsense', '--help'],
    [['job', 'list', '--limit', 'many'], "argument 'many' is invalid", '--help'],
    [['job', 'list', '--output', 'xml'], 'table, csv, json, yaml', '--help'],
    [['job', 'list', '--api-port'], 'flag needs an argument: --api-port', '--help'],
    [['job', 'describe'], 'it needs the argument <job>', '--help'],
    [['job', 'list', '-c', 'Nonsense=1'], '"Nonsense" is not a valid config key', 'config list'],
    [['job', 'run', 'none.yaml'], 'Cannot read job file "none.yaml": no such file', 'standard input'],
    [['wasm', 'run', 'job.yaml'], 'it is not WebAssembly', '.wasm'],
  ])('%j: %s', async (args, message, hint) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toContain(message);
    expect(stderr.split('Hint:')[1]).toContain(hint);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('help of a group and of a command goes to standard output and is no failure', async () => {
    const group = await run(['job']);
    expect([group.code, group.stderr]).toEqual([0, '']);
    expect(group.stdout).toContain('Download the results of a job');
    const command = await run(['help', 'job', 'list']);
    expect([command.code, command.stderr]).toEqual([0, '']);
    expect(command.stdout).toMatch(/Global Flags:[\s\S]*--api-host[\s\S]*BACALHAU_API_KEY/);
  });

  it('an unreachable server is named with a hint', async () => {
    const free = createServer();
    const port = await listen(free);
    await new Promise((closed) => free.close(closed));
    const { code, stderr } = await run(['job', 'list', '--api-port', String(port)]);
    expect(stderr).toContain(`Cannot reach the server at "http://127.0.0.1:${port}": connection refused`);
    expect(stderr).toContain('--api-host');
    expect(code).toBe(1);
  });
});

describe('job list', () => {
  beforeEach(() => {
    fake.jobs.jobs.push(makeJob(1, { Name: 'a "quoted", name' }), makeJob(2));
  });

  it('prints a table with short ids', async () => {
    const { code, stdout, stderr } = await run(['job', 'list', '--limit', '1']);
    expect(stdout).toBe(
      ' CREATED   ID          NAME              JOB   TYPE   STATE     \n' +
        ' 23:58:35  j-00000001  a "quoted", name  wasm  batch  Completed \n' +
        '\nTo fetch the next page run:\n\tbacalhau job list --limit 1 --next-token Y3JlYXRlZF9hdDpOOjE6MQ\n',
    );
    expect([code, stderr]).toEqual([0, '']);
  });

  it('prints json, yaml and csv and nothing else', async () => {
    const json = await run(['job', 'list', '--output', 'json', '--limit=1']);
    expect(json.stdout).toMatch(/"CreateTime":1795219115974285211[^0-9][^\n]*\n$/);
    expect(JSON.parse(json.stdout)).toMatchObject([{ Name: 'a "quoted", name' }]);
    const yaml = await run(['job', 'list', '--output', 'yaml']);
    expect(yaml.stdout).toMatch(/^- Constraints: \[\]\n {2}Count: 1\n {2}CreateTime: 1795219115974285211\n/);
    const csv = await run(['job', 'list', '--output', 'csv', '--hide-header']);
    expect(csv.stdout.split('\n')[0]).toBe(
      `2026-11-20 23:58:35,${makeJob(1).ID},"a ""quoted"", name",wasm,batch,Completed`,
    );
  });

  it('takes flags in all forms of pflag', async () => {
    const { stdout } = await run([
      '--wide=true',
      'job',
      'list',
      '--hide-header=1',
      '--no-style',
      '-c=Logging.Level=info',
    ]);
    expect(stdout).toContain(makeJob(2).ID);
    expect(stdout).not.toContain('CREATED');
  });
});

describe('describing', () => {
  it('shows a job for people', async () => {
    const job = makeJob(1);
    fake.jobs.jobs.push(job);
    fake.jobs.histories.set(job.ID, [makeHistory(job, 1, 'Submission', 'Job submitted')]);
    fake.jobs.executionsOf.set(job.ID, [makeExecution(job)]);
    const { stdout, code } = await run(['job', 'describe', job.ID]);
    expect(stdout).toContain('Created Time  = 2026-11-20 23:58:35\n');
    expect(stdout).toContain('Summary\nCompleted = 1\n');
    expect(stdout).toContain(' 2026-11-20 23:58:35  Submission  Job submitted ');
    expect(stdout).toContain('Standard Output\nhello\n');
    expect(code).toBe(0);
  });

  it('prints objects as yaml or json', async () => {
    expect((await run(['agent', 'alive'])).stdout).toBe('Status: OK\n');
    expect((await run(['agent', 'version'])).stdout).toContain('BuildDate 2026-11-20 10:20:30 +0000 UTC\n');
    expect(JSON.parse((await run(['node', 'describe', 'n-b', '--output', 'json'])).stdout).Info.NodeID).toBe(
      'n-b',
    );
    expect((await run(['node', 'describe', 'n-b', '--output', 'table'])).stderr).toContain(
      'invalid format "table"',
    );
  });

  it('lists nodes with what is free', async () => {
    const { stdout } = await run(['node', 'list', '--wide']);
    expect(stdout).toContain('3.0 / 4.0');
    expect(stdout).toContain('4.0 GB / 8.0 GB');
    const csv = (await run(['node', 'list', '--output', 'csv', '--hide-header'])).stdout;
    expect(csv.split('\n')[0]).toMatch(/^n-\w,Compute,APPROVED,CONNECTED,.*,4\.0 GB \/ 8\.0 GB,/);
  });

  it('breaks a topic between its words, and takes every flag of the original', async () => {
    const job = makeJob(1);
    fake.jobs.jobs.push(job);
    const execution = makeExecution(job);
    fake.jobs.executionsOf.set(job.ID, [execution]);
    fake.jobs.histories.set(job.ID, [
      makeHistory(job, 1, 'Running Execution', 'no such function', execution.ID),
    ]);
    for (const command of [['job', 'history', job.ID, '--order-by', 'id'], ['job', 'describe', job.ID]]) {
      const { stdout } = await run(command);
      expect(stdout).toMatch(/ Running +no such function *\n +Execution *\n/);
    }
  });

  it('writes lists of YAML with their dashes under the key, as scripts that compare texts expect', async () => {
    fake.jobs.jobs.push(makeJob(1));
    const { stdout } = await run(['job', 'list', '--output', 'yaml']);
    expect(stdout).toMatch(/^- [\s\S]*\n {2}Tasks:\n {2}- Engine:\n/);
  });

  it('lists both versions where the server answers', async () => {
    expect((await run(['version'])).stdout).toMatch(/CLIENT\s+SERVER[\s\S]*v1\.10\.0\s+v1\.10\.0/);
    expect(await run(['version'], { env: { BACALHAU_API_PORT: '9' } })).toMatchObject({
      code: 0,
      stderr: '',
    });
  });
});

describe('running a job', () => {
  it('watches it to its end', async () => {
    endSubmitted('Completed');
    const { code, stdout, stderr } = await run(['job', 'run', 'job.yaml']);
    expect(stdout).toMatch(/Job ID: (j-[a-f0-9-]{36})\n/);
    expect(stdout).toContain(' TIME          EXEC. ID    TOPIC            EVENT');
    expect(stdout).toContain('e-5d20c7aa  Execution        Running');
    expect(stdout).toContain(`\tbacalhau job describe ${fake.jobs.jobs[0]!.ID}\n`);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('\x1b');
  });

  it('says why the job waits, not every event of the job', async () => {
    endSubmitted('Completed');
    const { onHistory } = fake.jobs;
    fake.jobs.onHistory = (ref) => {
      onHistory(ref);
      const [job] = fake.jobs.jobs;
      const history = job && fake.jobs.histories.get(job.ID);
      if (!history || history.length > 3) return;
      history.push(makeHistory(job, 8, 'Queueing', 'Job queued. no node is free'));
      history.push(makeHistory(job, 9, 'State Update', 'Job moved'));
    };
    const { stdout } = await run(['job', 'run', 'job.yaml']);
    expect(stdout).toContain('Queueing         Job queued. no node is free');
    expect(stdout).not.toContain('Job moved');
  });

  it('ends with 1 and the reason when it failed, with 0 as the original on request', async () => {
    endSubmitted('Failed', 'the disk is full');
    const ours = await run(['job', 'run', 'job.yaml', '--id-only']);
    expect(ours.stdout).toBe(`${fake.jobs.jobs[0]!.ID}\n`);
    expect(ours.stderr).toContain('Error: job failed: the disk is full');
    expect(ours.code).toBe(1);
    fake = makeFake();
    endSubmitted('Failed');
    expect((await run(['job', 'run', 'job.yaml'], { env: { BACALHAU_COMPATIBILITY: '1.9' } })).code).toBe(0);
  });

  it("ends with the program's own code on request", async () => {
    endSubmitted('Failed', 'exit code 7', 7);
    expect((await run(['job', 'run', 'job.yaml', '--propagate-exit-code'])).code).toBe(7);
  });

  it('prints the id only and leaves when told not to wait; reads standard input', async () => {
    const { code, stdout } = await run(['job', 'run', '-', '--wait=false'], { input: VALID });
    expect([code, stdout]).toEqual([0, `${fake.jobs.jobs[0]!.ID}\n`]);
  });

  it('fills in templates', async () => {
    await writeFile(join(folder, 'template.yaml'), VALID.replace('main', '{{.name}}'));
    await run(['job', 'run', 'template.yaml', '--template-vars', 'name=filled,other=1', '--wait=false']);
    expect(fake.jobs.submitted[0]!.job).toMatchObject({ Tasks: [{ Name: 'filled' }] });
  });

  it('stops watching after its time and says so', async () => {
    const { code, stderr } = await run(['job', 'run', 'job.yaml', '--wait-timeout-secs', '0']);
    expect(stderr).toContain('Warning: the job is not ended after 0 s');
    expect(code).toBe(0);
  });

  it('leaves the job running on Ctrl-C', async () => {
    const child = start(['job', 'run', 'job.yaml']);
    fake.jobs.onHistory = () => {
      fake.jobs.onHistory = () => {};
      // Deno's child.kill reports the signal as the end, however the child took it.
      process.kill(child.pid!, 'SIGINT');
    };
    const code = await new Promise((done) => child.on('close', done));
    expect(code).toBe(0);
    expect(fake.jobs.stopped).toEqual([]);
  });

  it('follows its output', async () => {
    fake.jobs.log = async function* () {
      yield { Type: 1, Line: 'one\n' };
      yield { Type: 2, Line: 'two\n' };
      const job = fake.jobs.jobs[0]!;
      fake.jobs.replace(job.ID, { State: { StateType: 'Completed' } });
    };
    const submit = fake.jobs.submit.bind(fake.jobs);
    fake.jobs.submit = async (request) => {
      const answer = await submit(request);
      fake.jobs.replace(answer.JobID, { State: { StateType: 'Running' } });
      return answer;
    };
    const { code, stdout } = await run(['job', 'run', 'job.yaml', '--follow']);
    expect(stdout).toMatch(/\none\ntwo\n$/);
    expect(code).toBe(0);
  });

  it.each([
    [ComputeState.Failed, 'no such file\n'],
    [ComputeState.AskForBidRejected, ''],
  ])('follows what is there of a job that has failed before it is looked at: %s', async (state, text) => {
    fake.jobs.log = async function* () {
      yield { Type: 2, Line: 'no such file\n' };
    };
    const submit = fake.jobs.submit.bind(fake.jobs);
    fake.jobs.submit = async (request) => {
      const answer = await submit(request);
      fake.jobs.replace(answer.JobID, { State: { StateType: 'Failed', Message: 'exit code 1' } });
      const execution = makeExecution(fake.jobs.jobs[0]!, { ComputeState: { StateType: state } });
      fake.jobs.executionsOf.set(answer.JobID, [execution]);
      return answer;
    };
    const { code, stdout, stderr } = await run(['job', 'run', 'job.yaml', '--follow']);
    expect(stdout.split('\n\n').at(-1)).toBe(text);
    expect([code, stderr]).toEqual([1, expect.stringContaining('exit code 1')]);
  });

  it('builds a job around a module', async () => {
    await writeFile(join(folder, 'm.wasm'), new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
    const flags = [
      '-e',
      'A=x,y',
      '-l',
      'k=v,bare',
      '--timeout',
      '2',
      '-p',
      'local',
      '-o',
      'out:/out',
      '--wait=false',
    ];
    const { code } = await run(['wasm', 'run', ...flags, 'm.wasm', 'first', '--', '--flag']);
    expect(code).toBe(0);
    expect(fake.jobs.submitted[0]!.job).toMatchObject({
      Type: 'batch',
      Labels: { bare: '', k: 'v' },
      Tasks: [{
        Engine: {
          Type: 'wasm',
          Params: { EntryModule: 'main.wasm', Entrypoint: '_start', Parameters: ['first', '--flag'] },
        },
        Env: { A: 'x,y' },
        InputSources: [{
          Source: { Type: 'inline', Params: { URL: 'data:application/wasm;base64,AGFzbQEAAAA=' } },
          Target: 'main.wasm',
        }],
        Publisher: { Type: 'local' },
        ResultPaths: [{ Name: 'out', Path: '/out' }],
        Timeouts: { TotalTimeout: 2 },
      }],
    });
  });

  it('prints a dry run that can be submitted again', async () => {
    const { stdout } = await run(['wasm', 'run', '--dry-run', 'm.wasm', '--name', 'demo']);
    expect(stdout).toContain('Name: demo\n');
    const { code } = await run(['job', 'validate', '-'], { input: stdout });
    expect(code).toBe(0);
    expect(fake.jobs.submitted).toEqual([]);
  });
});

describe('logs, stop, get', () => {
  it('prints all of a long log into a slow pipe', async () => {
    fake.jobs.jobs.push(makeJob(1));
    const chunk = 'x'.repeat(99_999) + '\n';
    fake.jobs.log = async function* () {
      for (let i = 0; i < 50; i++) yield { Type: 1, Line: chunk };
    };
    const { stdout, code } = await run(['job', 'logs', 'job-1']);
    expect([stdout.length, code]).toEqual([5_000_000, 0]);
  });

  it.each([
    [['--tail', 'job-1'], { tail: true }],
    [['-t', '100', 'job-1'], { tail: false, tailLines: 100 }],
    [['job-1', '--tail=7'], { tail: false, tailLines: 7 }],
    [['job-1', '--tail=false'], { tail: false }],
  ])('asks for the end of a log: %j', async (words, query) => {
    fake.jobs.jobs.push(makeJob(1));
    expect((await run(['job', 'logs', ...words])).code).toBe(0);
    expect(fake.jobs.logQueries).toMatchObject([query]);
    expect('tailLines' in fake.jobs.logQueries[0]!).toBe('tailLines' in query);
  });

  it('reports errors of the stream', async () => {
    const { code, stderr } = await run(['job', 'logs', 'none']);
    expect(stderr).toContain('job not found: none');
    expect(code).toBe(1);
  });

  it('stops a running job once', async () => {
    fake.jobs.jobs.push(makeJob(1, { State: { StateType: 'Running' } }));
    const first = await run(['job', 'stop', 'job-1']);
    expect(first.stdout).toContain('ev-stop');
    expect(first.code).toBe(0);
    const second = await run(['job', 'stop', 'job-1', '--quiet']);
    expect(second.stderr).toContain('already in a terminal state: Stopped');
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(fake.jobs.stopped).toHaveLength(1);
  });

  it('fetches and merges results; a second time it touches nothing', async () => {
    const names = ['a', 'b'];
    for (const name of names) {
      const source = join(folder, `result-${name}`);
      await mkdir(join(source, 'outputs'), { recursive: true });
      await writeFile(join(source, 'stdout'), `${name}\n`);
      await writeFile(join(source, 'outputs', `${name}.txt`), name);
      await mkdir(join(source, 'empty'));
      await packFolder(source, createWriteStream(join(folder, `${name}.tar.gz`)));
    }
    const web = createServer((request, response) => {
      readFile(join(folder, request.url!)).then(
        (data) => response.end(data),
        () => response.writeHead(404).end('gone'),
      );
    });
    const port = await listen(web);
    try {
      const url = (name: string) => ({
        Type: 'urlDownload',
        Params: { URL: `http://127.0.0.1:${port}/${name}.tar.gz` },
      });
      fake.jobs.jobs.push(makeJob(1));
      fake.jobs.resultsOf = names.map(url);
      const target = join(folder, 'new', 'target');
      const first = await run(['job', 'get', 'job-1', '--output-dir', target]);
      expect(first.code).toBe(0);
      expect(first.stdout).toContain(target);
      expect((await readdir(target)).sort()).toEqual(['empty', 'outputs', 'stdout']);
      expect(await readFile(join(target, 'stdout'), 'utf8')).toBe('a\nb\n');
      expect((await readdir(join(target, 'outputs'))).sort()).toEqual(['a.txt', 'b.txt']);
      const second = await run(['job', 'get', 'job-1', '--output-dir', target]);
      expect(second.code).toBe(1);
      expect(second.stderr).toContain('it exists already');
      expect(await readFile(join(target, 'stdout'), 'utf8')).toBe('a\nb\n');
      fake.jobs.resultsOf = [url('none')];
      const gone = await run(['job', 'get', 'job-1']);
      expect(gone.stderr).toContain('none.tar.gz": HTTP status 404, gone');
      expect(gone.code).toBe(1);
    } finally {
      web.close();
    }
  });

  it('says where to look when there are no results', async () => {
    fake.jobs.jobs.push(makeJob(1));
    const { code, stdout } = await run(['job', 'get', 'job-1']);
    expect(stdout).toContain('\tbacalhau job logs job-1\n');
    expect(code).toBe(0);
  });
});
