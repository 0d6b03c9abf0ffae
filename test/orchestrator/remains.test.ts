/** Output and results of executions that failed or were stopped are kept, shown, and handed out. */
import { expect, it } from 'vitest';
import type { OutMessage, Remains } from '../../mod/transport/mod.ts';
import { Cluster, type FakeNode, spec } from './rig.ts';
import { until } from '../support/until.ts';

const OUTPUT = {
  Stdout: 'hello\n',
  StdoutTruncated: false,
  stderr: '',
  StderrTruncated: false,
  ExitCode: 137,
  ErrorMsg: 'why',
};
const result = (name: string) => ({ Type: 'urlDownload', Params: { URL: `http://x/${name}` } });
const remains = (name: string): Remains => ({ RunCommandResult: OUTPUT, PublishResult: result(name) });
const ANY = { namespace: '', orderBy: 'created_at', reverse: false, limit: 0, allVersions: false } as const;

async function running(cluster: Cluster, node: FakeNode, more: Record<string, unknown> = {}) {
  const id = await cluster.submit(spec(more));
  const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
  node.bid(execution!, true);
  await until(() => node.running().length === 1, 'runs');
  return { id, execution: execution! };
}

function fail(node: FakeNode, id: string, left: Remains): void {
  const Details = { IsError: 'true', class: 'timeout', ErrorCode: 'Executor:ExecutionTimeout' };
  const Events = [{
    Message: 'Execution timed out after 1s',
    Topic: 'Running Execution',
    Timestamp: '2026-11-21T00:00:00Z',
    Details,
  }];
  node.held.get(id)!.phase = 'failed';
  node.outbox.add({ type: 'ComputeError', payload: { ...node.about(id), Events, ...left } });
}

it('of one that failed', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1', { automatic: false });
  const { id, execution } = await running(cluster, node);
  expect((await cluster.executions(id))[0]!.desired).toEqual({ StateType: 1, Message: 'Running' });
  fail(node, execution, remains('failed'));
  await cluster.ended(id, 'Failed');
  const [shown] = await cluster.orchestrator.jobs.executions(id, ANY);
  expect(shown).toMatchObject({
    RunOutput: OUTPUT,
    PublishedResult: result('failed'),
    DesiredState: { StateType: 2, Message: 'execution failed' },
  });
  // What only the event is about is not repeated.
  expect(shown!.ComputeState.Details).toEqual({
    ErrorCode: 'Executor:ExecutionTimeout',
    Phase: 'failed',
    Class: 'timeout',
  });
  expect(await cluster.orchestrator.jobs.results(id, { namespace: '' })).toEqual([result('failed')]);
});

it('of one that was stopped, also when an inventory said first that it has ended', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1', { automatic: false });
  const { id, execution } = await running(cluster, node);
  await node.down();
  await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' });
  const [stopping] = await cluster.orchestrator.jobs.executions(id, ANY);
  expect(stopping!.DesiredState).toEqual({ StateType: 2, Message: 'Execution stopped: job stopped' });
  node.held.get(execution)!.phase = 'failed';
  await node.up();
  await until(async () => (await cluster.executions(id))[0]!.phase === 'stopped', 'stopped');
  expect((await cluster.executions(id))[0]!.runOutput).toBe(null);
  const report: OutMessage = {
    type: 'ExecutionStatus',
    payload: { ...node.about(execution), Phase: 'stopped', Revision: 99n, ...remains('stopped') },
  };
  node.outbox.add(report);
  await until(async () => (await cluster.executions(id))[0]!.runOutput?.ExitCode === 137, 'kept');
  expect(await cluster.orchestrator.jobs.results(id, { namespace: '' })).toEqual([result('stopped')]);
  const { rev } = (await cluster.executions(id))[0]!;
  // A repetition changes nothing (S7); what follows it tells that it was taken.
  node.outbox.add(report);
  node.automatic = true;
  await cluster.ended(await cluster.submit(spec({ Name: 'next' })), 'Completed');
  expect((await cluster.executions(id))[0]!.rev).toBe(rev);
});

it('a failure without anything left shows nothing', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1', { automatic: false });
  const { id, execution } = await running(cluster, node);
  fail(node, execution, {});
  await cluster.ended(id, 'Failed');
  expect((await cluster.executions(id))[0]).toMatchObject({ runOutput: null, published: null });
  expect(await cluster.orchestrator.jobs.results(id, { namespace: '' })).toEqual([]);
});

it.each<[string, number]>([['completed', 0], ['failed by its exit code', 3]])(
  'what happened before the report of one that %s stands before its end in the history',
  async (_, ExitCode) => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const { id, execution } = await running(cluster, node);
    const event = (Message: string, Timestamp: string) => ({
      Message,
      Topic: 'Preparing Environment',
      Timestamp,
    });
    node.held.get(execution)!.phase = 'completed';
    const Events = [
      event('the end', '2026-11-21T00:00:05Z'),
      event('pulled', '2026-11-21T00:00:04.12Z'),
      event('pulling', '2026-11-21T00:00:04.1Z'),
      event('when?', '2026-06-31T25:00:00Z'),
    ];
    const RunCommandResult = { ...OUTPUT, ExitCode, ErrorMsg: '' };
    const payload = { ...node.about(execution), Events, PublishResult: { Type: '' }, RunCommandResult };
    node.outbox.add({ type: 'RunResult', payload });
    await cluster.ended(id, ExitCode === 0 ? 'Completed' : 'Failed');
    const history = await cluster.history(id);
    const from = history.indexOf('Preparing Environment: when?');
    expect(history.slice(from, from + 4)).toEqual([
      'Preparing Environment: when?',
      'Preparing Environment: pulling',
      'Preparing Environment: pulled',
      ExitCode === 0 ? 'Preparing Environment: the end' : 'Running Execution: Program ended with exit code 3',
    ]);
  },
);
