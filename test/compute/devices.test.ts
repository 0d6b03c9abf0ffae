/** GPUs of executions: which ones a run gets, that no two runs share one (S10), and that a restart keeps them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Capacity } from '../../mod/compute/capacity.ts';
import { chooseDevices } from '../../mod/compute/devices.ts';
import type { Engine, RunRequest } from '../../mod/engine/engine.ts';
import { addResources, type Gpu, maxResources, subtractResources } from '../../mod/model/mod.ts';
import { ask, execution, harness, untilPhase } from './rig.ts';
import { until } from '../support/until.ts';

const gpu = (Vendor: string, Index: number): Gpu => ({
  Index,
  Name: `Card ${Index}`,
  Vendor,
  Memory: 1024,
  PCIAddress: '',
});
const CARDS = [gpu('NVIDIA', 0), gpu('Intel', 0), gpu('Intel', 1)];

describe('arithmetic', () => {
  const total = { CPU: 1, GPU: 3, GPUs: CARDS };
  const one = { GPU: 1, GPUs: [CARDS[1]!] };

  it('neither loses nor invents devices', () => {
    expect(subtractResources(total, one)).toEqual({ CPU: 1, GPU: 2, GPUs: [CARDS[0], CARDS[2]] });
    expect(addResources(subtractResources(total, one), one).GPUs).toHaveLength(3);
    expect(subtractResources(total, total)).toEqual({});
    expect(maxResources(one, { Disk: 1 })).toEqual({ Disk: 1, ...one });
  });
});

describe('chooseDevices', () => {
  const free = { GPU: 3, GPUs: CARDS };

  it('takes all of one vendor where it has enough', () => {
    expect(chooseDevices({ CPU: 1, GPU: 1 }, free)).toEqual({ CPU: 1, GPU: 1, GPUs: [CARDS[0]] });
    expect(chooseDevices({ GPU: 2 }, free).GPUs).toEqual([CARDS[1], CARDS[2]]);
    expect(chooseDevices({ GPU: 3 }, free).GPUs).toEqual(CARDS);
  });

  it('gives none to a job that asks for none', () => {
    expect(chooseDevices({ CPU: 1 }, free)).toEqual({ CPU: 1 });
  });
});

it('no device belongs to two runs over any mix of begins and ends', () => {
  const step = fc.record({ gpus: fc.integer({ min: 0, max: 3 }), end: fc.nat() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const capacity = new Capacity({ CPU: 100, GPU: 3, GPUs: CARDS });
    const held = new Map<string, readonly Gpu[]>();
    steps.forEach(({ gpus, end }, index) => {
      const id = `e-${index}`;
      if (gpus <= (capacity.available.GPU ?? 0)) {
        const chosen = chooseDevices({ CPU: 1, GPU: gpus }, capacity.available);
        expect(chosen.GPUs ?? []).toHaveLength(gpus);
        capacity.hold(id, chosen);
        held.set(id, chosen.GPUs ?? []);
      }
      const all = [...held.values()].flat();
      expect(new Set(all).size).toBe(all.length);
      expect(all.length + (capacity.available.GPUs?.length ?? 0)).toBe(CARDS.length);
      const ids = capacity.ids();
      const gone = ids[end % ids.length];
      if (!gone) return;
      capacity.release(gone);
      held.delete(gone);
    });
  }));
});

it('a node gives each run its own devices, keeps them over a restart and takes them back', async () => {
  const requests = new Map<string, RunRequest>();
  const ends = new Map<string, () => void>();
  const runOf = (id: string) => {
    const { promise, resolve } = Promise.withResolvers<{ kind: 'exited'; exitCode: number }>();
    ends.set(id, () => resolve({ kind: 'exited', exitCode: 0 }));
    const end = async () => ends.get(id)!();
    return {
      identity: { engine: 'noop', id },
      state: 'running' as const,
      start: async () => {},
      wait: () => promise,
      stop: end,
      remove: end,
    };
  };
  const engine: Engine = {
    type: 'noop',
    available: async () => null,
    check: async () => null,
    async create(request) {
      requests.set(request.executionId, request);
      return runOf(request.executionId);
    },
    async find({ id }, request) {
      requests.set(id, request);
      return runOf(id);
    },
    close: async () => {},
  };
  const h = await harness({
    engines: [engine],
    capacity: { CPU: 4, Memory: 1024 ** 3, Disk: 1024 ** 3, GPU: 3, GPUs: CARDS },
  });
  // The last is the oldest: a restart reads it first.
  const created: Record<string, bigint> = { 'e-1': 2n, 'e-2': 3n, 'e-3': 1n };
  const wanting = (id: string, GPU: string) =>
    execution(id, {}, { desired: 1, created: created[id]!, task: { Resources: { GPU } } });
  const devices = (id: string) => requests.get(id)!.resources.GPUs;
  try {
    expect(h.node.nodeInfo().ComputeNodeInfo.MaxCapacity.GPUs).toEqual(CARDS);
    await h.send(ask(wanting('e-1', '1')));
    await untilPhase(h, 'e-1', 'running');
    await h.send(ask(wanting('e-2', '2')));
    await untilPhase(h, 'e-2', 'running');
    expect(devices('e-1')).toEqual([CARDS[0]]);
    expect(devices('e-2')).toEqual([CARDS[1], CARDS[2]]);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.GPU).toBeUndefined();
    await h.send(ask(wanting('e-3', '1')));
    await untilPhase(h, 'e-3', 'queued');

    await h.crash();
    requests.clear();
    await h.start();
    expect(devices('e-1')).toEqual([CARDS[0]]);
    expect(devices('e-2')).toEqual([CARDS[1], CARDS[2]]);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.GPUs).toBeUndefined();
    expect(requests.has('e-3')).toBe(false);
    ends.get('e-2')!();
    await until(() => requests.has('e-3'));
    expect(devices('e-3')).toEqual([CARDS[1]]);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.GPUs).toEqual([CARDS[2]]);
  } finally {
    await h.close();
  }
});
