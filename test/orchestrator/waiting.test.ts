/** Jobs that wait: as rows, woken by what concerns them, in order. */
import { expect, it } from 'vitest';
import type { OrchestratorStore } from '../../mod/store/mod.ts';
import { Cluster, spec } from './rig.ts';
import { until } from '../support/until.ts';

const wants = (cluster: Cluster, id: string) =>
  cluster.store.read((reader) => reader.wants.ready(id, 2n ** 62n, 1000));

it('the wants of a job are rows that survive a crash; a node that joins serves them', async () => {
  await using cluster = await Cluster.start();
  const many = await cluster.submit(spec({ Count: 500 }));
  expect(await wants(cluster, many)).toMatchObject([{ slot: '0', slots: 500, nodeId: '', due: 0n }]);
  const one = await cluster.submit(spec({ Priority: 7 }));
  await cluster.restart();
  const node = await cluster.node('n-1', { cpu: 2, automatic: false });
  await until(() => node.asked().length === 3, 'as many are asked as fit');
  const jobs = node.inbox.map((message) => message.type === 'AskForBid' && message.payload.Execution.JobID);
  expect(jobs).toEqual([one, many, many]);
  expect(await wants(cluster, one)).toEqual([]);
  expect(await wants(cluster, many)).toMatchObject([{ slot: '2', slots: 498 }]);
  await cluster.orchestrator.jobs.stopJob(many, { namespace: '', reason: '' });
  expect(await wants(cluster, many)).toEqual([]);
});

it('a job larger than one transaction places is placed whole', async () => {
  await using cluster = await Cluster.start();
  await cluster.node('n-1', { cpu: 1000 });
  const id = await cluster.submit(spec({ Count: 130 }));
  await cluster.ended(id, 'Completed');
  expect(await cluster.executions(id)).toHaveLength(130);
});

it('capacity that is freed wakes those that it suits, and nobody else is looked at', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1', { cpu: 1, automatic: false });
  const first = await cluster.submit(spec());
  await until(() => node.asked().length === 1, 'asked');
  const elsewhere = await cluster.submit(
    spec({ Priority: 9, Constraints: [{ Key: 'zone', Operator: '=', Values: ['eu'] }] }, {
      Timeouts: { QueueTimeout: 3600 },
    }),
  );
  const next = await cluster.submit(spec());
  const before = await cluster.store.read((reader) => reader.jobs.get(elsewhere));
  node.bid(node.asked()[0]!, false, 'not here', { Hint: '' });
  await cluster.ended(first, 'Failed');
  await until(() => node.asked().length === 1, 'the next is asked');
  expect((await cluster.executions(next))[0]).toMatchObject({ phase: 'asked' });
  expect(await cluster.store.read((reader) => reader.jobs.get(elsewhere))).toEqual(before);
});

const lacking = { cpu: 1, labels: { zone: 'eu' }, engines: ['noop'] };
const CHANGES: readonly [string, Partial<typeof lacking>, Partial<typeof lacking>][] = [
  ['label', { labels: { zone: 'us' } }, { labels: { zone: 'eu' } }],
  ['engine', { engines: ['docker'] }, { engines: ['noop'] }],
  ['capacity', { cpu: 0.5 }, { cpu: 2 }],
];

it.each(CHANGES)(
  'a change of its %s lets a node take daemon and ops jobs at once',
  async (_, before, after) => {
    await using cluster = await Cluster.start();
    const first = await cluster.node('n-eu', { cpu: 2, labels: { zone: 'eu' }, automatic: false });
    const options = { ...lacking, ...before, automatic: false };
    const node = await cluster.node('n-late', options);
    const Constraints = [{ Key: 'zone', Operator: '=', Values: ['eu'] }];
    const ids: string[] = [];
    for (const Type of ['daemon', 'ops']) {
      ids.push(
        await cluster.submit(spec({ Type, Count: 0, Constraints })),
      );
    }
    await until(() => first.asked().length === 2, 'the first is asked');
    expect(node.asked()).toEqual([]);
    Object.assign(options, { cpu: 2 }, after);
    await until(() => node.asked().length === 2, 'the other is asked');
    for (const id of ids) {
      expect((await cluster.executions(id)).map(({ slot }) => slot)).toEqual(['n:n-eu', 'n:n-late']);
    }
  },
);

it('a report looks at its slot only: the others of its job are not read', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1', { cpu: 100, automatic: false });
  const id = await cluster.submit(spec({ Count: 20 }));
  await until(() => node.asked().length === 20, 'all are asked');
  const [one] = node.asked();
  // Whoever reads a broken neighbour fails.
  const rows = await cluster.executions(id);
  const { DatabaseSync } = await import('node:sqlite');
  const file = new DatabaseSync(`${cluster.folder}/orchestrator.db`);
  file.prepare(`update executions set allocated = '{', rev = rev + 1 where job_id = ? and id <> ?`).run(
    id,
    one!,
  );
  file.close();
  expect(rows).toHaveLength(20);
  node.bid(one!, true);
  await until(() => node.running().includes(one!), 'it runs');
  node.finish(one!);
  await until(
    async () => (await cluster.store.read((reader) => reader.executions.get(one!)))!.phase === 'completed',
    'its result counts',
  );
  expect(cluster.errors).toEqual([]);
});

/** Each operation is undone once before it counts, as when its group met a full disk or a lock. */
function undoneFirst(store: OrchestratorStore): OrchestratorStore {
  const undone = new Error('undone');
  const write: OrchestratorStore['write'] = async (operation) => {
    await store.write(async (tx) => {
      await operation(tx);
      throw undone;
    }).catch((error) => {
      if (error !== undone) throw error;
    });
    return await store.write(operation);
  };
  return new Proxy(store, {
    get: (target, key) => (key === 'write' ? write : Reflect.get(target, key)),
  });
}

it('what was undone has left no trace in memory: nodes, wants and what a job has where', async () => {
  await using cluster = await Cluster.start({}, undoneFirst);
  const nodes = [
    await cluster.node('n-1', { cpu: 2, automatic: false }),
    await cluster.node('n-2', { cpu: 2, automatic: false }),
  ];
  const id = await cluster.submit(spec({ Count: 7 }));
  const asked = () => nodes.map((node) => node.asked().length);
  const full = async () => {
    await until(() => asked().every((count) => count === 3), 'all that fit are asked');
    const rows = await cluster.executions(id);
    expect(rows.filter(({ phase }) => phase === 'asked')).toHaveLength(6);
  };
  await full();
  expect(await wants(cluster, id)).toMatchObject([{ slot: '6', slots: 1 }]);
  const [first] = nodes[0]!.asked();
  nodes[0]!.bid(first!, true);
  await until(() => nodes[0]!.running().includes(first!), 'it runs');
  nodes[0]!.finish(first!);
  await full();
  expect(await wants(cluster, id)).toEqual([]);
  for (const node of nodes) {
    node.automatic = true;
    for (const each of node.asked()) node.bid(each, true);
  }
  await cluster.ended(id, 'Completed');
  expect((await cluster.executions(id)).map(({ phase }) => phase)).toEqual(Array(7).fill('completed'));
  // The memory is as the rows are: all has room again, and each node gets half.
  const next = await cluster.submit(spec({ Count: 6 }));
  await cluster.ended(next, 'Completed');
  const taken = Map.groupBy(await cluster.executions(next), ({ nodeId }) => nodeId);
  expect([...taken.values()].map(({ length }) => length)).toEqual([3, 3]);
  expect(cluster.errors).toEqual([]);
});
