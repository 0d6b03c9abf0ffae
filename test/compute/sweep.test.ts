/** What an engine has and nobody owns is removed; engines that are away are waited for. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Run, RunRequest } from '../../mod/engine/engine.ts';
import { ask, cancel, execution, harness, phaseOf, untilPhase } from './rig.ts';
import type { Harness, HarnessOptions } from './rig.ts';
import { exit, lasting } from './lasting.ts';
import type { Lasting } from './lasting.ts';
import { until } from '../support/until.ts';

const opened: Harness[] = [];
async function open(host: Lasting, options?: HarnessOptions) {
  const h = await harness({ engines: [host.engine], ...options });
  opened.push(h);
  return h;
}
afterEach(async () => {
  for (const h of opened.splice(0)) await h.close();
});

const task = { Engine: { Type: 'lasting' } };
const order = (id: string) => ask(execution(id, {}, { desired: 1, task }));
const stray = (executionId: string, runNo = 1) => ({ executionId, runNo }) as RunRequest;
const create = (host: Lasting, request: RunRequest): Promise<Run> =>
  host.engine.create(request, new AbortController().signal);

describe('the sweep', () => {
  it('removes at start what no execution owns, and leaves what is adopted', async () => {
    const host = lasting();
    const h = await open(host);
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    await create(host, stray('e-9'));
    await create(host, stray('e-1', 2));
    await h.start();
    expect([...host.world.keys()]).toEqual(['e-1/1']);
    expect(h.node.debugInfo().drift).toEqual({ removed: 2, missing: 0 });
  });

  it('goes round, and does not touch what is being prepared', async () => {
    const host = lasting();
    const made = Promise.withResolvers<void>();
    const { engine } = host;
    let lists = 0;
    const h = await open(host, {
      timings: { sweepMs: 5 },
      engines: [{
        ...engine,
        objects: () => {
          lists++;
          return engine.objects!();
        },
        async create(request, signal) {
          const run = await engine.create(request, signal);
          await made.promise;
          return run;
        },
      }],
    });
    await h.send(order('e-1'));
    await until(() => host.world.size === 1);
    await create(host, stray('e-9'));
    await until(() => !host.world.has('e-9/1'));
    const seen = lists;
    await until(() => lists > seen + 2);
    expect(host.world.has('e-1/1')).toBe(true);
    made.resolve();
    await untilPhase(h, 'e-1', 'running');
  });

  it('removes what a run could not, whose room is free meanwhile', async () => {
    const host = lasting();
    host.stuck = 1;
    const h = await open(host, { timings: { sweepMs: 50 } });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
    await h.until('RunResult', 'e-1');
    await until(() => h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.CPU === 1);
    await until(() => host.world.size === 0);
    expect(h.node.debugInfo().drift.removed).toBe(1);
  });

  it('counts a run whose object is gone', async () => {
    const host = lasting();
    const h = await open(host, { timings: { sweepMs: 5 } });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    host.world.delete('e-1/1');
    await until(() => h.node.debugInfo().drift.missing > 0);
    expect(h.node.debugInfo().drift).toEqual({ removed: 0, missing: 1 });
  });
});

describe('an engine that is away at start', () => {
  it('keeps neither the node from starting nor its run from going on when it is back', async () => {
    const host = lasting();
    const logged: string[] = [];
    const h = await open(host, { log: (_level, _message, { error }) => void logged.push(error ?? '') });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    host.away = 'dockerd does not answer';
    await h.start();
    expect(await phaseOf(h, 'e-1')).toBe('running');
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.CPU).toBeLessThan(1);
    expect(logged.join()).toContain('dockerd does not answer');
    host.away = null;
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 7 });
    expect((await h.until('RunResult', 'e-1')).payload.RunCommandResult!.ExitCode).toBe(7);
    await until(() => host.world.size === 0);
    expect(host.world.get('e-1/1')).toBeUndefined();
  });

  it('a stop meanwhile holds: it is carried out when the engine is back', async () => {
    const host = lasting();
    const h = await open(host, { extended: true });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    host.away = 'dockerd does not answer';
    await h.start();
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('cancelling');
    const container = host.world.get('e-1/1')!;
    host.away = null;
    await untilPhase(h, 'e-1', 'cancelled');
    expect(container.stops).toHaveLength(1);
    await until(() => host.world.size === 0);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.CPU).toBe(1);
  });

  it('is given up after long, with the reason', async () => {
    const host = lasting();
    const h = await open(host, { limits: { engineAwayMs: 0 } });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    host.away = 'dockerd does not answer';
    await h.start();
    const event = (await h.until('ComputeError', 'e-1')).payload.Events![0]!;
    expect(event.Message).toContain('dockerd does not answer');
    expect(event.Details!.class).toBe('infrastructure');
  });
});

describe('progress', () => {
  const pulling = (host: Lasting) => [{
    ...host.engine,
    async create(request: RunRequest, signal: AbortSignal) {
      request.progress!('Pulling image: 10 of 20 MB', { Image: 'ubuntu' });
      return await host.engine.create(request, signal);
    },
  }];

  it('reaches a peer of ours while the run is being prepared', async () => {
    const host = lasting();
    const h = await open(host, { extended: true, engines: pulling(host) });
    await h.send(order('e-1'));
    await until(() =>
      h.sent.some(({ payload }) =>
        'Events' in payload && payload.Events?.[0]?.Message === 'Pulling image: 10 of 20 MB'
      )
    );
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
    expect((await h.until('RunResult', 'e-1')).payload.Events).toHaveLength(1);
  });

  it('reaches a peer of the original with the result', async () => {
    const host = lasting();
    const h = await open(host, { engines: pulling(host) });
    await h.send(order('e-1'));
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
    const { Events } = (await h.until('RunResult', 'e-1')).payload;
    expect(Events!.map(({ Message }) => Message)).toEqual([
      'Completed successfully',
      'Pulling image: 10 of 20 MB',
    ]);
  });
});
