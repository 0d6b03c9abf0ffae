/** Many nodes: what is sampled is as right as what is looked through, and what is told does not grow with them. */
import { describe, expect, it } from 'vitest';
import { allocate, Fleet, NO_PAST, placementRequest } from '../../mod/schedule/mod.ts';
import { Cluster, makeInfo, makeJob, makeNode, SECOND } from './model.ts';

const GB = 1_000_000_000;
const nodes = (count: number, labels: (i: number) => Record<string, string> = () => ({})) =>
  Array.from(
    { length: count },
    (_, i) =>
      makeNode(`n-${i}`, { info: makeInfo(`n-${i}`, { CPU: 4, Memory: 8 * GB }, { Labels: labels(i) }) }),
  );

function seeded(): () => number {
  let seed = 7;
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}

const options = (random = seeded()) => ({ limit: 10_000, random });

describe('among many nodes', () => {
  it('each gets one execution of a job before one gets a second', () => {
    const job = makeJob({ Count: 1500 });
    const slots = Array.from({ length: 1500 }, (_, i) => String(i));
    const want = { jobId: 'j', request: placementRequest(job), past: NO_PAST, slots };
    const { placements } = allocate([want], new Fleet(1.5, nodes(1000)), options());
    const taken = Map.groupBy(placements, ({ nodeId }) => nodeId);
    expect(taken.size).toBe(1000);
    expect(placements.slice(0, 1000).map(({ nodeId }) => nodeId).toSorted()).toEqual(
      [...taken.keys()].toSorted(),
    );
    expect(Math.max(...[...taken.values()].map(({ length }) => length))).toBe(2);
  });

  it('those with the preferred label are found, however few', () => {
    const job = makeJob({ Constraints: [{ Key: 'favour_ssd', Operator: 'exists' }] });
    const fleet = new Fleet(
      1.5,
      nodes(2000, (i): Record<string, string> => (i % 500 === 3 ? { ssd: '' } : {})),
    );
    const random = seeded();
    for (let i = 0; i < 50; i++) {
      const want = { jobId: `j-${i}`, request: placementRequest(job), past: NO_PAST, slots: ['0'] };
      const [placed] = allocate([want], fleet, options(random)).placements;
      expect(['n-3', 'n-503', 'n-1003', 'n-1503']).toContain(placed!.nodeId);
    }
  });

  it('several jobs share what is left, in order, and nothing is promised twice', () => {
    const small = [makeNode('n-1', { info: makeInfo('n-1', { CPU: 2, Memory: 8 * GB }) })];
    const want = (jobId: string) => ({
      jobId,
      request: placementRequest(makeJob()),
      past: NO_PAST,
      slots: ['0', '1'],
    });
    const { placements, refusals } = allocate([want('a'), want('b')], new Fleet(1.5, small), options());
    expect(placements.map(({ jobId, slot }) => `${jobId}/${slot}`)).toEqual(['a/0', 'a/1', 'b/0']);
    expect(refusals).toEqual([{ jobId: 'b', slot: '1', why: 'room' }]);
  });

  it('what each lacks is told by reasons: the message does not grow with their number', () => {
    const spec = makeJob();
    const job = makeJob({ Tasks: [{ ...spec.Tasks[0]!, Resources: { CPU: '64' } }] });
    const many = nodes(3000).map((node, i) => ({
      ...node,
      info: makeInfo(node.id, { CPU: 4 + i / 1000, Memory: 8 * GB }),
    }));
    const { message } = new Cluster(job, many).step().job!;
    expect(message).toContain('3000 nodes: this node does not accept jobs that need so much CPU');
    expect(message.length).toBeLessThan(300);

    const refused = new Cluster(makeJob({ Type: 'daemon', Count: 0 }), nodes(300));
    refused.step();
    for (const { id, nodeId } of refused.live()) {
      refused.report(id, 'refused', {
        code: 'BidRejected',
        message: `${nodeId} does not like it: ${'é'.repeat(2000)}`,
      });
    }
    const state = refused.step().job!;
    expect(state.message).toMatch(/and \d+ more reasons/);
    expect(new TextEncoder().encode(state.message).length).toBeLessThanOrEqual(4096);
  });
});

describe('nodes that are followed change by change', () => {
  it('give the same candidates as nodes that are looked through', () => {
    const random = seeded();
    const fleet = new Fleet(1.5, nodes(50));
    const request = placementRequest(
      makeJob({ Constraints: [{ Key: 'zone', Operator: '=', Values: ['eu'] }] }),
    );
    for (let step = 0; step < 2000; step++) {
      const id = `n-${Math.floor(random() * 60)}`;
      const labels = random() < 0.5 ? { zone: 'eu' } : { zone: 'us' };
      fleet.set(
        id,
        random() < 0.1 ? undefined : makeNode(id, {
          session: random() < 0.2 ? 'away' : 'connected',
          promised: { CPU: 7 * random() },
          info: makeInfo(id, { CPU: 4, Memory: 8 * GB }, { Labels: labels }),
        }),
      );
      if (step % 97 > 0) continue;
      const [followed, fresh] = [fleet, new Fleet(1.5, fleet.nodes.values())].map((each) =>
        each.candidates(request)
      );
      expect([...followed!.fit].toSorted()).toEqual([...fresh!.fit].toSorted());
      const groups = (candidates: typeof fresh) =>
        [...candidates!.groups].map(({ refusal, nodes }) => `${refusal.reason}: ${[...nodes].toSorted()}`)
          .toSorted();
      expect(groups(followed)).toEqual(groups(fresh));
      expect(followed!.matching).toBe(fresh!.matching);
    }
  });
});

describe('a queue time-out', () => {
  it('counts from when the job first waited, whatever asks were refused meanwhile', () => {
    const spec = makeJob();
    const job = makeJob({ Tasks: [{ ...spec.Tasks[0]!, Timeouts: { QueueTimeout: 300 } }] });
    const cluster = new Cluster(job, [makeNode('n-1')]);
    const start = cluster.now;
    let asks = 0;
    for (let plan = cluster.step(); plan.job?.state !== 'Failed'; plan = cluster.step()) {
      const [live] = cluster.live();
      if (live) {
        asks++;
        cluster.report(live.id, 'refused', { code: 'BidDeferred', message: 'port 80 is taken' });
      } else cluster.now = plan.wake!.at;
      expect(cluster.now - start).toBeLessThanOrEqual(300n * SECOND);
    }
    expect(asks).toBeGreaterThan(2);
    expect(cluster.now - start).toBe(300n * SECOND);
  });
});

describe('an ops job', () => {
  it.each(['BidDeferred', 'BidTimeout', 'NodeSilent'])('asks a node again that answered with %s', (code) => {
    const cluster = new Cluster(makeJob({ Type: 'ops', Count: 0 }), [makeNode('n-1'), makeNode('n-2')]);
    cluster.step();
    cluster.report('e-1', 'completed');
    cluster.report('e-2', 'refused', { code, message: 'not now' });
    let plan = cluster.step();
    if (plan.create.length === 0) {
      expect(plan.job?.state).not.toBe('Completed');
      cluster.now = plan.wake!.at;
      plan = cluster.step();
    }
    expect(plan.create).toMatchObject([{ slot: 'n:n-2' }]);
    cluster.report('e-3', 'completed');
    expect(cluster.step().job?.state).toBe('Completed');
  });

  it('is complete when the others refused for good', () => {
    const cluster = new Cluster(makeJob({ Type: 'ops', Count: 0 }), [makeNode('n-1'), makeNode('n-2')]);
    cluster.step();
    cluster.report('e-1', 'completed');
    cluster.report('e-2', 'refused', { code: 'BidRejected', message: 'never' });
    expect(cluster.step().job?.state).toBe('Completed');
  });
});
