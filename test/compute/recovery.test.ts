/** kill -9 at each step, then a start on the same folder: nothing is lost, nothing runs twice silently (C13). */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { compatibility } from '../../mod/model/mod.ts';
import type { RunResult } from '../../mod/transport/wire/messages.ts';
import { accept, ask, cancel, execution, harness, phaseOf, untilPhase } from './rig.ts';
import type { Harness, HarnessOptions } from './rig.ts';
import { exit, lasting } from './lasting.ts';
import { until } from '../support/until.ts';

const opened: Harness[] = [];
async function open(options?: HarnessOptions) {
  const h = await harness(options);
  opened.push(h);
  return h;
}
afterEach(async () => {
  for (const h of opened.splice(0)) await h.close();
});
const count = (h: Harness, type: string, id: string) =>
  h.sent.filter((each) => each.type === type && (each.payload as { ExecutionID?: string }).ExecutionID === id)
    .length;

describe('a crash', () => {
  it('while the bid is being decided: it bids again', async () => {
    let answer = false;
    const engine = lasting().engine;
    const h = await open({
      engines: [{ ...engine, check: () => answer ? Promise.resolve(null) : new Promise(() => {}) }],
    });
    await h.send(ask(execution('e-1', {}, { task: { Engine: { Type: 'lasting' } } })));
    expect(await phaseOf(h, 'e-1')).toBe('received');
    await h.crash();
    answer = true;
    await h.start();
    expect((await h.until('BidResult', 'e-1')).payload.Accepted).toBe(true);
  });

  it('between its end and the removal of its files: they go, the log stays', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', {}, { desired: 1 })));
    await h.until('RunResult', 'e-1');
    await h.crash();
    const run = join(h.folder, 'executions', 'e-1', '1');
    for (const name of ['inputs/0', 'results/out']) mkdirSync(join(run, name), { recursive: true });
    writeFileSync(join(run, 'log'), '');
    await h.start();
    await until(() => readdirSync(run).join() === 'log', () => `files: ${readdirSync(run)}`);
  });

  it('before the bid was sent: it is sent; an approval afterwards runs it once', async () => {
    const h = await open();
    h.acknowledging = false;
    await h.send(ask(execution('e-1')));
    await untilPhase(h, 'e-1', 'offered');
    await h.crash();
    h.sent.length = 0;
    h.acknowledging = true;
    await h.start();
    await h.until('BidResult', 'e-1');
    await h.send(accept('e-1'));
    await h.until('RunResult', 'e-1');
    expect(h.starts).toEqual(['e-1/1']);
  });

  it('with work in the queue: it is queued again, in its order', async () => {
    const h = await open();
    const task = { Resources: { CPU: '1' } };
    await h.send(ask(execution('e-1', { DelayMs: 60_000 }, { desired: 1, task })));
    await untilPhase(h, 'e-1', 'running');
    await h.send(ask(execution('e-2', {}, { desired: 1, task })));
    await untilPhase(h, 'e-2', 'queued');
    await h.send(ask(execution('e-3', {}, { desired: 1, task })));
    await untilPhase(h, 'e-3', 'queued');
    await h.crash();
    await h.start();
    // The long one goes first again, under its next number; no number is used twice.
    await until(() => h.starts.includes('e-1/2'));
    await h.send(cancel('e-1'));
    await h.until('RunResult', 'e-3');
    expect(h.starts).toEqual(['e-1/1', 'e-1/2', 'e-2/1', 'e-3/1']);
  });

  it('in a module: it runs again as a recorded new run, told in the result to a peer of the original', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { DelayMs: 300, Output: 'x' }, { desired: 1 })));
    await until(() => h.starts.length === 1);
    await h.crash();
    await h.start();
    const { payload } = await h.until('RunResult', 'e-1');
    expect(h.starts).toEqual(['e-1/1', 'e-1/2']);
    expect(payload.Events!.map(({ Topic }) => Topic)).toEqual(['Execution', 'Restart']);
    expect(payload.RunCommandResult!.Stdout).toBe('x');
  });

  it('in a module: a peer of ours is told at once', async () => {
    const h = await open({ extended: true });
    await h.send(ask(execution('e-1', { DelayMs: 300 }, { desired: 1 })));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    h.sent.length = 0;
    await h.start();
    await until(() =>
      h.sent.some(({ type, payload }) =>
        type === 'ExecutionStatus' &&
        (payload as { Events: readonly { Topic: string }[] | null }).Events?.[0]?.Topic === 'Restart'
      )
    );
    expect(h.sent[0]!.type).toBe('ExecutionInventory');
    expect((await h.until('RunResult', 'e-1')).payload.Events).toHaveLength(1);
  });

  it("in a module fails the execution where the original's meaning is asked for (A7)", async () => {
    const h = await open({ compatibility: compatibility('1.9') });
    await h.send(ask(execution('e-1', { DelayMs: 300 }, { desired: 1 })));
    await until(() => h.starts.length === 1);
    await h.crash();
    await h.start();
    expect((await h.until('ComputeError', 'e-1')).payload.Events![0]!.Message).toBe(
      'Failing due to node restart',
    );
    expect(h.starts).toEqual(['e-1/1']);
  });

  it('in a container: it is adopted, never started twice, and removed after its end', async () => {
    const { engine, world } = lasting();
    const h = await open({ engines: [engine] });
    await h.send(ask(execution('e-1', {}, { desired: 1, task: { Engine: { Type: 'lasting' } } })));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    await h.start();
    expect(h.node.nodeInfo().ComputeNodeInfo.RunningExecutions).toBe(1);
    expect(world.get('e-1/1')!.started).toBe(1);
    exit(world.get('e-1/1'), { kind: 'exited', exitCode: 7 });
    expect((await h.until('RunResult', 'e-1')).payload.RunCommandResult!.ExitCode).toBe(7);
    await until(() => world.size === 0);
  });

  it("between a container's creation and its start: it is started once", async () => {
    const { engine, world } = lasting();
    let hang = true;
    const h = await open({
      engines: [{
        ...engine,
        async create(request, signal) {
          const run = await engine.create(request, signal);
          return hang ? { ...run, start: () => new Promise(() => {}) } : run;
        },
      }],
    });
    await h.send(ask(execution('e-1', {}, { desired: 1, task: { Engine: { Type: 'lasting' } } })));
    await untilPhase(h, 'e-1', 'starting');
    await h.crash();
    hang = false;
    await h.start();
    await until(() => world.get('e-1/1')!.started === 1);
  });

  it('while publishing: it is published again under the same id, not run again', async () => {
    const published: string[] = [];
    const h = await open({
      publishers: [{
        type: 'local',
        available: async () => null,
        check: async () => null,
        publish: async ({ executionId }) => {
          published.push(executionId);
          if (published.length === 1) await new Promise(() => {});
          return { Type: 'urlDownload' };
        },
        close: async () => {},
      }],
    });
    await h.send(
      ask(
        execution('e-1', { Output: 'o', ExitCode: 2 }, {
          desired: 1,
          task: { Publisher: { Type: 'local' } },
        }),
      ),
    );
    await until(() => published.length === 1);
    await h.crash();
    await h.start();
    const { RunCommandResult } = (await h.until('RunResult', 'e-1')).payload as RunResult;
    expect(RunCommandResult).toMatchObject({ Stdout: 'o', ExitCode: 2 });
    expect(published).toEqual(['e-1', 'e-1']);
    expect(h.starts).toEqual(['e-1/1']);
  });

  it('while a container is being removed: the cancel goes on', async () => {
    const { engine, world } = lasting();
    let stuck = true;
    const h = await open({
      extended: true,
      engines: [{
        ...engine,
        async create(request, signal) {
          const run = await engine.create(request, signal);
          return { ...run, stop: (ms) => stuck ? new Promise(() => {}) : run.stop(ms) };
        },
      }],
    });
    await h.send(ask(execution('e-1', {}, { desired: 1, task: { Engine: { Type: 'lasting' } } })));
    await untilPhase(h, 'e-1', 'running');
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('cancelling');
    await h.crash();
    stuck = false;
    await h.start();
    await untilPhase(h, 'e-1', 'cancelled');
    await until(() => world.size === 0);
  });

  it('after the end: an unacknowledged result is sent, an acknowledged one not at once', async () => {
    const h = await open();
    h.acknowledging = false;
    await h.send(ask(execution('e-1', {}, { desired: 1 })));
    await h.until('RunResult', 'e-1');
    await h.crash();
    h.sent.length = 0;
    h.acknowledging = true;
    await h.start();
    await h.until('RunResult', 'e-1');
    expect(count(h, 'RunResult', 'e-1')).toBe(1);
    expect(h.starts).toEqual(['e-1/1']);
  });
});

describe('a graceful end', () => {
  it('"keep" reports nothing and runs modules again at the next start', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { DelayMs: 200 }, { desired: 1 })));
    await untilPhase(h, 'e-1', 'running');
    await h.node.close('keep');
    await h.db.close();
    expect(h.sent).toEqual([]);
    expect(h.notices).toEqual([]);
    await h.start();
    await h.until('RunResult', 'e-1');
    expect(h.starts).toEqual(['e-1/1', 'e-1/2']);
  });

  it('"keep" without work takes leave of the orchestrator, which places nothing here any more', async () => {
    const h = await open();
    await h.node.close('keep');
    await h.db.close();
    expect(h.notices).toEqual(['node stopped']);
    await h.start();
  });

  it('"stop" ends the work and says so, as a failure of the infrastructure', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { DelayMs: 60_000 }, { desired: 1 })));
    await untilPhase(h, 'e-1', 'running');
    await h.node.close('stop');
    expect(await phaseOf(h, 'e-1')).toBe('failed');
    const [row] = await h.db.read((db) => db.selectFrom('executions').select('report').execute());
    expect(row!.report).toContain('"class":"infrastructure"');
  });
});
