/**
 * Keys of the API's answers, in the order in which the original was seen to write them beside ours for the same module
 * (a job that printed "hello"). Only keys that we add (compatibility.md, C) may stand besides.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiServer, startApiServer } from '../../mod/api/server/mod.ts';
import { makeExecution, makeFake, makeHistory, makeJob, makeNode, VERSION } from '../support/fake_backend.ts';

const OURS = ['Eligibility', 'Details'];

const JOB = 'ID Name Namespace Type Priority Count Constraints Meta Labels Tasks State Version Revision ' +
  'CreateTime ModifyTime';
const TASK = 'Name Engine Publisher InputSources ResultPaths Resources Network Timeouts';
const EXECUTION = 'ID Namespace EvalID Name NodeID JobID Job JobVersion AllocatedResources DesiredState ' +
  'ComputeState PublishedResult RunOutput PreviousExecution NextExecution FollowupEvalID Revision ' +
  'CreateTime ModifyTime';
const EXECUTION_EVENT = 'SeqNum Type JobID JobVersion ExecutionID Event Time';
const COMPUTE = 'ExecutionEngines Publishers StorageSources MaxCapacity QueueCapacity AvailableCapacity ' +
  'MaxJobRequirements RunningExecutions EnqueuedExecutions address';

let server: ApiServer;
const base = '/api/v1/orchestrator';

beforeAll(async () => {
  const fake = makeFake();
  const job = makeJob(1, {
    Tasks: [{
      Name: 'main',
      Engine: { Type: 'wasm', Params: { EntryModule: '/main.wasm' } },
      Publisher: { Type: 'local' },
      InputSources: [{ Source: { Type: 'inline', Params: { URL: 'data:,x' } }, Target: '/main.wasm' }],
      ResultPaths: [{ Name: 'outputs', Path: '/outputs' }],
      Resources: { CPU: '500m', Memory: '512mb' },
      Network: { Type: 'Default' },
      Timeouts: {},
    }],
  });
  const execution = makeExecution(job, { Job: job, ComputeState: { StateType: 9, Message: 'Running' } });
  fake.jobs.jobs.push(job);
  fake.jobs.executionsOf.set(job.ID, [execution]);
  fake.jobs.histories.set(job.ID, [
    makeHistory(job, 1, 'Submission', 'Job submitted'),
    makeHistory(job, 2, 'Execution', 'Running', execution.ID),
  ]);
  fake.nodes.push(makeNode('n-x', 1));
  server = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    backends: fake.backends,
    version: VERSION,
    nodeId: 'n-1',
  });
});
afterAll(() => server.close());

type Members = Record<string, unknown>;

// deno-lint-ignore no-explicit-any -- the shape is what is tested
async function get(path: string): Promise<any> {
  const response = await fetch(`${server.url}${path}`);
  expect(response.status).toBe(200);
  return await response.json();
}

const keys = (value: Members) => Object.keys(value).filter((key) => !OURS.includes(key)).join(' ');

it('a list of jobs', async () => {
  const page = await get(`${base}/jobs`);
  expect(keys(page)).toBe('NextToken Items');
  expect(keys(page.Items[0])).toBe(JOB);
  expect(keys(page.Items[0].Tasks[0])).toBe(TASK);
  expect(keys(page.Items[0].Tasks[0].InputSources[0])).toBe('Source Alias Target');
  expect(page.Items[0]).toMatchObject({ Constraints: [], Meta: {} });
});

it('a job with all that may be included', async () => {
  const answer = await get(`${base}/jobs/job-1?include=executions,history`);
  expect(keys(answer)).toBe('Job History Executions');
  expect(keys(answer.Job)).toBe(JOB);
  expect(keys(answer.History)).toBe('NextToken Items');
  expect(keys(answer.History.Items[0])).toBe(EXECUTION_EVENT.replace(' ExecutionID', ''));
  expect(keys(answer.History.Items[1])).toBe(EXECUTION_EVENT);
  expect(keys(answer.History.Items[1].Event)).toBe('Message Topic Timestamp');
  const [execution] = answer.Executions.Items;
  expect(keys(execution)).toBe(EXECUTION);
  expect(keys(execution.Job)).toBe(JOB);
  expect(keys(execution.RunOutput)).toBe(
    'Stdout StdoutTruncated stderr StderrTruncated ExitCode ErrorMsg',
  );
});

it('a list of nodes', async () => {
  const page = await get(`${base}/nodes`);
  expect(keys(page)).toBe('NextToken Nodes');
  const [node] = page.Nodes;
  expect(keys(node)).toBe('Info Membership Connection ConnectionState');
  expect(keys(node.Info)).toBe('NodeID NodeType Labels SupportedProtocols ComputeNodeInfo BacalhauVersion');
  expect(keys(node.Info.ComputeNodeInfo)).toBe(COMPUTE);
  expect(keys(node.Info.BacalhauVersion)).toBe('Major Minor GitVersion GitCommit BuildDate GOOS GOARCH');
  expect(keys(node.ConnectionState)).toBe('Status LastHeartbeat ConnectedSince DisconnectedSince');
});

it('what has no route, or no such method, is one and the same 404', async () => {
  for (const [method, path] of [['GET', '/api/v1/nope'], ['POST', '/api/v1/agent/alive']] as const) {
    const response = await fetch(`${server.url}${path}`, { method });
    expect(response.status).toBe(404);
    const body = await response.json() as Members;
    expect(keys(body)).toBe('Status Message RequestID Code Component Hint');
    expect(body).toMatchObject({ Code: 'NotFound', Component: 'APIServer' });
    expect(Object.keys(body.Details as Members)).toEqual(['cli_usage']);
  }
});

it("a paging token of the original, which leaves the order's name out, is read", async () => {
  const token = btoa(':N:1:1').replaceAll('=', '');
  expect((await get(`${base}/jobs?next_token=${token}`)).Items).toEqual([]);
});
