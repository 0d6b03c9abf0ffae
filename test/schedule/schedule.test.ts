import { describe, expect, it } from 'vitest';
import { executionDeadline } from '../../mod/schedule/mod.ts';
import { Cluster, isSettled, makeInfo, makeJob, makeNode, SECOND } from './model.ts';

const small = (id: string, cpu = 1) =>
  makeNode(id, { info: makeInfo(id, { CPU: cpu, Memory: 8_000_000_000 }) });

describe('a batch job', () => {
  it('asks, approves, runs and completes', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1')]);
    const asked = cluster.step();
    expect(asked.create).toHaveLength(1);
    expect(asked.create[0]).toMatchObject({ slot: '0', nodeId: 'n-1' });
    expect(asked.job).toBeNull();
    cluster.report('e-1', 'offered');
    const approved = cluster.step();
    expect(approved.change).toMatchObject([{
      id: 'e-1',
      phase: 'approved',
      compute: 5,
      desired: 1,
      notice: 'accept',
    }]);
    expect(approved.job).toMatchObject({ state: 'Running' });
    cluster.report('e-1', 'completed');
    expect(cluster.step().job).toMatchObject({ state: 'Completed' });
    expect(isSettled(cluster.plan())).toBe(true);
  });

  it('spreads over nodes before it doubles up', () => {
    const cluster = new Cluster(makeJob({ Count: 5 }), [small('n-1', 4), small('n-2', 1), small('n-3', 2)]);
    cluster.step();
    const nodes = cluster.executions.map(({ nodeId }) => nodeId);
    expect(new Set(nodes.slice(0, 3))).toEqual(new Set(['n-1', 'n-2', 'n-3']));
    expect(nodes).toHaveLength(5);
    expect(nodes.filter((id) => id === 'n-2')).toHaveLength(1);
  });

  it('fails with the cause of a user error, at once, and stops the rest', () => {
    const cluster = new Cluster(makeJob({ Count: 2 }), [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-1', 'approved');
    cluster.report('e-2', 'failed', { class: 'user', code: 'ExitCode', message: 'exit code 3' });
    const plan = cluster.step();
    expect(plan.job).toMatchObject({ state: 'Failed', message: 'exit code 3' });
    expect(plan.job!.events[0]!.Details).toMatchObject({ IsError: 'true', ErrorCode: 'ExitCode' });
    expect(plan.change).toMatchObject([{ id: 'e-1', phase: 'stopping', notice: 'cancel' }]);
  });

  it('tries an infrastructure failure elsewhere with back-off, twice', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1'), makeNode('n-2')]);
    const visited: string[] = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const plan = cluster.step();
      if (attempt > 1) {
        expect(plan.create).toHaveLength(0);
        expect(plan.wake!.at).toBeGreaterThan(cluster.now);
        cluster.now = plan.wake!.at;
        cluster.step();
      }
      const [live] = cluster.live();
      visited.push(live!.nodeId);
      cluster.report(live!.id, 'failed', { class: 'infrastructure', message: 'no disk' });
    }
    expect(visited[1]).not.toBe(visited[0]);
    expect(cluster.step().job).toMatchObject({ state: 'Failed', message: 'no disk (attempt 3 of 3)' });
  });

  it('retries user errors like any other where the original is wanted', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1')], { userErrorsFinal: false });
    cluster.step();
    cluster.report('e-1', 'failed', { class: 'user', message: 'exit code 3' });
    expect(cluster.step().job).toBeNull();
  });

  it('takes a refusal for no failure and fails with the reason when all said no', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1'), makeNode('n-2')]);
    cluster.step();
    const first = cluster.live()[0]!;
    cluster.report(first.id, 'refused', { code: 'BidRejected', message: 'this node does not like it' });
    cluster.step();
    const second = cluster.live()[0]!;
    expect(second.nodeId).not.toBe(first.nodeId);
    cluster.report(second.id, 'refused', { code: 'BidRejected', message: 'this node does not like it' });
    const plan = cluster.step();
    expect(plan.job!.state).toBe('Failed');
    expect(plan.job!.message).toContain('2 nodes: this node does not like it');
  });

  it('asks a node again that refused in an earlier session', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-1', 'refused', { code: 'BidRejected', message: 'no' });
    cluster.nodes[0]!.connectedSince = cluster.now + 1n;
    expect(cluster.step().create).toHaveLength(1);
  });

  it('asks a node again that said "not now" as soon as an execution of the job has ended there', () => {
    const cluster = new Cluster(makeJob({ Count: 2 }), [makeNode('n-1')]);
    cluster.step();
    const [first, second] = cluster.live();
    cluster.report(first!.id, 'running');
    cluster.report(second!.id, 'refused', { code: 'BidDeferred', message: 'port 8080 is taken' });
    cluster.now += SECOND;
    expect(cluster.step().create).toEqual([]);
    cluster.report(first!.id, 'completed');
    expect(cluster.step().create).toMatchObject([{ nodeId: 'n-1' }]);
  });

  it('lets an unanswered ask pass after two minutes and avoids that node', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1'), makeNode('n-2')]);
    cluster.step();
    const first = cluster.live()[0]!;
    cluster.now += 119n * SECOND;
    expect(isSettled(cluster.step())).toBe(true);
    cluster.now += 1n * SECOND;
    const plan = cluster.step();
    expect(plan.change).toMatchObject([{ phase: 'refused', notice: 'cancel' }]);
    expect(cluster.live()[0]!.nodeId).not.toBe(first.nodeId);
  });

  it('ends a program that its node does not end, counted from its start', () => {
    const spec = makeJob();
    const task = { ...spec.Tasks[0]!, Timeouts: { ExecutionTimeout: 10 } };
    const cluster = new Cluster({ ...spec, Tasks: [task] }, [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-1', 'offered');
    cluster.step();
    expect(isSettled(cluster.plan())).toBe(true);
    cluster.now += 1000n * SECOND;
    expect(isSettled(cluster.plan())).toBe(true);
    cluster.report('e-1', 'running');
    cluster.executions[0]!.execDeadline = executionDeadline(cluster.job.spec, cluster.now, 120n * SECOND);
    cluster.now += 130n * SECOND;
    const plan = cluster.step();
    expect(plan.change).toMatchObject([{ phase: 'failed', class: 'timeout', notice: 'cancel' }]);
    expect(plan.job).toMatchObject({ state: 'Failed', message: 'Execution timed out after 10s' });
  });

  it('stops what runs when the job was stopped', () => {
    const cluster = new Cluster(makeJob({ Count: 2 }), [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-1', 'running');
    cluster.job.state = 'Stopped';
    expect(cluster.step().change.map(({ phase }) => phase)).toEqual(['stopping', 'stopping']);
    expect(isSettled(cluster.plan())).toBe(true);
  });

  it('replaces the executions of an older version', () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-1', 'running');
    cluster.job.spec = makeJob({ Version: 2 });
    cluster.slots.clear();
    const plan = cluster.step();
    expect(plan.change).toMatchObject([{ id: 'e-1', phase: 'stopping' }]);
    expect(plan.create).toHaveLength(1);
  });

  it('of no parts is complete', () => {
    expect(new Cluster(makeJob({ Count: 0 }), []).step().job).toMatchObject({ state: 'Completed' });
  });
});

describe('a job without nodes', () => {
  it('waits for the first node, says so once, and starts when it comes', () => {
    const cluster = new Cluster(makeJob(), []);
    const plan = cluster.step();
    expect(plan.job).toMatchObject({ state: 'Queued' });
    expect(plan.job!.message).toContain('no compute node has joined yet');
    expect(plan.job!.events).toMatchObject([{ Topic: 'Queueing' }]);
    expect(plan.waiting).toBe(true);
    expect(isSettled(cluster.plan())).toBe(true);
    cluster.nodes.push(makeNode('n-1'));
    expect(cluster.step().create).toHaveLength(1);
    expect(cluster.job.queuedAt, 'it still waits: the node was only asked').not.toBe(0n);
    cluster.report('e-1', 'offered');
    cluster.step();
    expect(cluster.job.queuedAt).toBe(0n);
  });

  it('fails at once when none could ever run it, with the reason of each', () => {
    const node = makeNode('n-1');
    const cluster = new Cluster(makeJob({ Constraints: [{ Key: 'zone', Operator: '=', Values: ['eu'] }] }), [
      node,
    ]);
    const { job } = cluster.step();
    expect(job).toMatchObject({ state: 'Failed' });
    expect(job!.message).toBe(
      'not enough nodes to run job. requested: 1, available: 1, suitable: 0. ' +
        'Node n-1: this node does not match the constraint "zone = eu"',
    );
    expect(job!.events[0]!.Details).toMatchObject({
      NodesRequested: '1',
      NodesAvailable: '1',
      NodesSuitable: '0',
      ErrorCode: 'Scheduler:NotEnoughNodes',
    });
  });

  it('waits for one with the right labels as long as its queue time-out says', () => {
    const spec = makeJob({ Constraints: [{ Key: 'zone', Operator: '=', Values: ['eu'] }] });
    const job = makeJob({ ...spec, Tasks: [{ ...spec.Tasks[0]!, Timeouts: { QueueTimeout: 30 } }] });
    const late = new Cluster(job, [makeNode('n-1')]);
    const plan = late.step();
    expect(plan.job).toMatchObject({ state: 'Queued' });
    late.now = plan.wake!.at;
    expect(late.step().job).toMatchObject({ state: 'Failed' });
    const inTime = new Cluster(job, [makeNode('n-1')]);
    inTime.step();
    const eu = makeNode('n-2');
    inTime.nodes.push({ ...eu, info: { ...eu.info, Labels: { zone: 'eu' } } });
    expect(inTime.step().create).toMatchObject([{ nodeId: 'n-2' }]);
  });

  it.each(
    [
      ['is silent', { session: 'away' }],
      ['waits for approval', { membership: 'PENDING' }],
      ['is cordoned', { eligibility: 'cordoned' }],
      ['is full', { promised: { CPU: 3 } }],
    ] as const,
  )('waits for one that %s', (_, change) => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1', change)]);
    expect(cluster.step().job!.state).toBe('Queued');
  });

  it('fails when its queue time-out is over, and at once when that is 0', () => {
    const withTimeout = (QueueTimeout: number) => {
      const spec = makeJob();
      return makeJob({ Tasks: [{ ...spec.Tasks[0]!, Timeouts: { QueueTimeout } }] });
    };
    expect(new Cluster(withTimeout(0), []).step().job!.state).toBe('Failed');
    const cluster = new Cluster(withTimeout(90), []);
    const due: bigint[] = [];
    for (let plan = cluster.step(); plan.job?.state !== 'Failed'; plan = cluster.step()) {
      due.push(plan.wake!.at - cluster.now);
      cluster.now = plan.wake!.at;
    }
    expect(due).toEqual([90n * SECOND]);
  });
});

describe('a silent node', () => {
  const running = () => {
    const cluster = new Cluster(makeJob(), [makeNode('n-1'), makeNode('n-2')]);
    cluster.step();
    cluster.report('e-1', 'running');
    cluster.step();
    const node = cluster.nodes.find(({ id }) => id === cluster.executions[0]!.nodeId)!;
    node.session = 'away';
    return { cluster, node };
  };

  it('makes its work unknown, and known again when it is back', () => {
    const { cluster, node } = running();
    expect(cluster.step().change).toMatchObject([{ phase: 'unknown' }]);
    expect(isSettled(cluster.plan())).toBe(true);
    node.session = 'connected';
    expect(cluster.step().change).toMatchObject([{ phase: 'approved' }]);
  });

  it('loses its work after the window, which is placed elsewhere', () => {
    const { cluster } = running();
    cluster.now = cluster.step().wake!.at;
    expect(cluster.step().change).toMatchObject([{
      phase: 'lost',
      class: 'infrastructure',
      notice: 'cancel',
    }]);
    cluster.now = cluster.plan().wake!.at;
    cluster.step();
    expect(cluster.live()).toMatchObject([{ slot: '0', attempt: 2, phase: 'asked' }]);
  });

  it('does not lose it while nobody could hear the node', () => {
    const { cluster } = running();
    const since = cluster.step().wake!.at - 1n;
    expect(cluster.executions[0]!.phase).toBe('unknown');
    cluster.now = since + 100n * SECOND;
    cluster.hearingSince = since;
    expect(isSettled(cluster.plan())).toBe(true);
  });

  it('gives back what had not started', () => {
    const cluster = new Cluster(makeJob({ Count: 2 }), [makeNode('n-1')]);
    cluster.step();
    cluster.report('e-2', 'offered');
    cluster.nodes[0]!.session = 'away';
    expect(cluster.step().change.map(({ phase }) => phase)).toEqual(['refused', 'rejected']);
  });
});

describe('other job types', () => {
  const three = () => [makeNode('n-1'), makeNode('n-2'), makeNode('n-3', { session: 'away' })];

  it('ops runs once on each node that fits and fails when one failed', () => {
    const cluster = new Cluster(makeJob({ Type: 'ops', Count: 0 }), three());
    expect(cluster.step().create.map(({ nodeId, slot }) => [nodeId, slot])).toEqual([
      ['n-1', 'n:n-1'],
      ['n-2', 'n:n-2'],
    ]);
    cluster.report('e-1', 'completed');
    expect(isSettled(cluster.step())).toBe(true);
    cluster.report('e-2', 'failed', { class: 'infrastructure', message: 'broken' });
    expect(cluster.step().job).toMatchObject({ state: 'Failed', message: 'broken' });
  });

  it('service keeps its replicas, daemon one on each node, new ones too', () => {
    const service = new Cluster(makeJob({ Type: 'service', Count: 2 }), [makeNode('n-1')]);
    service.step();
    service.report('e-1', 'failed', { class: 'user', message: 'ended' });
    service.now += SECOND;
    service.step();
    expect(service.live().map(({ slot }) => slot).sort()).toEqual(['0', '1']);

    const daemon = new Cluster(makeJob({ Type: 'daemon', Count: 0 }), three());
    expect(daemon.step().create).toHaveLength(2);
    daemon.nodes[2]!.session = 'connected';
    expect(daemon.step().create).toMatchObject([{ nodeId: 'n-3' }]);
    expect(daemon.plan().waiting).toBe(true);
  });
});
