/** Ports of executions: no port belongs to two runs (S10), whatever ends, begins or restarts. */
import fc from 'fast-check';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { describePorts, portEnvironment, Ports } from '../../mod/compute/ports.ts';
import type { Engine, RunRequest } from '../../mod/engine/engine.ts';
import { ComputeStore } from '../../mod/store/compute_store.ts';
import type { NetworkType, PortMapping, Task } from '../../mod/model/mod.ts';
import { bindFailure } from '../../runtime/ports.ts';
import { realWorld } from '../../runtime/world.ts';
import { accept, ask, cancel, execution, harness, untilPhase } from './rig.ts';
import type { HarnessOptions } from './rig.ts';
import { until } from '../support/until.ts';

const free = () => Promise.resolve(null);
const never = new AbortController().signal;
const range = (first: number, last: number) => ({ first, last, bindFailure: free });

function taskWith(Type: NetworkType, ...Ports: PortMapping[]): Task {
  return { Name: 'main', Engine: null, Publisher: null, Network: { Type, Ports } };
}

const statics = (ports: readonly PortMapping[]) => ports.map(({ Static }) => Static!);

describe('Ports', () => {
  it('gives the next free one of the range, round and round', async () => {
    const ports = new Ports(range(100, 102), realWorld);
    const given: number[] = [];
    for (const id of ['a', 'b', 'c', 'd']) {
      given.push(...statics(await ports.assign(id, taskWith('Host', { Name: 'http' }))));
      ports.release(id);
    }
    expect(new Set(given.slice(0, 3)).size).toBe(3);
    expect(given[3]).toBe(given[0]);
  });

  it('passes over those that the host or another run has, and says so when there are none', async () => {
    const ports = new Ports(
      { first: 100, last: 102, bindFailure: async (port) => port === 101 ? 'EADDRINUSE' : null },
      realWorld,
    );
    const given = statics(await ports.assign('a', taskWith('Host', { Name: 'x' }, { Name: 'y' })));
    expect(given.toSorted()).toEqual([100, 102]);
    await expect(ports.assign('b', taskWith('Host', { Name: 'z' }))).rejects.toThrow(
      /no port left for "z" between 100 and 102/,
    );
    ports.release('b');
    ports.release('a');
    expect([100, 101, 102].map((port) => ports.owner(port))).toEqual([undefined, undefined, undefined]);
  });

  it('a bridge publishes to the same port where none is named, a host network to none', async () => {
    const ports = new Ports(range(100, 110), realWorld);
    const [same, other] = await ports.assign(
      'a',
      taskWith('Bridge', { Name: 'same' }, { Name: 'other', Static: 8080, Target: 80 }),
    );
    expect(same!.Target).toBe(same!.Static);
    expect(other).toEqual({ Name: 'other', Static: 8080, Target: 80 });
    const [host] = await ports.assign('b', taskWith('Full', { Name: 'h', HostNetwork: '127.0.0.1' }));
    expect(host!.Target).toBeUndefined();
    expect(portEnvironment([other!, host!])).toEqual({
      BACALHAU_HOST_PORT_other: '8080',
      BACALHAU_PORT_other: '80',
      BACALHAU_HOST_PORT_h: String(host!.Static),
    });
    expect(describePorts([other!, host!])).toBe(`other: 8080 → 80, h: 127.0.0.1:${host!.Static}`);
  });

  it('has nothing to give to networks without ports', async () => {
    const ports = new Ports(range(100, 100), realWorld);
    expect(await ports.assign('a', taskWith('None', { Name: 'x' }))).toEqual([]);
    expect(await ports.assign('a', { Name: 'main', Engine: null, Publisher: null })).toEqual([]);
  });

  it('refuses at bid time what another execution has, and names it', async () => {
    const ports = new Ports(range(100, 110), realWorld);
    const wanted = taskWith('Bridge', { Name: 'http', Static: 8080 });
    expect(await ports.claim('e-first', wanted, never)).toEqual([]);
    expect(await ports.claim('e-first', wanted, never)).toEqual([]);
    const [refusal] = await ports.claim('e-second', wanted, never);
    expect(refusal).toMatchObject({ code: 'PortTaken', retryable: true });
    expect(refusal!.reason).toContain('port 8080 to execution "e-first"');
    ports.release('e-first');
    expect(await ports.claim('e-second', wanted, never)).toEqual([]);
  });

  it('waits for one whose execution is being stopped, as long as the bid may take', async () => {
    const ports = new Ports(range(100, 110), realWorld);
    const wanted = taskWith('Bridge', { Name: 'http', Static: 8080 });
    await ports.claim('e-first', wanted, never);
    ports.leave('e-first');
    const abort = new AbortController();
    const given = ports.claim('e-second', wanted, never);
    const impatient = ports.claim('e-third', wanted, abort.signal);
    abort.abort();
    expect(await impatient).toMatchObject([{ code: 'PortTaken' }]);
    ports.release('e-first');
    expect(await given).toEqual([]);
    expect(ports.owner(8080)).toBe('e-second');
  });

  it('refuses for good more ports than the range has', async () => {
    const ports = new Ports(range(100, 101), realWorld);
    const wanted = ['a', 'b', 'c'].map((Name) => ({ Name }));
    const [refusal] = await ports.claim('e', taskWith('Host', ...wanted), never);
    expect(refusal).toMatchObject({ code: 'TooManyPorts', retryable: false });
    expect(refusal!.reason).toBe('this node has 2 ports for jobs, and the job asks for 3');
  });

  it('asks the real host: one in use by another program, an address of another host', async () => {
    const ports = new Ports({ ...range(20_000, 32_000), bindFailure }, realWorld);
    const rival = createServer();
    await new Promise<void>((resolve) => rival.listen(0, '127.0.0.1', resolve));
    const { port } = rival.address() as AddressInfo;
    const [inUse] = await ports.claim('a', taskWith('Host', { Name: 'x', Static: port }), never);
    expect(inUse).toMatchObject({ code: 'PortInUse', retryable: true });
    await new Promise((resolve) => rival.close(resolve));
    expect(await ports.claim('a', taskWith('Host', { Name: 'x', Static: port }), never)).toEqual([]);
    const elsewhere = taskWith('Host', { Name: 'x', HostNetwork: '192.0.2.1' });
    await expect(ports.assign('b', elsewhere)).rejects.toThrow(/does not have the address "192.0.2.1"/);
  });

  it('waits a moment for a port that was released just now', async () => {
    let busy = 3;
    const ports = new Ports(
      { ...range(1, 2), bindFailure: async () => busy-- > 0 ? 'EADDRINUSE' : null },
      realWorld,
    );
    const wanted = taskWith('Host', { Name: 'x', Static: 8080 });
    expect(await ports.claim('a', wanted, never)).toMatchObject([{ code: 'PortInUse' }]);
    ports.release('a');
    expect(await ports.claim('b', wanted, never)).toEqual([]);
  });

  it('no port has two owners over any mix of bids, runs, ends and restarts', async () => {
    const step = fc.record({
      what: fc.constantFrom('claim', 'assign', 'release', 'restart'),
      id: fc.integer({ min: 0, max: 5 }),
      named: fc.option(fc.integer({ min: 100, max: 106 })),
      dynamic: fc.integer({ min: 0, max: 3 }),
      busy: fc.array(fc.integer({ min: 100, max: 106 }), { maxLength: 3 }),
    });
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      let busy: readonly number[] = [];
      const options = {
        first: 100,
        last: 106,
        bindFailure: async (port: number) => busy.includes(port) ? 'EADDRNOTAVAIL_' : null,
      };
      // Time passes between steps, so that nothing waits for a released port.
      const world = { ...realWorld, elapsed: () => clock += 10_000 };
      let clock = 0;
      let ports = new Ports(options, world);
      const running = new Map<string, readonly PortMapping[]>();
      const begin = async (id: string, task: Task) => {
        try {
          running.set(id, await ports.assign(id, task));
        } catch {
          ports.release(id);
        }
      };
      for (const it of steps) {
        const id = `e-${it.id}`;
        const named = it.named ? [{ Name: 's', Static: it.named }] : [];
        const more = Array.from({ length: it.dynamic }, (_, index) => ({ Name: `d${index}` }));
        const task = taskWith('Host', ...named, ...more);
        busy = it.busy;
        if (it.what === 'claim' && !running.has(id)) {
          if ((await ports.claim(id, task, never)).length > 0) ports.release(id);
        } else if (it.what === 'assign' && !running.has(id)) {
          // Two begin at the same time.
          const other = `${id}b`;
          await Promise.all([begin(id, task), ...(running.has(other) ? [] : [begin(other, task)])]);
        } else if (it.what === 'release') {
          ports.release(id);
          running.delete(id);
        } else if (it.what === 'restart') {
          ports = new Ports(options, world);
          for (const [each, held] of running) ports.hold(each, held);
        }
        const all = [...running.values()].flatMap(statics);
        expect(new Set(all).size).toBe(all.length);
        for (const [each, held] of running) {
          for (const port of statics(held)) expect(ports.owner(port)).toBe(each);
        }
      }
      for (const each of [...running.keys(), 'e-0', 'e-1', 'e-2', 'e-3', 'e-4', 'e-5']) ports.release(each);
      for (let port = 100; port <= 106; port++) expect(ports.owner(port)).toBeUndefined();
    }));
  });
});

/** Runs that last until they are let end, and outlive the node as containers do. */
function lasting(): { engine: Engine; requests: Map<string, RunRequest>; end: (id: string) => void } {
  const requests = new Map<string, RunRequest>();
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const runOf = (id: string) => {
    const ended = ends.get(id) ?? Promise.withResolvers<void>();
    ends.set(id, ended);
    return {
      identity: { engine: 'noop', id },
      state: 'running' as const,
      start: async () => {},
      wait: async () => {
        await ended.promise;
        return { kind: 'exited' as const, exitCode: 0 };
      },
      stop: async () => ended.resolve(),
      remove: async () => ended.resolve(),
    };
  };
  return {
    requests,
    end: (id) => ends.get(id)!.resolve(),
    engine: {
      type: 'noop',
      available: async () => null,
      check: async () => null,
      async pin(_task, signal) {
        signal.throwIfAborted();
        return { 'docker.image.digest': 'sha256:1' };
      },
      async create(request) {
        requests.set(request.executionId, request);
        return runOf(request.executionId);
      },
      find: async ({ id }, request) => {
        requests.set(id, request);
        return runOf(id);
      },
      close: async () => {},
    },
  };
}

describe('a node that publishes ports', () => {
  const options = (engine: Engine, more: HarnessOptions = {}): HarnessOptions => ({
    engines: [engine],
    ports: { first: 25_000, last: 25_001, bindFailure: free },
    ...more,
  });
  const published = (id: string, ...ports: PortMapping[]) =>
    execution(id, {}, { desired: 1, task: taskOf('Bridge', ports) });
  const taskOf = (Type: NetworkType, Ports: PortMapping[]) => ({ Network: { Type, Ports } });

  it('gives two on it two ports, tells the programs, and has them free after the end', async () => {
    const { engine, requests, end } = lasting();
    const h = await harness(options(engine));
    try {
      const http = { Name: 'http', Target: 80 };
      await h.send(ask(published('e-1', http)));
      await h.send(ask(published('e-2', http)));
      await until(() => requests.size === 2);
      const [first, second] = ['e-1', 'e-2'].map((id) => requests.get(id)!.ports![0]!);
      expect([first!.Static, second!.Static].toSorted()).toEqual([25_000, 25_001]);
      expect(requests.get('e-1')!.env).toMatchObject({
        BACALHAU_HOST_PORT_http: String(first!.Static),
        BACALHAU_PORT_http: '80',
      });
      // The range is used up: the third fails as the node's fault, so that it may be placed elsewhere.
      await h.send(ask(published('e-3', http)));
      const failed = await h.until('ComputeError', 'e-3');
      expect(failed.payload.Events![0]!.Message).toContain('no port left for "http"');
      end('e-1');
      const result = await h.until('RunResult', 'e-1');
      expect(result.payload.Events!.map(({ Message }) => Message)).toContain(
        `Publishing ports: http: ${first!.Static} → 80`,
      );
      await h.send(ask(published('e-4', http)));
      await until(() => requests.has('e-4'));
      expect(requests.get('e-4')!.ports![0]!.Static).toBe(first!.Static);
    } finally {
      await h.close();
    }
  });

  it('refuses a port that another execution was promised, until that has gone', async () => {
    const { engine } = lasting();
    const h = await harness(options(engine));
    const it = (id: string) => execution(id, {}, { task: taskOf('Host', [{ Name: 'x', Static: 8080 }]) });
    try {
      await h.send(ask(it('e-1')));
      await untilPhase(h, 'e-1', 'offered');
      await h.send(ask(it('e-2')));
      const no = await h.until('BidResult', 'e-2');
      expect(no.payload).toMatchObject({ Accepted: false });
      expect(no.payload.Events![0]!.Message).toContain('port 8080 to execution "e-1"');
      expect(no.payload.Events![0]!.Details).toMatchObject({ Retryable: 'true' });
      await h.crash();
      await h.start();
      await h.send(ask(it('e-3')));
      expect((await h.until('BidResult', 'e-3')).payload).toMatchObject({ Accepted: false });
      await h.send(cancel('e-1'));
      await untilPhase(h, 'e-1', 'cancelled');
      await h.send(ask(it('e-4')));
      expect((await h.until('BidResult', 'e-4')).payload).toMatchObject({ Accepted: true });
    } finally {
      await h.close();
    }
  });

  it('gives the port of a job that is being stopped to the next that asks for it', async () => {
    const { engine, requests } = lasting();
    const h = await harness(options(engine));
    try {
      await h.send(ask(published('e-1', { Name: 'x', Static: 8080 })));
      await untilPhase(h, 'e-1', 'running');
      await Promise.all([
        h.send(cancel('e-1')),
        h.send(ask(published('e-2', { Name: 'x', Static: 8080 }))),
      ]);
      await until(() => requests.has('e-2'));
      expect(requests.get('e-2')!.ports).toEqual([{ Name: 'x', Static: 8080, Target: 8080 }]);
    } finally {
      await h.close();
    }
  });

  it('stores them before the object is made, and holds them again after a restart without a try', async () => {
    const { engine, requests, end } = lasting();
    const stored: (readonly PortMapping[])[] = [];
    let tries = 0;
    const noting: Engine = {
      ...engine,
      async create(request, signal) {
        stored.push((await new ComputeStore(h.db).find(request.executionId))!.ports);
        return await engine.create(request, signal);
      },
    };
    const ports = {
      first: 25_000,
      last: 25_001,
      bindFailure: async () => {
        tries++;
        return null;
      },
    };
    const h = await harness(options(noting, { ports }));
    try {
      await h.send(ask(published('e-1', { Name: 'http' })));
      await untilPhase(h, 'e-1', 'running');
      const given = requests.get('e-1')!.ports!;
      expect(stored).toEqual([given]);
      await h.crash();
      requests.clear();
      tries = 0;
      await h.start();
      expect(requests.get('e-1')!.ports).toEqual(given);
      expect(requests.get('e-1')!.pinned).toEqual({ 'docker.image.digest': 'sha256:1' });
      expect(tries).toBe(0);
      await h.send(ask(published('e-2', { Name: 'http' })));
      await until(() => requests.has('e-2'));
      expect(requests.get('e-2')!.ports![0]!.Static).not.toBe(given[0]!.Static);
      end('e-1');
      await h.until('RunResult', 'e-1');
    } finally {
      await h.close();
    }
  });

  it('gives to the run what was pinned with the bid, also when a restart lies between', async () => {
    const { engine, requests } = lasting();
    const h = await harness(options(engine));
    try {
      await h.send(ask(execution('e-1')));
      await untilPhase(h, 'e-1', 'offered');
      await h.crash();
      await h.start();
      await h.send(accept('e-1'));
      await until(() => requests.has('e-1'));
      expect(requests.get('e-1')!.pinned).toEqual({ 'docker.image.digest': 'sha256:1' });
    } finally {
      await h.close();
    }
  });
});
