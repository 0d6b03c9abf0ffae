/** What is told of a job is told of one version of it: what an earlier one printed or left is not the latest's. */
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import type { LogQuery } from '../../mod/model/mod.ts';
import { Cluster, spec } from './rig.ts';
import { until } from '../support/until.ts';

const LOGS: LogQuery = { namespace: '', executionId: '', tail: false, follow: true };

async function text(cluster: Cluster, query: Partial<LogQuery> = {}): Promise<string> {
  let all = '';
  const chunks = cluster.orchestrator.jobs.logs('again', { ...LOGS, ...query }, AbortSignal.timeout(10_000));
  for await (const { Line } of chunks) all += Line;
  return all;
}

it('logs, results, executions and history of an update that never ran are not those of the version before', async () => {
  await using cluster = await Cluster.start();
  const node = await cluster.node('n-1');
  const id = await cluster.submit(spec({ Name: 'again' }));
  await cluster.ended(id, 'Completed');
  const { jobs } = cluster.orchestrator;
  const query = {
    namespace: '',
    allVersions: false,
    orderBy: 'created_at',
    reverse: false,
    limit: 0,
  } as const;
  const [old] = await jobs.executions('again', query);
  expect(await text(cluster)).toBe('hello\n');
  expect(await jobs.results('again', { namespace: '' })).toHaveLength(1);

  node.automatic = false;
  await cluster.submit(spec({ Name: 'again', Labels: { v: '2' } }));
  const [asked] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
  node.bid(asked!, false, 'its input cannot be had', { class: 'user', FailsExecution: 'true' });
  await cluster.ended(id, 'Failed');

  await expect(text(cluster)).rejects.toMatchObject({ code: 'NotFound' });
  await expect(text(cluster, { version: 2, executionId: old!.ID })).rejects.toMatchObject({
    code: 'NotFound',
  });
  expect(await jobs.results('again', { namespace: '' })).toEqual([]);
  expect((await jobs.executions('again', query)).every(({ JobVersion }) => JobVersion === 2)).toBe(true);

  // The earlier one can be asked for, by version or by execution, and is told to have ended.
  expect(await text(cluster, { version: 1 })).toBe('hello\n');
  expect(await text(cluster, { executionId: old!.ID })).toBe('hello\n');
  expect(await jobs.results('again', { namespace: '', version: 1 })).toHaveLength(1);
  const past = await jobs.history('again', {
    ...query,
    version: 1,
    eventType: 'all',
    executionId: '',
    since: 0n,
    fromSeqNum: 0n,
  });
  expect(past.next).toBeUndefined();
  expect(past.items.every(({ JobVersion }) => JobVersion === 1)).toBe(true);
});

it('an id means the job that has it, also where another job is called so', async () => {
  await using cluster = await Cluster.start();
  const id = await cluster.submit(spec({ Name: 'first' }));
  // Of an older program: a new job cannot be called so.
  using file = new DatabaseSync(`${cluster.folder}/orchestrator.db`);
  file.exec('pragma busy_timeout = 5000');
  const other = await cluster.submit(spec({ Name: 'second' }));
  file.prepare('update jobs set name = ? where id = ?').run(id, other);
  expect((await cluster.orchestrator.jobs.getJob(id, { namespace: '' })).ID).toBe(id);
});
