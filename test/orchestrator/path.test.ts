import { describe, expect, it } from 'vitest';
import { Cluster, spec } from './rig.ts';
import { until } from '../support/until.ts';

describe('a job', () => {
  it('is placed, approved, run and completed, with the history of the original', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1');
    const id = await cluster.submit(spec({ Name: 'one' }));
    await cluster.ended(id, 'Completed');
    const [execution] = await cluster.orchestrator.jobs.executions('one', {
      namespace: '',
      allVersions: false,
      orderBy: 'created_at',
      reverse: false,
      limit: 0,
    });
    expect(execution).toMatchObject({
      NodeID: 'n-1',
      JobID: id,
      ComputeState: { StateType: 9, Message: 'Completed successfully', Details: { Phase: 'completed' } },
      DesiredState: { StateType: 2 },
      RunOutput: { Stdout: 'out', ExitCode: 0 },
      PublishedResult: { Type: 'local' },
    });
    expect(execution!.Job!.Name).toBe('one');
    expect(await cluster.history(id)).toEqual([
      'Submission: Job submitted',
      'Scheduling: Requested execution on n-1',
      'Execution: Running',
      'State Update: Running',
      'Execution: Completed successfully',
      'State Update: Completed',
    ]);
    expect(await cluster.orchestrator.jobs.results(id, { namespace: '' })).toEqual([
      { Type: 'local', Params: { file: execution!.ID } },
    ]);
    expect(node.inbox[0]).toMatchObject({
      type: 'AskForBid',
      payload: {
        Execution: {
          Revision: 1n,
          ComputeState: { StateType: 1 },
          DesiredState: { StateType: 0 },
          Job: {
            ID: id,
            Meta: { 'bacalhau.org/execution.attempt': '1', 'bacalhau.org/orchestrator.id': 'o-1' },
          },
        },
      },
    });
    await until(() => node.held.size === 0, 'the result is confirmed');
    expect(cluster.errors).toEqual([]);
  });

  it('of many parts uses nodes in turns, never beyond their capacity, and each part counts once', async () => {
    await using cluster = await Cluster.start();
    await cluster.node('n-1', { cpu: 2 });
    await cluster.node('n-2', { cpu: 1 });
    const id = await cluster.submit(spec({ Count: 25 }));
    await cluster.ended(id, 'Completed');
    const rows = await cluster.executions(id);
    expect(rows.filter(({ counted }) => counted).map(({ partition }) => partition).sort((a, b) => a - b))
      .toEqual(
        Array.from({ length: 25 }, (_, i) => i),
      );
    expect(rows).toHaveLength(25);
    for (const node of ['n-1', 'n-2']) {
      const usage = await cluster.store.read((reader) => reader.nodes.usage(node));
      expect(usage).toMatchObject({ executions: 0, promised: {} });
    }
  });

  it('whose program ends with another code than 0 fails, and says so', async () => {
    await using cluster = await Cluster.start();
    await cluster.node('n-1', { exitCode: 3 });
    const id = await cluster.submit(spec());
    await cluster.ended(id, 'Failed');
    const job = await cluster.orchestrator.jobs.getJob(id, { namespace: '' });
    expect(job.State.Message).toBe('Program ended with exit code 3');
    const rows = await cluster.executions(id);
    expect(rows).toMatchObject([{ phase: 'failed', class: 'user', runOutput: { ExitCode: 3 } }]);
    expect((await cluster.history(id)).slice(-2)).toEqual([
      'Running Execution: Program ended with exit code 3',
      'Scheduling: Program ended with exit code 3',
    ]);
  });

  it('goes elsewhere after an infrastructure failure, and ends with its cause after three', async () => {
    await using cluster = await Cluster.start({ scheduler: { retryBackoff: 20_000_000n } });
    const nodes = [
      await cluster.node('n-1', { automatic: false }),
      await cluster.node('n-2', { automatic: false }),
    ];
    const id = await cluster.submit(spec());
    for (let attempt = 1; attempt <= 3; attempt++) {
      const node = await until(() => nodes.find((each) => each.asked().length > 0), 'asked');
      const [execution] = node.asked();
      node.bid(execution!, true);
      await until(() => node.running().includes(execution!), 'runs');
      node.fail(execution!, 'disk is gone', { class: 'infrastructure' });
      await until(() => !node.held.has(execution!), 'confirmed');
    }
    await cluster.ended(id, 'Failed');
    const rows = await cluster.executions(id);
    expect(rows.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(rows[0]!.nodeId).not.toBe(rows[1]!.nodeId);
    expect(rows[0]!.next).toBe(rows[1]!.id);
    const job = await cluster.orchestrator.jobs.getJob(id, { namespace: '' });
    expect(job.State.Message).toContain('disk is gone');
  });

  it('that no node accepts fails with the reason', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, false, 'rejected bid: this node does not allow /etc', { Hint: 'allow it' });
    await cluster.ended(id, 'Failed');
    const job = await cluster.orchestrator.jobs.getJob(id, { namespace: '' });
    expect(job.State.Message).toContain('this node does not allow /etc');
    expect((await cluster.executions(id))[0]).toMatchObject({ phase: 'refused', code: 'BidRejected' });
  });

  it('waits for a node and starts at once when one joins', async () => {
    await using cluster = await Cluster.start();
    const id = await cluster.submit(spec());
    expect(await cluster.state(id)).toBe('Queued');
    await cluster.node('n-1');
    await cluster.ended(id, 'Completed');
    expect((await cluster.history(id))[1]).toContain('Queueing: Job queued');
  });

  it('waits its turn by priority, then age', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { cpu: 1, automatic: false });
    const first = await cluster.submit(spec());
    await until(() => node.asked().length === 1, 'asked');
    const low = await cluster.submit(spec());
    const later = await cluster.submit(spec());
    const high = await cluster.submit(spec({ Priority: 5 }));
    expect(await Promise.all([low, later, high].map((id) => cluster.state(id)))).toEqual(
      ['Queued', 'Queued', 'Queued'],
    );
    node.automatic = true;
    node.bid(node.asked()[0]!, true);
    for (const id of [first, low, later, high]) await cluster.ended(id, 'Completed');
    const order = node.inbox.flatMap((message) =>
      message.type === 'AskForBid' ? [message.payload.Execution.JobID] : []
    );
    expect(order).toEqual([first, high, low, later]);
  });
});

describe('stop', () => {
  it('ends what runs, and the job stays stopped', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec({ Count: 2 }));
    await until(() => node.asked().length === 2, 'asked');
    const [one] = node.asked();
    node.bid(one!, true);
    await until(() => node.running().length === 1, 'runs');
    const { EvaluationID } = await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: 'enough' });
    expect(EvaluationID).not.toBe('');
    const job = await cluster.orchestrator.jobs.getJob(id, { namespace: '' });
    expect(job.State).toEqual({ StateType: 'Stopped', Message: 'enough' });
    await until(
      async () => (await cluster.executions(id)).every(({ phase }) => phase === 'stopped'),
      'all are stopped',
    );
    expect(node.held.size).toBe(0);
    expect(await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' })).toEqual({
      EvaluationID: '',
    });
    const usage = await cluster.store.read((reader) => reader.nodes.usage('n-1'));
    expect(usage.executions).toBe(0);
  });

  it('that races the end takes whichever comes first, and nothing runs afterwards', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.running().length === 1, 'runs');
    node.finish(execution!);
    const stopped = await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' }).then(
      () => true,
      (error) => error.code !== 'ConflictJobState',
    );
    await cluster.ended(id, stopped ? 'Stopped' : 'Completed');
    const [row] = await until(async () => {
      const rows = await cluster.executions(id);
      return rows.every(({ phase }) => phase === 'stopped' || phase === 'completed') && rows;
    }, 'over');
    expect(row!.phase).toBe(stopped ? 'stopped' : 'completed');
  });

  it('refuses what has ended', async () => {
    await using cluster = await Cluster.start();
    await cluster.node('n-1');
    const id = await cluster.submit(spec());
    await cluster.ended(id, 'Completed');
    await expect(cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' })).rejects.toMatchObject({
      code: 'ConflictJobState',
      status: 409,
    });
    await expect(cluster.orchestrator.jobs.stopJob('nope', { namespace: '', reason: '' })).rejects
      .toMatchObject({
        code: 'NotFound',
      });
  });
});
