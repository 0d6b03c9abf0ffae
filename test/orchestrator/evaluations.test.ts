/** Evaluations as rows: what fails is tried again, what is settled stays so, and deadlines are kept. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { realWorld } from '../../runtime/world.ts';
import { Cluster, spec } from './rig.ts';
import { until } from '../support/until.ts';

/** Also those whose time has not come. */
async function waiting(cluster: Cluster, jobId: string) {
  const all = await cluster.store.read((reader) => reader.evaluations.due(2n ** 62n, 1000));
  return all.filter((one) => one.jobId === jobId);
}

describe('evaluations', () => {
  it('that fail are put off, and the submit stands; the others go on', async () => {
    let broken = true;
    const world = {
      ...realWorld,
      random: () => {
        if (broken) throw new Error('the scheduler is broken');
        return Math.random();
      },
    };
    await using cluster = await Cluster.start({ world });
    await cluster.node('n-1');
    const id = await cluster.submit(spec());
    await until(() => cluster.errors.some((text) => text.includes('is broken')), 'it was tried and put off');
    expect(await waiting(cluster, id)).not.toEqual([]);
    expect(await cluster.executions(id)).toEqual([]);
    expect(await cluster.store.read((reader) => reader.nodes.usage('n-1'))).toMatchObject({ executions: 0 });
    broken = false;
    await cluster.ended(await cluster.submit(spec()), 'Completed');
    await cluster.ended(id, 'Completed');
  });

  it('that can never be carried out are put off alone, told of, and tried again without haste', async () => {
    await using cluster = await Cluster.start({ settings: { maxTries: 1 } });
    const ids: string[] = [];
    for (const Name of ['a', 'b', 'c']) ids.push(await cluster.submit(spec({ Name })));
    using file = new DatabaseSync(`${cluster.folder}/orchestrator.db`);
    file.exec('pragma busy_timeout = 5000');
    file.prepare("update job_versions set body = '{' where job_id = ?").run(ids[1]!);
    file.prepare('update jobs set rev = rev + 1 where id = ?').run(ids[1]!);
    await cluster.restart();
    await cluster.store.write(async (tx) => {
      for (const jobId of ids) {
        await tx.evaluations.enqueue({ id: realWorld.uuid(), jobId, trigger: 'exec-update', priority: 0 });
      }
    });
    const due = async () => {
      const rows = await Promise.all(ids.map((id) => waiting(cluster, id)));
      return rows.map((each) => each.filter(({ trigger }) => trigger === 'exec-update'));
    };
    await until(async () => {
      const [a, b, c] = await due();
      return a!.length === 0 && c!.length === 0 && b!.length === 1 && b![0]!.waitUntil > 0n;
    }, 'the others are done');
    // Once for its try, and once more because the history of a job that cannot be read cannot be written.
    expect(cluster.errors.length).toBeLessThanOrEqual(3);
  });

  it('of settled jobs change nothing and send nothing', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false, cpu: 1 });
    const running = await cluster.submit(spec());
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.running().length === 1, 'runs');
    const queued = await cluster.submit(spec());
    const stopped = await cluster.submit(spec());
    await cluster.orchestrator.jobs.stopJob(stopped, { namespace: '', reason: '' });
    await until(
      async () =>
        (await cluster.store.read((reader) => reader.outbox.list('n-1', 0n, 1))).length === 0 &&
        node.outbox.rows.length === 0,
      'all is said',
    );
    const look = () =>
      cluster.store.read(async (reader) => {
        const jobs = [running, queued, stopped];
        return {
          jobs: await Promise.all(jobs.map((id) => reader.jobs.get(id))),
          executions: await Promise.all(jobs.map((id) => reader.executions.byJob(id))),
          history: await Promise.all(jobs.map((jobId) => reader.history.page({ jobId }))),
          seq: (await reader.nodes.get('n-1'))!.outSeq,
        };
      });
    const before = await look();
    await cluster.store.write(async (tx) => {
      for (const jobId of [running, queued, stopped]) {
        await tx.evaluations.enqueue({ id: realWorld.uuid(), jobId, trigger: 'exec-update', priority: 0 });
      }
    });
    await until(
      async () => (await cluster.store.read((r) => r.evaluations.nextDueAt())) !== 0n,
      'all are evaluated',
    );
    expect(await look()).toEqual(before);
    expect(node.inbox.map(({ type }) => type)).toEqual(['AskForBid', 'BidAccepted']);
  });

  it('end a job at its total time-out, also while it waits', async () => {
    await using cluster = await Cluster.start();
    const id = await cluster.submit(spec({}, { Timeouts: { TotalTimeout: 1 } }));
    expect(await cluster.state(id)).toBe('Queued');
    await cluster.ended(id, 'Failed');
    expect((await cluster.history(id)).at(-1)).toBe('Job Timeout: Job timed out after 1s');
    expect(await waiting(cluster, id)).toEqual([]);
  });

  it('end an execution that its node lets run beyond its time', async () => {
    await using cluster = await Cluster.start({
      scheduler: { timeoutGrace: 0n },
      settings: { housekeepingMs: 50 },
    });
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec({}, { Timeouts: { ExecutionTimeout: 1 } }));
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.held.get(execution!)?.phase === 'running', 'it runs');
    const row = async () => (await cluster.executions(id))[0]!;
    for (const phase of ['queued', 'running', 'queued'] as const) {
      node.progress(execution!, phase);
      await until(async () => (await row()).phase === phase, `it is ${phase}`);
      // Only a program that has started has a time to keep, and each start has its own.
      expect((await row()).execDeadline > 0n).toBe(phase === 'running');
    }
    node.progress(execution!, 'running');
    await cluster.ended(id, 'Failed');
    expect((await cluster.executions(id)).map(({ phase, class: kind }) => [phase, kind])).toEqual([
      ['failed', 'timeout'],
    ]);
    await until(() => !node.held.has(execution!), 'the node was told');
  });

  it('end an execution on a node that never tells of a start, counted from when its queue is empty', async () => {
    await using cluster = await Cluster.start({
      scheduler: { timeoutGrace: 0n },
      settings: { housekeepingMs: 50 },
    });
    const node = await cluster.node('n-1', { automatic: false, foreign: true });
    node.queued = { CPU: 1 };
    const id = await cluster.submit(spec({}, { Timeouts: { ExecutionTimeout: 1 } }));
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.held.get(execution!)?.phase === 'running', 'it may run');
    const beats = node.heartbeats;
    await until(() => node.heartbeats > beats + 3, 'heartbeats came');
    expect((await cluster.executions(id))[0]).toMatchObject({ phase: 'approved', execDeadline: 0n });
    node.queued = {};
    await cluster.ended(id, 'Failed');
    expect((await cluster.executions(id))[0]).toMatchObject({ phase: 'failed', class: 'timeout' });
  });
});
