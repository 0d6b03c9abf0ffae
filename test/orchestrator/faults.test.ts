/** Restarts, silence, repeats and races: nothing accepted is lost, nothing counts twice. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { realWorld } from '../../runtime/world.ts';
import { decodeMessage, encodeMessage, type OutMessage } from '../../mod/transport/mod.ts';
import { Cluster, FakeNode, spec, TIMINGS } from './rig.ts';
import { until } from '../support/until.ts';

const QUICK = {
  settings: {
    disconnectTimeoutMs: 100,
    reconnectAllowanceMs: 100,
    foreignReconnectAllowanceMs: 100,
    housekeepingMs: 30,
  },
};

describe('a restarted orchestrator', () => {
  it('goes on from each step', async () => {
    await using cluster = await Cluster.start();
    const queued = await cluster.submit(spec({ Name: 'queued' }));
    await cluster.restart();
    expect(await cluster.state(queued)).toBe('Queued');

    const node = await cluster.node('n-1', { automatic: false, cpu: 1 });
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    await cluster.restart();
    await until(() => node.connections === 2, 'node is back');
    node.bid(execution!, true);
    await until(() => node.running().length === 1, 'runs');
    await cluster.restart();
    await until(() => node.connections === 3, 'node is back');
    await until(async () => (await cluster.executions(queued))[0]!.phase === 'running', 'adopted');
    expect((await cluster.executions(queued)).map(({ id }) => id)).toEqual([execution]);
    const next = await cluster.submit(spec({ Name: 'next' }));
    expect(await cluster.state(next)).toBe('Queued');
    await cluster.restart();
    node.finish(execution!);
    await cluster.ended(queued, 'Completed');
    const [following] = await until(() => node.asked().length > 0 && node.asked(), 'the next is asked');
    node.bid(following!, true);
    await until(() => node.running().length === 1, 'runs');
    node.finish(following!);
    await cluster.ended(next, 'Completed');
    expect([...node.runs.values()]).toEqual([1, 1]);
  });

  it('finishes a stop that it had only begun', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.running().length === 1, 'runs');
    await node.down();
    await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' });
    await cluster.restart();
    expect((await cluster.executions(id))[0]!.phase).toBe('stopping');
    await node.up();
    await until(async () => (await cluster.executions(id))[0]!.phase === 'stopped', 'stopped');
  });

  it('keeps what many submits were answered, whatever the moment', async () => {
    await using cluster = await Cluster.start();
    await cluster.node('n-1', { cpu: 4 });
    const answered: string[] = [];
    const one = () => cluster.submit(spec()).then((id) => void answered.push(id), () => undefined);
    // Calls into a store that was abandoned never settle, as in a process that was killed.
    for (let i = 0; i < 40; i++) void one();
    await until(() => answered.length >= 5, 'some are answered');
    await cluster.restart();
    const known = [...answered];
    for (const id of known) await cluster.ended(id, 'Completed');
  });
});

describe('a row that cannot be read', () => {
  /** The body of this job is no JSON from the next start on. */
  const spoil = (cluster: Cluster, jobId: string) => {
    using database = new DatabaseSync(join(cluster.folder, 'orchestrator.db'));
    database.exec('pragma busy_timeout = 5000');
    expect(database.prepare("update job_versions set body = '{' where job_id = ?").run(jobId).changes).toBe(
      1,
    );
  };

  it('keeps neither its node nor other jobs there from being settled', async () => {
    await using cluster = await Cluster.start(QUICK);
    const node = await cluster.node('n-1', { automatic: false, cpu: 9 });
    const ids: string[] = [];
    for (const Name of ['a', 'b', 'c', 'd']) ids.push(await cluster.submit(spec({ Name })));
    const asked = await until(() => node.asked().length === 4 && node.asked(), 'asked');
    for (const id of asked) node.bid(id, true);
    await until(() => node.running().length === 4, 'all run');
    const bad = ids[1]!;
    const others = ids.filter((id) => id !== bad);
    const phases = async () => {
      const rows = await cluster.store.read((reader) => reader.executions.outlinesByNode('n-1'));
      return others.map((id) => rows.find(({ jobId }) => jobId === id)?.phase);
    };
    spoil(cluster, bad);
    await cluster.restart();
    await until(async () => (await phases()).every((phase) => phase === 'running'), 'the inventory counts');
    await node.down();
    await until(async () => (await phases()).every((phase) => phase === 'unknown'), 'unknown');
    expect((await cluster.orchestrator.nodes.getNode('n-1')).Connection).toBe('DISCONNECTED');

    const held = await cluster.store.read((reader) => reader.executions.outlinesByNode('n-1'));
    for (const { id } of held) node.finish(id);
    await node.up();
    for (const id of others) await cluster.ended(id, 'Completed');
    expect(cluster.errors.some((text) => /JSON/.test(text))).toBe(true);
  });
});

describe('a silent node', () => {
  const runningOn = async (cluster: Cluster, node: FakeNode, changes = {}) => {
    const id = await cluster.submit(spec(changes));
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(execution!, true);
    await until(() => node.running().includes(execution!), 'runs');
    return { id, execution: execution! };
  };

  it('is unknown, and its work goes on when it is back', async () => {
    await using cluster = await Cluster.start(QUICK);
    const node = await cluster.node('n-1', { automatic: false });
    const { id, execution } = await runningOn(cluster, node);
    await node.down();
    await until(async () => (await cluster.executions(id))[0]!.phase === 'unknown', 'unknown');
    expect((await cluster.orchestrator.nodes.getNode('n-1')).ConnectionState).toMatchObject({
      Status: 'DISCONNECTED',
      LastError: 'heartbeat timeout',
    });
    expect(await cluster.state(id)).toBe('Running');
    await node.up();
    await until(async () => (await cluster.executions(id))[0]!.phase === 'running', 'running');
    node.finish(execution);
    await cluster.ended(id, 'Completed');
    expect(await cluster.executions(id)).toHaveLength(1);
  });

  it('loses its work after the window; its late result does not count, and is told so', async () => {
    await using cluster = await Cluster.start({
      ...QUICK,
      scheduler: { disconnectWindow: 100_000_000n, retryBackoff: 1_000_000n },
    });
    const node = await cluster.node('n-1', { automatic: false });
    const { id, execution } = await runningOn(cluster, node);
    const other = await cluster.node('n-2', { automatic: false });
    await node.down();
    node.finish(execution);
    const [second] = await until(() => other.asked().length > 0 && other.asked(), 'placed elsewhere');
    expect((await cluster.executions(id))[0]).toMatchObject({ phase: 'lost', code: 'NodeLost' });
    await node.up();
    await until(() => !node.held.has(execution), 'the late result is confirmed');
    other.bid(second!, true);
    await until(() => other.running().length === 1, 'runs');
    other.finish(second!);
    await cluster.ended(id, 'Completed');
    const rows = await cluster.executions(id);
    expect(rows.map(({ phase, counted }) => [phase, counted])).toEqual([['lost', false], [
      'completed',
      true,
    ]]);
    expect((await cluster.history(id)).filter((entry) => entry.includes('does not count'))).toHaveLength(1);
  });

  it('that forgot its work fails it, and it runs again', async () => {
    await using cluster = await Cluster.start({ scheduler: { retryBackoff: 1_000_000n } });
    const node = await cluster.node('n-1', { automatic: false });
    const { id } = await runningOn(cluster, node);
    await node.down();
    node.held.clear();
    node.automatic = true;
    await node.up();
    await cluster.ended(id, 'Completed');
    expect((await cluster.executions(id)).map(({ code }) => code)).toEqual(['ExecutionForgotten', '']);
  });

  it('does not run what it holds of a job that has ended meanwhile', async () => {
    await using cluster = await Cluster.start(QUICK);
    const node = await cluster.node('n-1', { automatic: false });
    const { id } = await runningOn(cluster, node);
    await node.down();
    await cluster.orchestrator.jobs.stopJob(id, { namespace: '', reason: '' });
    node.held.set('e-stray', { phase: 'running', jobId: 'j-other', revision: 1n });
    await node.up();
    await until(() => node.held.size === 0, 'it holds nothing');
    await until(async () => (await cluster.executions(id))[0]!.phase === 'stopped', 'stopped');
  });

  it('that leaves an ask unanswered is passed over', async () => {
    await using cluster = await Cluster.start({ ...QUICK, scheduler: { bidTimeout: 50_000_000n } });
    await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    await cluster.node('n-2');
    await cluster.ended(id, 'Completed');
    expect((await cluster.executions(id)).map(({ nodeId, code }) => [nodeId, code])).toEqual([
      ['n-1', 'BidTimeout'],
      ['n-2', ''],
    ]);
  });
});

describe('messages', () => {
  it('that come twice, late or out of order change nothing the second time', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    const [execution] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.outbox.add(node.result(execution!)); // before it was even approved
    node.bid(execution!, true);
    node.bid(execution!, true);
    await until(() => node.running().length === 1, 'runs');
    const status = (Phase: 'running' | 'preparing', Revision: bigint): OutMessage => ({
      type: 'ExecutionStatus',
      payload: { ...node.about(execution!), Phase, Revision },
    });
    node.outbox.add(status('running', 5n), status('preparing', 4n));
    await until(async () => (await cluster.executions(id))[0]!.phase === 'running', 'running');
    node.finish(execution!);
    await cluster.ended(id, 'Completed');
    const before = { rows: await cluster.executions(id), history: await cluster.history(id) };
    node.held.set(execution!, { phase: 'completed', jobId: id, revision: 9n });
    node.outbox.add(node.result(execution!), node.result(execution!, 1));
    node.bid(execution!, false, 'changed my mind');
    node.fail(execution!, 'after all');
    node.outbox.add(status('running', 7n));
    await until(() => node.outbox.rows.length === 0, 'all are taken');
    expect(await cluster.executions(id)).toEqual(before.rows);
    expect(await cluster.history(id)).toEqual(before.history);
    expect(await cluster.state(id)).toBe('Completed');
  });

  it('about executions of another node change nothing', async () => {
    await using cluster = await Cluster.start();
    const owner = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec());
    const [execution] = await until(() => owner.asked().length > 0 && owner.asked(), 'asked');
    const other = await cluster.node('n-2', { automatic: false });
    other.held.set(execution!, { phase: 'offered', jobId: id, revision: 1n });
    other.bid(execution!, true);
    await until(() => other.outbox.rows.length === 0, 'taken');
    expect((await cluster.executions(id))[0]!.phase).toBe('asked');
  });
});

describe('submit', () => {
  it('of one name at once makes one job, then updates or nothing', async () => {
    await using cluster = await Cluster.start();
    const same = await Promise.allSettled([1, 2, 3].map(() => cluster.submit(spec({ Name: 'same' }))));
    expect(same.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect((same[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'NoChanges', status: 409 });
    const ids = await Promise.all(
      [1, 2].map((Priority) => cluster.submit(spec({ Name: 'other', Priority }))),
    );
    expect(ids[0]).toBe(ids[1]);
    const job = await cluster.orchestrator.jobs.getJob('other', { namespace: '' });
    expect(job).toMatchObject({ Version: 2, Priority: 2 });
    expect(await cluster.orchestrator.jobs.versions('other', { namespace: '' })).toHaveLength(2);
  });

  it('of a changed spec replaces what runs', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1', { automatic: false });
    const id = await cluster.submit(spec({ Name: 'job' }));
    const [old] = await until(() => node.asked().length > 0 && node.asked(), 'asked');
    node.bid(old!, true);
    await until(() => node.running().length === 1, 'runs');
    node.automatic = true;
    expect(await cluster.submit(spec({ Name: 'job', Labels: { v: '2' } }))).toBe(id);
    await cluster.ended(id, 'Completed');
    const rows = await until(async () => {
      const rows = await cluster.executions(id);
      return rows[0]!.phase === 'stopped' && rows;
    }, 'settled');
    expect(rows.map(({ jobVersion, phase }) => [jobVersion, phase])).toEqual([[1, 'stopped'], [
      2,
      'completed',
    ]]);
    expect(await cluster.submit(spec({ Name: 'job', Labels: { v: '2' } }), true)).toBe(id);
    await cluster.ended(id, 'Completed');
    expect(await cluster.orchestrator.jobs.getJob(id, { namespace: '' })).toMatchObject({ Version: 3 });
  });

  it('refuses what is wrong, too large, or of another type, and stores nothing of it', async () => {
    await using cluster = await Cluster.start();
    await expect(cluster.submit(undefined)).rejects.toMatchObject({ status: 400 });
    await expect(cluster.submit({ Type: 'batch' })).rejects.toMatchObject({ status: 400 });
    const big = spec({}, {
      Env: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`T${i}`, 'x'.repeat(120_000)])),
    });
    await expect(cluster.submit(big)).rejects.toMatchObject({ code: 'PayloadTooLarge', status: 413 });
    await cluster.submit(spec({ Name: 'job' }));
    await expect(cluster.submit(spec({ Name: 'job', Type: 'service' }))).rejects.toMatchObject({
      status: 400,
    });
    const { items } = await cluster.orchestrator.jobs.listJobs({
      namespace: '',
      labels: [],
      orderBy: 'created_at',
      reverse: false,
      limit: 0,
      offset: 0,
    });
    expect(items.map(({ Name }) => Name)).toEqual(['job']);
  });

  it('with a key answers a repeat with the first answer', async () => {
    await using cluster = await Cluster.start();
    const submit = () => cluster.orchestrator.jobs.submit({ job: spec(), force: false, idempotencyKey: 'k' });
    const [first, second] = await Promise.all([submit(), submit()]);
    expect(second).toEqual(first);
  });
});

describe('nodes', () => {
  it('need approval where that is set, and are refused by a twin that still speaks', async () => {
    await using cluster = await Cluster.start({ settings: { manualApproval: true } });
    await cluster.node('n-1');
    const id = await cluster.submit(spec());
    expect(await cluster.state(id)).toBe('Queued');
    const [node] = await cluster.orchestrator.nodes.listNodes({
      labels: [],
      approval: 'pending',
      status: '',
    });
    expect(node).toMatchObject({ Info: { NodeID: 'n-1' }, Membership: 'PENDING', Connection: 'CONNECTED' });

    // Of a copied data directory: the same installation.
    const twin = cluster.node('n-1').catch(() => undefined);
    const impostor = await until(() => cluster.nodes[1], 'the twin was started');
    await until(
      () => impostor.lastStatus.includes('another process with node id "n-1" is connected; stop it'),
      'the twin is refused',
    );
    await cluster.nodes[0]!.down();
    await twin;
    await until(() => impostor.connections === 1, 'the twin takes over');
    const first = cluster.nodes[0]!;
    void first.up().catch(() => undefined);
    await until(() => first.lastStatus.includes('another process'), 'the first is refused in its turn');
  });

  it('of the original are told apart by the time of their start, and one restarted takes over once it is silent', async () => {
    let now = 0n;
    const world = { ...realWorld, now: () => realWorld.now() + now };
    await using cluster = await Cluster.start({ world });
    const bus = await cluster.network.connector(realWorld)({ name: 'go' });
    const NodeInfo = new FakeNode(cluster, 'go-1', {}).info();
    const join = async (StartTime: string) => {
      const request = { NodeInfo, StartTime, LastOrchestratorSeqNum: 0n };
      const { data } = encodeMessage('transport.HandshakeRequest', request, 'go-1', 0n);
      const answer = await bus.request('bacalhau.global.compute.go-1.out.ctrl', data, { timeoutMs: 5000 });
      return decodeMessage(answer.data).payload as { accepted: boolean; reason: string };
    };
    const [first, second] = ['2026-11-28T10:00:00.123456789Z', '2026-11-28T10:00:07Z'];
    expect((await join(first)).accepted).toBe(true);
    expect((await join(first)).accepted).toBe(true);
    expect(await join(second)).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/another process/) as string,
    });
    now += BigInt(TIMINGS.heartbeatMs * 3) * 1_000_000n;
    expect((await join(second)).accepted).toBe(true);
    await bus.close();
  });

  it('that say goodbye are closed at once', async () => {
    await using cluster = await Cluster.start();
    const node = await cluster.node('n-1');
    await node.link!.notice('');
    await until(
      async () =>
        (await cluster.orchestrator.nodes.getNode('n-')).ConnectionState.LastError === 'graceful shutdown',
      'closed',
    );
  });

  it('are found by id before prefix', async () => {
    await using cluster = await Cluster.start();
    await cluster.node('n-1');
    await cluster.node('n-10', { labels: { zone: 'eu' } });
    const { nodes } = cluster.orchestrator;
    expect((await nodes.getNode('n-1')).Info.NodeID).toBe('n-1');
    await expect(nodes.getNode('n-')).rejects.toMatchObject({ code: 'MultipleNodesFound', status: 409 });
    await expect(nodes.getNode('x')).rejects.toMatchObject({ code: 'NotFound' });
    const eu = [{ Key: 'zone', Operator: 'in', Values: ['eu'] }];
    expect(
      (await nodes.listNodes({ labels: eu, approval: '', status: 'connected' })).map(({ Info }) =>
        Info.NodeID
      ),
    )
      .toEqual(['n-10']);
  });
});
