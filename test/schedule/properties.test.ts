/**
 * Random clusters, jobs and histories: nodes answer, refuse, stay silent, fail, end, vanish and come back in any order;
 * versions change; jobs are stopped. After each step the safety rules hold (S2, S3, S11, S19, S5 by the model's own
 * checks); once the faults stop every job ends (L1) and its plan is empty (L8).
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addResources, fitsInto, isLive, isTerminalPhase, type Resources } from '../../mod/model/mod.ts';
import type { NodeView } from '../../mod/schedule/mod.ts';
import { Cluster, isSettled, makeInfo, makeJob, makeNode, SECOND } from './model.ts';

type Step =
  | { readonly do: 'report'; readonly pick: number; readonly what: number }
  | { readonly do: 'node'; readonly pick: number; readonly session: NodeView['session'] }
  | { readonly do: 'time'; readonly seconds: number }
  | { readonly do: 'update' }
  | { readonly do: 'stop' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('report'), pick: fc.nat(), what: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('node'),
      pick: fc.nat(),
      session: fc.constantFrom('connected', 'suspect', 'away'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time'), seconds: fc.nat(400) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('update') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop') }) },
) as fc.Arbitrary<Step>;

const scenario = fc.record({
  type: fc.constantFrom('batch', 'batch', 'batch', 'ops', 'service', 'daemon'),
  count: fc.integer({ min: 0, max: 6 }),
  cpus: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
  maxPlacements: fc.constantFrom(1, 3, 100),
  steps: fc.array(step, { maxLength: 40 }),
});

function build(
  { type, count, cpus, maxPlacements }: typeof scenario extends fc.Arbitrary<infer T> ? T : never,
) {
  const perNode = type === 'ops' || type === 'daemon';
  const nodes = cpus.map((CPU, i) =>
    makeNode(`n-${i}`, { info: makeInfo(`n-${i}`, { CPU, Memory: 100_000_000_000 }) })
  );
  const job = makeJob({ Type: type as 'batch', Count: perNode ? 0 : count });
  return new Cluster(job, nodes, { maxPlacements });
}

/** What a node can say of an execution in that phase. */
function report(cluster: Cluster, pick: number, what: number): void {
  const held = cluster.executions.filter(({ phase }) => !isTerminalPhase(phase));
  const execution = held[pick % held.length];
  if (!execution) return;
  const { id, phase } = execution;
  if (phase === 'stopping') return cluster.report(id, 'stopped');
  if (phase === 'asked') {
    if (what < 6) return cluster.report(id, 'offered');
    return cluster.report(id, 'refused', { code: what < 8 ? 'BidRejected' : 'BidDeferred', message: 'no' });
  }
  if (phase === 'offered') return;
  if (what < 4) {
    // The orchestrator turns the end of a long-running program into a failure before it is scheduled again.
    const endless = cluster.job.spec.Type === 'service' || cluster.job.spec.Type === 'daemon';
    return endless
      ? cluster.report(id, 'failed', { class: 'user', message: 'ended' })
      : cluster.report(id, 'completed');
  }
  if (what < 6) return cluster.report(id, 'running');
  const kinds = ['infrastructure', 'infrastructure', 'user', 'timeout'] as const;
  cluster.report(id, 'failed', { class: kinds[what - 6]!, message: 'failed' });
}

function act(cluster: Cluster, next: Step): void {
  switch (next.do) {
    case 'report':
      return report(cluster, next.pick, next.what);
    case 'node': {
      const node = cluster.nodes[next.pick % cluster.nodes.length];
      if (node && node.session !== next.session) {
        node.session = next.session;
        if (next.session === 'connected') node.connectedSince = cluster.now;
      }
      return;
    }
    case 'time':
      cluster.now += BigInt(next.seconds) * SECOND;
      return;
    case 'update':
      cluster.job.spec = { ...cluster.job.spec, Version: cluster.job.spec.Version + 1 };
      Object.assign(cluster.job, { state: 'Pending', queuedAt: 0n, deadline: 0n });
      cluster.slots.clear();
      return;
    case 'stop':
      if (!['Completed', 'Failed'].includes(cluster.job.state)) cluster.job.state = 'Stopped';
  }
}

function checkSafety(cluster: Cluster): void {
  const slots = new Set<string>();
  const attempts = new Set<string>();
  const used = new Map<string, Resources>();
  for (const { id, version, slot, attempt, nodeId, phase } of cluster.executions) {
    if (isLive(phase)) {
      expect(slots, 'one live execution per slot').not.toContain(`${version}/${slot}`);
      slots.add(`${version}/${slot}`);
    }
    expect(attempts).not.toContain(`${version}/${slot}/${attempt}`);
    attempts.add(`${version}/${slot}/${attempt}`);
    if (isLive(phase) || phase === 'stopping') {
      used.set(nodeId, addResources(used.get(nodeId) ?? {}, cluster.resources.get(id)!));
    }
  }
  for (const node of cluster.nodes) {
    const limit = Object.fromEntries(
      Object.entries(node.info.ComputeNodeInfo.MaxCapacity).map((
        [key, amount],
      ) => [key, (amount as number) * cluster.policy.overCommit]),
    );
    expect(fitsInto(used.get(node.id) ?? {}, limit), `${node.id} is oversold`).toBe(true);
  }
  const { job } = cluster;
  if (job.state === 'Completed' && job.spec.Type === 'batch') {
    for (let index = 0; index < job.spec.Count; index++) {
      expect(cluster.slots.get(String(index))?.countedExec, `slot ${index} has a result`).toBeTruthy();
    }
  }
  for (const { executions } of bySlot(cluster).values()) {
    const failures = executions.filter(({ phase }) => phase === 'failed' || phase === 'lost');
    if (job.spec.Type === 'batch') expect(failures.length).toBeLessThanOrEqual(1 + cluster.policy.maxRetries);
    if (job.spec.Type === 'batch' || job.spec.Type === 'ops') {
      const final = failures.findIndex((failure) => failure.class === 'user' || failure.class === 'timeout');
      if (final >= 0) expect(failures.length, 'nothing after a user error').toBe(final + 1);
    }
  }
}

function bySlot(cluster: Cluster) {
  return Map.groupBy(cluster.executions, ({ version, slot }) => `${version}/${slot}`).entries().reduce(
    (map, [key, executions]) => map.set(key, { executions }),
    new Map<string, { executions: Cluster['executions'] }>(),
  );
}

/** All nodes are there and do what they are told; time goes on only when nothing else happens. */
function evaluateJob(cluster: Cluster): void {
  // New sessions: what a node refused in an earlier one may be asked again.
  cluster.now += 1n;
  for (const node of cluster.nodes) {
    Object.assign(node, { session: 'connected', connectedSince: cluster.now });
  }
  for (let round = 0; round < 400; round++) {
    const plan = cluster.step();
    checkSafety(cluster);
    const held = cluster.executions.filter(({ phase }) => !isTerminalPhase(phase));
    const endless = ['service', 'daemon'].includes(cluster.job.spec.Type);
    let moved = plan.create.length > 0 || plan.change.length > 0;
    for (const { id, phase } of held) {
      if (phase === 'asked') cluster.report(id, 'offered');
      else if (phase === 'stopping') cluster.report(id, 'stopped');
      else if (phase !== 'offered' && !endless) cluster.report(id, 'completed');
      else if (phase !== 'offered' && phase !== 'running') cluster.report(id, 'running');
      else continue;
      moved = true;
    }
    if (moved) continue;
    if (['Completed', 'Failed', 'Stopped'].includes(cluster.job.state)) return;
    const placed = cluster.live().length;
    const { Type, Count } = cluster.job.spec;
    const capacity = cluster.nodes.reduce(
      (sum, { info }) => sum + Math.floor(cluster.policy.overCommit * info.ComputeNodeInfo.MaxCapacity.CPU!),
      0,
    );
    if (Type === 'service' && placed === Math.min(Count, capacity)) return;
    if (Type === 'daemon' && placed === cluster.nodes.length) return;
    expect(plan.wake, 'something is left to do, so it must be looked at again').not.toBeNull();
    if (plan.wake!.at > cluster.now) cluster.now = plan.wake!.at;
    else cluster.now += SECOND;
  }
  throw new Error(`job is still ${cluster.job.state}: ${cluster.job.message}`);
}

it('is safe at every step, ends when the faults end, and then plans nothing', () => {
  fc.assert(
    fc.property(scenario, (options) => {
      const cluster = build(options);
      for (const next of options.steps) {
        act(cluster, next);
        cluster.step();
        checkSafety(cluster);
      }
      evaluateJob(cluster);
      expect(isSettled(cluster.plan())).toBe(true);
    }),
    { numRuns: 400 },
  );
});

it('plans the same from the same input', () => {
  fc.assert(
    fc.property(scenario, (options) => {
      const [one, two] = [build(options), build(options)];
      for (const next of options.steps) {
        for (const cluster of [one, two]) act(cluster, next);
        expect(one.step()).toEqual(two.step());
      }
    }),
    { numRuns: 50 },
  );
});
