/** S10 and the order of the local queue. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Capacity } from '../../mod/compute/capacity.ts';
import { LocalQueue } from '../../mod/compute/queue.ts';
import { ENTERED_FROM, isEnded } from '../../mod/compute/phase.ts';
import { fitsInto } from '../../mod/model/mod.ts';
import { COMPUTE_PHASES } from '../../mod/store/compute_rows.ts';
import { ComputeStore } from '../../mod/store/compute_store.ts';
import { realWorld } from '../../runtime/world.ts';
import { ask, cancel, execution, harness, phaseOf, untilPhase } from './rig.ts';
import { until } from '../support/until.ts';

describe('LocalQueue', () => {
  const waiting = (id: string, CPU: number, priority = 0, queuedAt = 0n) => ({
    id,
    priority,
    queuedAt,
    resources: { CPU },
  });

  it('takes the higher priority first, then the older', () => {
    const queue = new LocalQueue(16);
    queue.add(waiting('new', 1, 0, 2n));
    queue.add(waiting('old', 1, 0, 1n));
    queue.add(waiting('high', 1, 5, 3n));
    expect([1, 2, 3].map(() => queue.take({ CPU: 1 })!.id)).toEqual(['high', 'old', 'new']);
  });

  it('lets small ones overtake a large one only so often', () => {
    const queue = new LocalQueue(2);
    queue.add(waiting('large', 4));
    for (const id of ['a', 'b', 'c']) queue.add(waiting(id, 1));
    expect([1, 2, 3].map(() => queue.take({ CPU: 1 })?.id)).toEqual(['a', 'b', undefined]);
    expect(queue.take({ CPU: 4 })!.id).toBe('large');
    expect(queue.take({ CPU: 4 })!.id).toBe('c');
  });
});

it('what is held never exceeds the total, and all of it comes back', () => {
  const step = fc.record({ cpu: fc.integer({ min: 1, max: 40 }), end: fc.nat() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const capacity = new Capacity({ CPU: 4, Memory: 100 });
    const queue = new LocalQueue(4);
    steps.forEach(({ cpu, end }, index) => {
      queue.add({
        id: `e-${index}`,
        priority: 0,
        queuedAt: BigInt(index),
        resources: { CPU: cpu / 10, Memory: cpu },
      });
      for (let next = queue.take(capacity.available); next; next = queue.take(capacity.available)) {
        capacity.hold(next.id, next.resources);
        expect(fitsInto(capacity.used, capacity.total)).toBe(true);
      }
      const ids = capacity.ids();
      capacity.release(ids[end % ids.length] ?? '');
    });
    for (const id of capacity.ids()) capacity.release(id);
    expect(capacity.used).toEqual({});
  }));
});

it('a node never runs more than its capacity, and runs all in the end', async () => {
  const engineRuns = { now: 0, most: 0 };
  const h = await harness({
    engines: [{
      type: 'noop',
      available: async () => null,
      check: async () => null,
      async create({ executionId, resources }) {
        const cpu = Math.round((resources.CPU ?? 0) * 10);
        const ended = Promise.withResolvers<void>();
        return {
          identity: { engine: 'noop', id: executionId },
          async start() {
            engineRuns.now += cpu;
            engineRuns.most = Math.max(engineRuns.most, engineRuns.now);
            realWorld.after(1, () => {
              engineRuns.now -= cpu;
              ended.resolve();
            });
          },
          async wait() {
            await ended.promise;
            return { kind: 'exited', exitCode: 0 };
          },
          stop: async () => {},
          remove: async () => {},
        };
      },
      find: async () => null,
      close: async () => {},
    }],
  });
  try {
    for (let index = 0; index < 60; index++) {
      const task = { Resources: { CPU: `${((index * 7) % 10 + 1) / 10}` } };
      void h.send(ask(execution(`e-${index}`, {}, { desired: 1, task })));
    }
    await until(() => h.sent.filter(({ type }) => type === 'RunResult').length === 60);
    await until(() => engineRuns.now === 0);
    expect(engineRuns.most).toBeLessThanOrEqual(10);
    expect(engineRuns.most).toBeGreaterThan(5);
  } finally {
    await h.close();
  }
});

it('the next starts when a program has ended, however long its object takes to be removed', async () => {
  const started: string[] = [];
  const removed = Promise.withResolvers<void>();
  const h = await harness({
    engines: [{
      type: 'noop',
      available: async () => null,
      check: async () => null,
      create: async ({ executionId }) => ({
        identity: { engine: 'noop', id: executionId },
        start: async () => void started.push(executionId),
        wait: async () => ({ kind: 'exited', exitCode: 0 }),
        stop: async () => {},
        remove: () => removed.promise,
      }),
      find: async () => null,
      close: async () => {},
    }],
  });
  try {
    const Ports = [{ Name: 'x', Static: 8080 }];
    const task = { Resources: { CPU: '1' }, Network: { Type: 'Host', Ports } } as const;
    for (const id of ['e-1', 'e-2', 'e-3']) {
      await h.send(ask(execution(id, {}, { desired: 1, task })));
      await until(() => started.includes(id) && h.node.debugInfo().available.CPU === 1);
    }
  } finally {
    removed.resolve();
    await h.close();
  }
});

it('no phase is entered from an ended one, and each but the first from some', () => {
  for (const phase of COMPUTE_PHASES) {
    expect(ENTERED_FROM[phase].filter(isEnded)).toEqual([]);
    if (phase !== 'received') expect(ENTERED_FROM[phase].length).toBeGreaterThan(0);
  }
});

it('what a program holds beyond its grant is not given to the next one', async () => {
  const MIB = 2 ** 20;
  let memory = 100 * MIB;
  const h = await harness({
    capacity: { CPU: 4, Memory: 400 * MIB },
    timings: { usageMs: 5 },
    engines: [{
      type: 'noop',
      available: async () => null,
      check: async () => null,
      overhead: { Memory: 50 * MIB },
      create: async ({ resources }) => ({
        identity: { engine: 'noop', id: String(resources.Memory) },
        start: async () => {},
        wait: () => new Promise(() => {}),
        stop: async () => {},
        remove: async () => {},
        memory: () => memory,
      }),
      find: async () => null,
      close: async () => {},
    }],
  });
  try {
    const task = { Resources: { Memory: `${100 * MIB}` } };
    await h.send(ask(execution('e-1', {}, { desired: 1, task })));
    // The program gets what it asked for; the node counts what its engine takes beside.
    await until(() => h.node.debugInfo().available.Memory === 250 * MIB);
    await untilPhase(h, 'e-1', 'running');
    expect((await new ComputeStore(h.db).find('e-1'))!.identity!.id).toBe(String(100 * MIB));
    memory = 300 * MIB;
    await until(() => h.node.debugInfo().available.Memory === 100 * MIB);
    await h.send(ask(execution('e-2', {}, { desired: 1, task })));
    await until(() => h.node.debugInfo().queued.length === 1);
  } finally {
    await h.node.close('keep');
    await h.close();
  }
});

it('a node that has become smaller hands back what can no longer fit, and the rest of its queue goes on', async () => {
  const options = { capacity: { CPU: 2, Memory: 1024 ** 3, Disk: 1024 ** 3 } };
  const h = await harness(options);
  try {
    const order = (id: string, CPU: string) =>
      h.send(ask(execution(id, { DelayMs: 60_000 }, { desired: 1, task: { Resources: { CPU } } })));
    await order('e-1', '1.5');
    await until(() => h.starts.length === 1);
    await order('e-2', '2');
    await order('e-3', '0.5');
    await until(() => h.node.debugInfo().queued.length + h.starts.length === 3);
    await h.crash();
    Object.assign(options.capacity, { CPU: 1.5 });
    await h.start();
    const [event] = (await h.until('ComputeError', 'e-2')).payload.Events!;
    expect(event!.Message).toContain('no longer has the CPU');
    expect(event!.Details).toMatchObject({ class: 'infrastructure', Retryable: 'true' });
    expect(await phaseOf(h, 'e-2')).toBe('failed');
    await h.send(cancel('e-1'));
    await until(() => h.starts.at(-1)!.startsWith('e-3/'));
  } finally {
    await h.close();
  }
});
