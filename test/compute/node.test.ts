import { afterEach, describe, expect, it } from 'vitest';
import { accept, ask, cancel, execution, harness, phaseOf, reject, untilPhase } from './rig.ts';
import type { Harness, HarnessOptions } from './rig.ts';
import { mkdir } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import type { Engine } from '../../mod/engine/mod.ts';
import { noopEngine } from '../../mod/engine/noop.ts';
import type { Source } from '../../mod/storage/source.ts';
import { realWorld } from '../../runtime/world.ts';
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

const all = (h: Harness, type: string, id: string) =>
  h.sent.filter((message) =>
    message.type === type && (message.payload as { ExecutionID?: string }).ExecutionID === id
  );

describe('one execution', () => {
  it('bids, runs after the approval, and reports output and exit code', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { Output: 'hello\n', ExitCode: 3 })));
    const bid = await h.until('BidResult', 'e-1');
    expect(bid.payload).toMatchObject({ Accepted: true, JobID: 'j-e-1', JobType: 'batch', Events: null });
    expect(h.starts).toEqual([]);
    await h.send(accept('e-1'));
    const { payload } = await h.until('RunResult', 'e-1');
    expect(payload.RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 3, ErrorMsg: '' });
    expect(payload.PublishResult).toEqual({ Type: '' });
    expect(payload.Events![0]!.Message).toBe('Completed successfully');
    expect(h.starts).toEqual(['e-1/1']);
  });

  it('needs no more than five commits, and confirms by the cancel that follows', async () => {
    const h = await open();
    const before = h.db.stats().operations;
    await h.send(ask(execution('e-1')));
    await h.until('BidResult', 'e-1');
    await h.send(accept('e-1'));
    await h.until('RunResult', 'e-1');
    // Five of the execution and at most two of the batched acknowledgements.
    expect(h.db.stats().operations - before).toBeLessThanOrEqual(7);
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('completed');
    expect(await h.side.outbox.pending(0n, 10)).toEqual([]);
    expect(
      (await h.db.read((db) => db.selectFrom('executions').select('confirmed_at').executeTakeFirstOrThrow()))
        .confirmed_at > 0n,
    ).toBe(true);
  });

  it('gives no network to a task that leaves the choice to a node which takes no networked jobs', async () => {
    const noop = noopEngine({ world: realWorld });
    const seen: unknown[] = [];
    const engine: Engine = {
      type: noop.type,
      available: () => noop.available(),
      check: (task) => noop.check(task),
      find: (identity, request) => noop.find(identity, request),
      close: () => noop.close(),
      create: (request, signal) => {
        seen.push(request.task.Network);
        return noop.create(request, signal);
      },
    };
    const h = await open({ engines: [engine], admission: { rejectNetworkedJobs: true } });
    await h.send(ask(execution('e-1', {}, { desired: 1 })));
    await h.until('RunResult', 'e-1');
    expect(seen).toEqual([{ Type: 'None' }]);
  });

  it('runs a direct order without an answer to the bid', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', {}, { desired: 1 })));
    await h.until('RunResult', 'e-1');
    expect(all(h, 'BidResult', 'e-1')).toEqual([]);
  });

  it('refuses with all reasons, codes and hints', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', {}, {
      task: {
        Engine: { Type: 'docker' },
        Publisher: { Type: 's3' },
        Env: { A: 'env:SECRET' },
        ResultPaths: [{ Name: '../x', Path: '/x' }],
      },
    })));
    const { payload } = await h.until('BidResult', 'e-1');
    expect(payload.Accepted).toBe(false);
    const event = payload.Events![0]!;
    expect(event.Topic).toBe('Exec Scanning');
    for (const word of ['docker', 's3', 'SECRET', '../x']) expect(event.Message).toContain(word);
    expect(event.Details!.Hint).toContain('Compute.Env.AllowList');
    expect(await phaseOf(h, 'e-1')).toBe('refused');
  });

  it('refuses what is larger than the node', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', {}, { task: { Resources: { CPU: '2' } } })));
    expect((await h.until('BidResult', 'e-1')).payload.Events![0]!.Message).toContain('CPU');
  });

  it('fails at its time limit, as a time-out with a hint', async () => {
    const h = await open();
    await h.send(
      ask(execution('e-1', { DelayMs: 60_000 }, { task: { Timeouts: { ExecutionTimeout: 1 } }, desired: 1 })),
    );
    const event = (await h.until('ComputeError', 'e-1')).payload.Events![0]!;
    expect(event).toMatchObject({
      Message: 'Execution timed out after 1s',
      Topic: 'Running Execution',
      Details: {
        class: 'timeout',
        IsError: 'true',
        FailsExecution: 'true',
        ErrorCode: 'Executor:ExecutionTimeout',
      },
    });
    expect(event.Details!.Hint).toContain('ExecutionTimeout');
  });

  it('counts its time limit from the start of the program, not of what it waited for', async () => {
    const slow: Source = {
      type: 'slow',
      available: async () => null,
      check: async () => null,
      size: async () => 0,
      prepare: async ({ directory, signal }) => {
        await realWorld.sleep(1_200, signal);
        return { hostPath: directory, readOnly: true };
      },
    };
    const h = await open({ sources: [slow] });
    const task = {
      Timeouts: { ExecutionTimeout: 1 },
      InputSources: [{ Source: { Type: 'slow', Params: {} }, Alias: '', Target: '/in' }],
    };
    await h.send(ask(execution('e-1', {}, { task, desired: 1 })));
    await h.until('RunResult', 'e-1');
  });

  it('passes on the class of a failure', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { Fail: 'user' }, { desired: 1 })));
    expect((await h.until('ComputeError', 'e-1')).payload.Events![0]!.Details!.class).toBe('user');
  });

  it('fetches inputs, publishes the results folder, and leaves neither behind', async () => {
    let seen: readonly string[] = [];
    const h = await open({
      sources: [{
        type: 'inline',
        available: async () => null,
        check: async () => null,
        size: async () => 5,
        prepare: async ({ directory }) => ({ hostPath: `${directory}/x`, readOnly: true }),
      }],
      publishers: [{
        type: 'local',
        available: async () => null,
        check: async () => null,
        publish: async ({ directory }) => {
          const { readdir, readFile } = await import('node:fs/promises');
          seen = [...(await readdir(directory)).sort(), await readFile(`${directory}/stdout`, 'utf8')];
          return { Type: 'urlDownload', Params: { URL: 'http://x' } };
        },
        close: async () => {},
      }],
    });
    await h.send(ask(execution('e-1', { Output: 'out' }, {
      desired: 1,
      task: {
        Publisher: { Type: 'Local' },
        InputSources: [{ Source: { Type: 'INLINE' }, Alias: '', Target: '/in' }],
        ResultPaths: [{ Name: 'data', Path: '/data' }],
      },
    })));
    const { payload } = await h.until('RunResult', 'e-1');
    expect(seen).toEqual(['data', 'exitCode', 'stderr', 'stdout', 'out']);
    expect(payload.PublishResult).toEqual({ Type: 'urlDownload', Params: { URL: 'http://x' } });
    await until(() => readdirSync(`${h.folder}/executions/e-1/1`).join() === 'log');
  });
});

describe('repetition and replay (S7, S16)', () => {
  it('a repeated order, approval or cancel changes nothing', async () => {
    const h = await open();
    const it = execution('e-1');
    await Promise.all([h.send(ask(it)), h.send(ask(it))]);
    await h.until('BidResult', 'e-1');
    await Promise.all([h.send(accept('e-1')), h.send(accept('e-1'))]);
    await h.until('RunResult', 'e-1');
    await h.send(ask(it));
    await h.send(accept('e-1'));
    await h.send(cancel('e-1'));
    await h.send(cancel('e-1'));
    expect(h.starts).toEqual(['e-1/1']);
    expect(all(h, 'RunResult', 'e-1')).toHaveLength(1);
    expect(await phaseOf(h, 'e-1')).toBe('completed');
  });

  it('what was pruned is refused and not run', async () => {
    const h = await open({ timings: { retentionMs: 0, pruneMs: 5, tombstoneMs: 60_000 } });
    const it = execution('e-1', {}, { desired: 1 });
    await h.send(ask(it));
    await h.until('RunResult', 'e-1');
    await h.send(cancel('e-1'));
    await untilPhase(h, 'e-1', '');
    await h.send(ask(it));
    expect((await h.until('BidResult', 'e-1')).payload.Accepted).toBe(false);
    expect(h.starts).toEqual(['e-1/1']);
  });

  it('tombstones become a mark: what was created up to it is a replay, what is newer runs', async () => {
    const h = await open({ timings: { retentionMs: 0, pruneMs: 5, tombstoneMs: 0 } });
    await h.send(ask(execution('e-1', {}, { desired: 1, created: 1000n })));
    await h.until('RunResult', 'e-1');
    await h.send(cancel('e-1'));
    await untilPhase(h, 'e-1', '');
    let marked = false;
    await until(() => {
      void h.db.read((db) => db.selectFrom('prunes').selectAll().execute()).then((rows) =>
        marked = rows.length > 0
      );
      return marked;
    });
    await h.send(ask(execution('e-0', {}, { desired: 1, created: 900n })));
    expect((await h.until('BidResult', 'e-0')).payload.Accepted).toBe(false);
    await h.send(ask(execution('e-2', {}, { desired: 1, created: 1001n })));
    await h.until('RunResult', 'e-2');
    expect(h.starts).toEqual(['e-1/1', 'e-2/1']);
  });

  it('an unconfirmed result is sent again until it is confirmed', async () => {
    const h = await open({ timings: { resendMs: 20, resendMaxMs: 20 } });
    await h.send(ask(execution('e-1', {}, { desired: 1 })));
    await until(() => all(h, 'RunResult', 'e-1').length >= 3);
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('completed');
  });
});

describe('confirmation by a peer of ours', () => {
  it('a refusal that it acknowledged is not sent again', async () => {
    const h = await open({ extended: true, timings: { resendMs: 10, resendMaxMs: 10 } });
    await h.send(ask(execution('e-1', { Refuse: 'this node does not like it' })));
    await h.until('BidResult', 'e-1');
    // A result that is not confirmed goes round three times meanwhile.
    await h.send(ask(execution('e-2', {}, { desired: 1 })));
    await until(() => all(h, 'RunResult', 'e-2').length >= 3);
    expect(all(h, 'BidResult', 'e-1')).toHaveLength(1);
  });
});

describe('a node that drains', () => {
  it('refuses new work, lets the running end, and ignores repetitions', async () => {
    const h = await open();
    const it = execution('e-1', { DelayMs: 50 }, { desired: 1 });
    await h.send(ask(it));
    await until(() => h.starts.length === 1);
    const drained = h.node.drain();
    await h.send(ask(it));
    await h.send(ask(execution('e-2', {}, { desired: 1 })));
    expect((await h.until('BidResult', 'e-2')).payload.Events![0]!.Message).toContain('shutting down');
    await drained;
    await h.until('RunResult', 'e-1');
    expect(all(h, 'BidResult', 'e-1')).toEqual([]);
    expect(h.starts).toEqual(['e-1/1']);
  });
});

describe('cancel', () => {
  it('of an offer and of queued work leaves nothing to run', async () => {
    const h = await open({ extended: true });
    await h.send(ask(execution('e-1')));
    await h.until('BidResult', 'e-1');
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('cancelled');
    await h.send(accept('e-1'));

    await h.send(
      ask(execution('e-2', { DelayMs: 60_000 }, { desired: 1, task: { Resources: { CPU: '1' } } })),
    );
    await until(() => h.starts.includes('e-2/1'));
    await h.send(ask(execution('e-3', {}, { desired: 1, task: { Resources: { CPU: '1' } } })));
    await untilPhase(h, 'e-3', 'queued');
    await h.send(cancel('e-3'));
    await h.send(cancel('e-2'));
    const stopped = await h.until('ExecutionStatus', 'e-3');
    expect(stopped.payload.Phase).toBe('stopped');
    await untilPhase(h, 'e-2', 'cancelled');
    expect(h.starts).toEqual(['e-2/1']);
    expect(h.node.debugInfo()).toMatchObject({ queued: [] });
  });

  it('ends a download', async () => {
    let aborted = false;
    const h = await open({
      sources: [{
        type: 'slow',
        available: async () => null,
        check: async () => null,
        size: async () => 0,
        prepare: ({ signal }) =>
          new Promise((_, refuse) =>
            signal.addEventListener('abort', () => {
              aborted = true;
              refuse(signal.reason);
            })
          ),
      }],
    });
    const task = { InputSources: [{ Source: { Type: 'slow' }, Alias: '', Target: '/in' }] };
    await h.send(ask(execution('e-1', {}, { desired: 1, task })));
    await untilPhase(h, 'e-1', 'preparing');
    await h.send(cancel('e-1'));
    await untilPhase(h, 'e-1', 'cancelled');
    expect(aborted).toBe(true);
    expect(h.starts).toEqual([]);
  });

  it('ends a running program and frees its room', async () => {
    const h = await open({ extended: true });
    await h.send(ask(execution('e-1', { DelayMs: 60_000 }, { desired: 1 })));
    await untilPhase(h, 'e-1', 'running');
    await h.send(cancel('e-1'));
    await until(() =>
      all(h, 'ExecutionStatus', 'e-1').some((message) =>
        (message.payload as { Phase: string }).Phase === 'stopped'
      )
    );
    await until(() => h.node.nodeInfo().ComputeNodeInfo.RunningExecutions === 0);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.CPU).toBe(1);
    expect(all(h, 'ComputeError', 'e-1')).toEqual([]);
  });

  it('of an unknown execution is acknowledged', async () => {
    const h = await open();
    await h.send(cancel('e-9'));
    await h.send(reject('e-9'));
    await h.send(accept('e-9'));
    expect(h.sent).toEqual([]);
  });

  it('a rejected offer never runs', async () => {
    const h = await open();
    await h.send(ask(execution('e-1')));
    await h.until('BidResult', 'e-1');
    await h.send(reject('e-1'));
    await h.send(accept('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('rejected');
    expect(h.starts).toEqual([]);
  });
});

describe('peers', () => {
  it('one of the original is sent nothing of the extension', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { DelayMs: 100 }, { desired: 1 })));
    await untilPhase(h, 'e-1', 'running');
    await h.until('RunResult', 'e-1');
    expect(new Set(h.sent.map(({ type }) => type))).toEqual(new Set(['RunResult']));
  });

  it('one of ours gets the inventory first and the phases that last', async () => {
    const h = await open({ extended: true });
    await h.send(ask(execution('e-1', { DelayMs: 500 }, { desired: 1 })));
    await h.until('RunResult', 'e-1');
    expect(h.sent[0]).toEqual({ type: 'ExecutionInventory', payload: { Executions: [] } });
    expect(all(h, 'ExecutionStatus', 'e-1').map(({ payload }) => (payload as { Phase: string }).Phase))
      .toContain('running');
  });
});

describe('logs', () => {
  it('are followed from before the run to its end, and read by offset afterwards', async () => {
    const h = await open();
    await h.send(ask(execution('e-1', { Output: 'hello\n', DelayMs: 50 })));
    await h.until('BidResult', 'e-1');
    const request = { ExecutionID: 'e-1', NodeID: 'n-1', Tail: false, Follow: true };
    const lines: string[] = [];
    const reading = (async () => {
      for await (const frame of h.node.logs(request, new AbortController().signal)) lines.push(frame.Line);
    })();
    await h.send(accept('e-1'));
    await reading;
    expect(lines.join('')).toBe('hello\n');
    for await (const frame of h.node.logs({ ...request, Follow: false }, new AbortController().signal)) {
      expect(frame).toMatchObject({ Type: 1, Line: 'hello\n' });
    }
  });

  it('of an unknown execution are not found', async () => {
    const h = await open();
    await mkdir(h.folder, { recursive: true });
    const request = { ExecutionID: 'e-9', NodeID: 'n-1', Tail: false, Follow: false };
    await expect(h.node.logs(request, new AbortController().signal)[Symbol.asyncIterator]().next())
      .rejects.toMatchObject({ code: 'NotFound' });
  });
});
