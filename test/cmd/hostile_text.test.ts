/** What jobs and nodes are called and say never controls the terminal of who lists them (compatibility.md B). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderError } from '../../cmd/output/error.ts';
import { type ApiServer, startApiServer } from '../../mod/api/server/mod.ts';
import { BacalhauError } from '../../mod/model/mod.ts';
import { isPrintable } from '../../runtime/printable.ts';
import { readYaml } from '../../runtime/yaml.ts';
import { makeExecution, makeFake, makeHistory, makeJob, VERSION } from '../support/fake_backend.ts';
import { invoke } from '../support/invoke.ts';

const EVIL = 'x\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202e\x7f';
const fake = makeFake();
const job = makeJob(1, {
  Name: EVIL,
  Labels: { env: EVIL },
  State: { StateType: 'Failed', Message: EVIL },
  Tasks: [{ Name: EVIL, Engine: { Type: EVIL } }],
});
let server: ApiServer;

beforeAll(async () => {
  fake.jobs.jobs.push(job);
  const entry = makeHistory(job, 1, EVIL, EVIL, 'e-1');
  const Details = { IsError: 'true', Hint: EVIL, [EVIL]: EVIL };
  fake.jobs.histories.set(job.ID, [{ ...entry, Event: { ...entry.Event, Details } }]);
  fake.jobs.executionsOf.set(job.ID, [
    makeExecution(job, {
      NodeID: EVIL,
      ComputeState: { StateType: 10, Message: EVIL },
      RunOutput: { Stdout: EVIL, stderr: EVIL, ErrorMsg: EVIL },
    }),
  ]);
  fake.jobs.resultsOf = [{ Type: EVIL, Params: { [EVIL]: EVIL } }];
  fake.jobs.log = async function* () {
    yield await Promise.resolve({ Type: 1 as const, Line: EVIL });
  };
  fake.nodes[0] = {
    ...fake.nodes[0]!,
    Info: { ...fake.nodes[0]!.Info, Labels: { zone: EVIL }, NodeID: 'n-b' },
    ConnectionState: { ...fake.nodes[0]!.ConnectionState, LastError: EVIL },
  };
  server = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    backends: fake.backends,
    version: VERSION,
    nodeId: 'n-1',
  });
});
afterAll(() => server.close());

async function run(name: string, ...words: readonly string[]) {
  const { command } = await import(new URL(`../../cmd/${name.replace(' ', '/')}.ts`, import.meta.url).href);
  const where = ['--api-host', '127.0.0.1', '--api-port', String(server.port)];
  return await invoke(command, name, [...words, ...where]);
}

describe('names and messages with escape sequences', () => {
  it.each<[string, ...string[]]>([
    ['job list', '--labels', ''],
    ['job list', '--labels', '', '--wide'],
    ['job list', '--labels', '', '--output', 'csv'],
    ['job list', '--labels', '', '--output', 'json', '--pretty'],
    ['job list', '--labels', '', '--output', 'yaml'],
    ['job describe', job.ID],
    ['job describe', job.ID, '--output', 'yaml'],
    ['job history', job.ID],
    ['job executions', job.ID],
    ['job executions', job.ID, '--output', 'json'],
    ['job versions', job.ID, '--output', 'json'],
    ['job get', job.ID],
    ['node list', '--show', 'labels'],
    ['node list', '--output', 'csv'],
    ['node describe', 'n-b'],
  ])('%s %s', async (name, ...words) => {
    const { stdout, stderr } = await run(name, ...words);
    expect(isPrintable(stdout + stderr)).toBe(true);
    expect(stdout.length).toBeGreaterThan(20);
  });

  it('JSON and YAML have the same values as before', async () => {
    const json = await run('job list', '--labels', '', '--output', 'json');
    expect(JSON.parse(json.stdout)[0].Name).toBe(EVIL);
    const yaml = await run('job list', '--labels', '', '--output', 'yaml');
    expect((await readYaml(yaml.stdout)).value).toMatchObject([{ Name: EVIL }]);
  });

  it('errors are shown escaped, with colours of our own only', () => {
    const error = new BacalhauError('X', EVIL, { hint: EVIL, details: { [EVIL]: EVIL } });
    expect(isPrintable(renderError(error, { DEBUG: 'true' }, false))).toBe(true);
    const coloured = renderError(error, {}, true);
    // deno-lint-ignore no-control-regex
    expect(isPrintable(coloured.replaceAll(/\x1b\[(0|1;3[123])m/g, ''))).toBe(true);
  });

  it('the output of the program that somebody asked for stays as it is', async () => {
    expect((await run('job logs', job.ID)).stdout).toBe(EVIL);
  });
});
