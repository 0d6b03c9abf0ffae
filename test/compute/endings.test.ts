/** What a started program left is kept in every ending, and reported with it; what never began leaves nothing. */
import { appendFile, readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunEnd } from '../../mod/engine/engine.ts';
import { BacalhauError, compatibility, type Task } from '../../mod/model/mod.ts';
import type { Publisher } from '../../mod/publisher/publisher.ts';
import type { Source } from '../../mod/storage/source.ts';
import { ComputeStore } from '../../mod/store/compute_store.ts';
import type { ComputeError, ExecutionStatus } from '../../mod/transport/wire/messages.ts';
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

/** Keeps what it was given: `stdout|exitCode` of each publication. */
function keeper(publish?: () => Promise<void>): Publisher & { readonly kept: string[] } {
  const kept: string[] = [];
  return {
    type: 'local',
    kept,
    available: async () => null,
    check: async () => null,
    async publish({ directory, executionId }) {
      await publish?.();
      const [stdout, exitCode] = await Promise.all(
        ['stdout', 'exitCode'].map((name) => readFile(`${directory}/${name}`, 'utf8')),
      );
      kept.push(`${stdout}|${exitCode}`);
      return { Type: 'urlDownload', Params: { URL: `http://x/${executionId}` } };
    },
    close: async () => {},
  };
}

const PUBLISHED = { Type: 'urlDownload', Params: { URL: 'http://x/e-1' } };
const OOM: RunEnd = {
  kind: 'failed',
  code: 'OOMKilled',
  message: 'memory limit exceeded',
  hint: 'Ask for more',
  class: 'user',
  exitCode: 137,
};

function order(task: Partial<Task> = {}, publisher = 'local') {
  return ask(
    execution('e-1', {}, {
      desired: 1,
      task: { Engine: { Type: 'lasting' }, Publisher: { Type: publisher }, ...task },
    }),
  );
}

async function failure(h: Harness): Promise<ComputeError> {
  return (await h.until('ComputeError', 'e-1')).payload;
}

async function stopped(h: Harness): Promise<ExecutionStatus> {
  const found = () =>
    h.sent.flatMap(({ type, payload }) =>
      type === 'ExecutionStatus' && (payload as ExecutionStatus).Phase === 'stopped'
        ? [payload as ExecutionStatus]
        : []
    )[0];
  await until(() => found() !== undefined);
  return found()!;
}

describe('output, exit code and results are kept', () => {
  it('of a time-out, stopped with the configured grace', async () => {
    const host = lasting('hello\n', { kind: 'exited', exitCode: 143 });
    const keep = keeper();
    const h = await open(host, { publishers: [keep], timings: { stopGraceMs: 77 } });
    await h.send(order({ Timeouts: { ExecutionTimeout: 1 } }));
    await until(() => host.world.size === 1);
    const container = host.world.get('e-1/1')!;
    const { RunCommandResult, PublishResult, Events } = await failure(h);
    expect(Events![0]!.Details!.class).toBe('timeout');
    expect(RunCommandResult).toMatchObject({
      Stdout: 'hello\n',
      ExitCode: 143,
      ErrorMsg: 'Execution timed out after 1s',
    });
    expect(PublishResult).toEqual(PUBLISHED);
    expect(keep.kept).toEqual(['hello\n|143']);
    expect(container.stops).toEqual([77]);
    await until(() => host.world.size === 0);
  });

  it('of a program that ran out of memory', async () => {
    const host = lasting('hello\n');
    const keep = keeper();
    const h = await open(host, { publishers: [keep] });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), OOM);
    const { RunCommandResult, PublishResult, Events } = await failure(h);
    expect(Events![0]!).toMatchObject({
      Message: 'memory limit exceeded',
      Details: { ErrorCode: 'Executor:OOMKilled' },
    });
    expect(RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    expect(PublishResult).toEqual(PUBLISHED);
  });

  it('of a stop, before the container is removed', async () => {
    const host = lasting('hello\n');
    const seen: number[] = [];
    const keep = keeper(async () => void seen.push(host.world.size));
    const h = await open(host, { publishers: [keep], extended: true });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    await h.send(cancel('e-1'));
    const { RunCommandResult, PublishResult } = await stopped(h);
    expect(RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    expect(PublishResult).toEqual(PUBLISHED);
    expect(seen).toEqual([1]);
    await until(() => host.world.size === 0);
    expect(h.node.nodeInfo().ComputeNodeInfo.AvailableCapacity.CPU).toBe(1);
  });

  it('without a publisher: the beginnings of the output', async () => {
    const host = lasting('hello\n');
    const h = await open(host);
    await h.send(order({}, ''));
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), OOM);
    const payload = await failure(h);
    expect(payload.RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    expect('PublishResult' in payload).toBe(false);
  });

  it('of a run whose container is gone after a restart: what its log has, and the true reason', async () => {
    const host = lasting('hello\n');
    const h = await open(host);
    await h.send(order({}, ''));
    await untilPhase(h, 'e-1', 'running');
    await h.crash();
    host.world.clear();
    await h.start();
    const { RunCommandResult, Events } = await failure(h);
    expect(Events![0]!.Message).toContain('its engine no longer has "e-1/1"');
    expect(Events![0]!.Details!.class).toBe('infrastructure');
    expect(RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: -1 });
  });

  it('but not of one whose start failed, which no stop is waited for', async () => {
    const host = lasting('hello\n');
    const { engine } = host;
    const h = await open(host, {
      engines: [{
        ...engine,
        async create(request, signal) {
          const run = await engine.create(request, signal);
          const start = () => Promise.reject(new Error('exec: "nope": executable file not found'));
          return { ...run, start, stop: () => new Promise(() => {}) };
        },
      }],
    });
    await h.send(order({}, ''));
    const payload = await failure(h);
    expect(payload.Events![0]!.Message).toContain('executable file not found');
    expect('RunCommandResult' in payload).toBe(false);
    await until(() => host.world.size === 0);
  });

  it('of a program that could not be started: the exit code that a shell gives for it', async () => {
    const host = lasting('hello\n');
    const { engine } = host;
    const h = await open(host, {
      engines: [{
        ...engine,
        async create(request, signal) {
          const run = await engine.create(request, signal);
          const details = { class: 'user', exitCode: '127' };
          const start = () =>
            Promise.reject(new BacalhauError('ExecutableNotFound', 'no "nope"', { details }));
          return { ...run, start };
        },
      }],
    });
    await h.send(order({}, ''));
    const { RunCommandResult, Events } = await failure(h);
    expect(Events![0]!.Details).toMatchObject({ class: 'user' });
    expect(RunCommandResult).toMatchObject({ Stdout: '', ExitCode: 127, ErrorMsg: 'no "nope"' });
  });

  it('but not of one that was never started', async () => {
    const host = lasting();
    host.away = 'no such image';
    const keep = keeper();
    const h = await open(host, { publishers: [keep] });
    await h.send(order());
    const payload = await failure(h);
    expect(payload.Events![0]!.Message).toContain('no such image');
    expect('RunCommandResult' in payload).toBe(false);
    expect(keep.kept).toEqual([]);
  });
});

describe('publishing what is left', () => {
  it('that fails is told beside the cause', async () => {
    const host = lasting('hello\n');
    const keep = keeper(() => Promise.reject(new Error('the bucket is gone')));
    const h = await open(host, { publishers: [keep] });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), OOM);
    const { Events, RunCommandResult } = await failure(h);
    expect(Events!.map(({ Message }) => Message)).toEqual(['memory limit exceeded', 'the bucket is gone']);
    expect(RunCommandResult!.Stdout).toBe('hello\n');
  });

  it('that hangs does not hold up a stop for ever', async () => {
    const host = lasting('hello\n');
    const keep = keeper(() => new Promise(() => {}));
    const h = await open(host, { publishers: [keep], extended: true, limits: { salvageMs: 30 } });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    await h.send(cancel('e-1'));
    const { Events, RunCommandResult } = await stopped(h);
    expect(Events![0]!.Message).toContain('took longer than 30 ms');
    expect(RunCommandResult!.Stdout).toBe('hello\n');
  });
});

describe('results of a program that has ended', () => {
  it('are published again when that failed; the program does not run again', async () => {
    const host = lasting('hello\n');
    let tries = 0;
    const keep = keeper(() =>
      ++tries < 3 ? Promise.reject(new Error('the bucket is away')) : Promise.resolve()
    );
    const h = await open(host, { publishers: [keep] });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    const container = host.world.get('e-1/1')!;
    exit(container, { kind: 'exited', exitCode: 7 });
    const { payload } = await h.until('RunResult', 'e-1');
    expect(payload).toMatchObject({
      PublishResult: PUBLISHED,
      RunCommandResult: { Stdout: 'hello\n', ExitCode: 7, ErrorMsg: '' },
    });
    expect(keep.kept).toEqual(['hello\n|7']);
    expect(container.started).toBe(1);
  });

  it('that cannot be published: it ends with its exit code and says what is lost', async () => {
    const host = lasting('hello\n');
    const keep = keeper(() => Promise.reject(new Error('the bucket is gone')));
    const h = await open(host, { publishers: [keep], limits: { salvageMs: 10 } });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    const container = host.world.get('e-1/1')!;
    exit(container, { kind: 'exited', exitCode: 0 });
    const { payload } = await h.until('RunResult', 'e-1');
    expect(payload).toMatchObject({
      PublishResult: { Type: '' },
      RunCommandResult: {
        Stdout: 'hello\n',
        ExitCode: 0,
        ErrorMsg:
          'The program ended with exit code 0, but what it left could not be kept: the bucket is gone',
      },
      Events: [{ Message: 'the bucket is gone', Topic: 'Publishing Results' }],
    });
    expect(container.started).toBe(1);
  });
});

describe('a crash in the ending', () => {
  it('after a time-out was decided: the stop is not taken for an end of its own', async () => {
    const host = lasting('hello\n', { kind: 'exited', exitCode: 0 });
    let hang = true;
    let publishing = 0;
    const keep = keeper(() => ++publishing === 1 && hang ? new Promise(() => {}) : Promise.resolve());
    const h = await open(host, { publishers: [keep] });
    await h.send(order({ Timeouts: { ExecutionTimeout: 1 } }));
    await until(() => publishing === 1);
    expect(await phaseOf(h, 'e-1')).toBe('harvesting');
    await h.crash();
    hang = false;
    await h.start();
    const { Events, RunCommandResult, PublishResult } = await failure(h);
    expect(Events![0]!.Message).toBe('Execution timed out after 1s');
    expect(RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 0 });
    expect(PublishResult).toEqual(PUBLISHED);
    await until(() => host.world.size === 0);
  });

  it('while what a stopped run left is published: it is published again, then removed', async () => {
    const host = lasting('hello\n');
    let hang = true;
    let publishing = 0;
    const keep = keeper(() => ++publishing === 1 && hang ? new Promise(() => {}) : Promise.resolve());
    const h = await open(host, { publishers: [keep], extended: true });
    await h.send(order());
    await untilPhase(h, 'e-1', 'running');
    await h.send(cancel('e-1'));
    await until(() => publishing === 1);
    await h.crash();
    expect(host.world.size).toBe(1);
    hang = false;
    await h.start();
    expect((await stopped(h)).PublishResult).toEqual(PUBLISHED);
    await until(() => host.world.size === 0);
    expect(keep.kept).toEqual(['hello\n|137']);
  });

  it('a deadline that passed while the node was away ends what still runs, and not what has ended', async () => {
    const task = { Engine: { Type: 'lasting' }, Timeouts: { ExecutionTimeout: 1 } };
    const host = lasting('hello\n');
    const h = await open(host);
    for (const id of ['e-1', 'e-2']) {
      await h.send(ask(execution(id, {}, { desired: 1, task: { ...task, Resources: { CPU: '0.4' } } })));
      await untilPhase(h, id, 'running');
    }
    await h.crash();
    exit(host.world.get('e-2/1'), { kind: 'exited', exitCode: 7 });
    const deadline = performance.now() + 1_100;
    await until(() => performance.now() > deadline);
    await h.start();
    expect((await failure(h)).RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    expect((await h.until('RunResult', 'e-2')).payload.RunCommandResult).toMatchObject({ ExitCode: 7 });
  });
});

describe('a second end during the grace of the first', () => {
  it('a stop during a time-out ends as one of the two, once, and leaves nothing', async () => {
    const host = lasting('hello\n');
    const gate = Promise.withResolvers<void>();
    const { engine } = host;
    const h = await open(host, {
      extended: true,
      engines: [{
        ...engine,
        async create(request, signal) {
          const run = await engine.create(request, signal);
          return { ...run, stop: (ms) => gate.promise.then(() => run.stop(ms)) };
        },
      }],
    });
    await h.send(order({ Timeouts: { ExecutionTimeout: 1 } }, ''));
    await untilPhase(h, 'e-1', 'harvesting');
    await h.send(cancel('e-1'));
    await h.send(cancel('e-1'));
    expect(await phaseOf(h, 'e-1')).toBe('cancelling');
    gate.resolve();
    expect((await stopped(h)).RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    await until(() => host.world.size === 0);
    expect(h.sent.filter(({ type }) => type === 'ComputeError')).toEqual([]);
  });
});

describe('disk', () => {
  const asked = { Resources: { Disk: '1Mb' } };

  it('more than was asked for ends the run, with both figures and what it left', async () => {
    const host = lasting('hello\n');
    const keep = keeper();
    const h = await open(host, { publishers: [keep], timings: { usageMs: 5 } });
    await h.send(order(asked));
    await untilPhase(h, 'e-1', 'running');
    host.layer = 5_000_000;
    const { Events, RunCommandResult, PublishResult } = await failure(h);
    expect(Events![0]!).toMatchObject({
      Details: { class: 'user', ErrorCode: 'Executor:DiskLimit' },
    });
    expect(Events![0]!.Message).toMatch(/takes 5\d{6} bytes .* may take 1\d{6}$/);
    expect(RunCommandResult).toMatchObject({ Stdout: 'hello\n', ExitCode: 137 });
    expect(PublishResult).toEqual(PUBLISHED);
  });

  it('is looked at once more at the end: a quick program does not get away', async () => {
    const host = lasting('hello\n');
    const h = await open(host, { timings: { usageMs: 60_000 } });
    await h.send(order(asked, ''));
    await untilPhase(h, 'e-1', 'running');
    host.layer = 5_000_000;
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
    const { Events, RunCommandResult } = await failure(h);
    expect(Events![0]!.Details!.ErrorCode).toBe('Executor:DiskLimit');
    expect(RunCommandResult!.ExitCode).toBe(0);
  });

  it('of a task that asks for none is its share of the node: as much of it as of the CPUs', async () => {
    const host = lasting('hello\n');
    const h = await open(host, { timings: { usageMs: 5 } });
    await h.send(order({ Resources: { CPU: '0.5' } }, ''));
    await untilPhase(h, 'e-1', 'running');
    host.layer = 600_000_000;
    expect((await failure(h)).Events![0]!.Message).toMatch(/may take 536870912$/);
  });

  it('is not held to anything where none was asked for, as the original has it', async () => {
    const host = lasting('hello\n');
    host.layer = 5_000_000_000;
    const h = await open(host, { timings: { usageMs: 5 }, compatibility: compatibility('1.9') });
    await h.send(order({}, ''));
    await untilPhase(h, 'e-1', 'running');
    exit(host.world.get('e-1/1'), { kind: 'exited', exitCode: 0 });
    await h.until('RunResult', 'e-1');
  });

  it('is taken by inputs, too: all of them stop where it ends, whatever was said of their size', async () => {
    const host = lasting();
    let written = 0;
    const endless: Source = {
      type: 'endless',
      available: async () => null,
      check: async () => null,
      size: async () => 0,
      async prepare({ directory, room }) {
        for (;;) {
          room.take(1000);
          await appendFile(`${directory}/data`, new Uint8Array(1000));
          written += 1000;
        }
      },
    };
    const h = await open(host, { sources: [endless] });
    const input = (Target: string) => ({ Source: { Type: 'endless', Params: {} }, Alias: '', Target });
    await h.send(order({ ...asked, InputSources: [input('/a'), input('/b')] }, ''));
    const { Events } = await failure(h);
    expect(Events![0]).toMatchObject({ Details: { class: 'user', ErrorCode: 'Storage:DiskLimit' } });
    expect(written).toBe(1_000_000);
    expect(host.world.size).toBe(0);
  });

  it('is not taken twice by what a bid has counted: a program has what it asked for beside its inputs', async () => {
    const host = lasting();
    const source: Source = {
      type: 'large',
      available: async () => null,
      check: async () => null,
      size: async () => 3_000_000,
      async prepare({ directory, room }) {
        room.take(3_000_000);
        await appendFile(`${directory}/data`, new Uint8Array(3_000_000).fill(1));
        return { hostPath: directory, readOnly: true };
      },
    };
    const h = await open(host, { sources: [source], timings: { usageMs: 5 } });
    const InputSources = [{ Source: { Type: 'large', Params: {} }, Alias: '', Target: '/a' }];
    await h.send(order({ ...asked, InputSources }, ''));
    await untilPhase(h, 'e-1', 'running');
    host.layer = 900_000;
    expect(await new ComputeStore(h.db).find('e-1')).toMatchObject({ allocated: { Disk: 4_000_000 } });
    host.layer = 1_100_000;
    expect((await failure(h)).Events![0]!.Message).toMatch(/may take 4000000$/);
  });
});
