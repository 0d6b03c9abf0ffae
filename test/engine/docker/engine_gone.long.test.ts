/**
 * An engine that is stopped, killed, restarted or hangs under its containers: a wait ends and says why, the node is told,
 * and whatever came of it, a program is started at most once and nothing stays.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Run, RunRequest } from '../../../mod/engine/engine.ts';
import { dockerd, dockerMissing, privateDockerd, type TestDocker } from '../../support/docker.ts';
import { DaemonControl } from './support/daemon_control.ts';
import { logGrows, output, type RunOptions, Workbench } from './support/workbench.ts';

const there = await dockerd();
if (!there) console.log(dockerMissing());

const CALL_MS = 2_000;
const SLEEPS = 'echo up; exec sleep 1000';
const COUNTS = 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $i; sleep 0.02; done';
const COUNTED = Array.from({ length: 200 }, (_, index) => `${index + 1}\n`).join('');
const SIGNALS = ['SIGTERM', 'SIGKILL'] as const;
const RESTARTED = {
  kind: 'failed',
  code: 'EngineRestarted',
  class: 'infrastructure',
  hint: expect.stringContaining('live-restore'),
};

describe.skipIf(!there).each([
  ['without live-restore', []],
  ['with live-restore', ['--live-restore']],
])('an engine %s', (_, args) => {
  const lives = args.length > 0;
  let host: TestDocker & AsyncDisposable;
  let daemon: DaemonControl;
  let bench: Workbench;

  beforeAll(async () => {
    host = await privateDockerd(args);
    daemon = new DaemonControl(host);
    bench = await Workbench.open(host, { engineGraceMs: 60_000, callMs: CALL_MS });
  });
  // Also where a test gave up in between.
  afterEach(async () => {
    daemon.thaw();
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  async function running(options: RunOptions): Promise<{ request: RunRequest; run: Run }> {
    const made = await bench.started(options);
    await logGrows(made.request.logPath, 20);
    return made;
  }

  async function nothingLeft(run: Run): Promise<void> {
    await run.remove();
    expect(await bench.left()).toEqual([]);
  }

  it.each(SIGNALS)('that restarts by %s while a program prints', async (signal) => {
    const { request, run } = await running({ script: COUNTS });
    await daemon.restart(signal);
    const end = await run.wait();
    const { stdout, mark } = await output(request);
    if (lives) {
      expect(end).toEqual({ kind: 'exited', exitCode: 0 });
      // On a slow machine it may have ended before the engine was back; then what is lost is said.
      if (mark === '') expect(stdout).toBe(COUNTED);
      else expect(mark).toContain('output may be missing here');
    } else expect(end).toMatchObject(RESTARTED);
    expect(COUNTED.startsWith(stdout)).toBe(true);
    await nothingLeft(run);
  });

  it.each(SIGNALS)('that is away, by %s, when a program ends', async (signal) => {
    const said: string[] = [];
    const script = 'echo up; sleep 3; echo unheard; exit 3';
    const { request, run } = await running({ script, remark: (message) => said.push(message) });
    await daemon.end(signal);
    await new Promise((next) => setTimeout(next, 3_000)); // the program's time
    await daemon.start();
    const end = await run.wait();
    const { stdout, mark } = await output(request);
    expect(stdout).toMatch(/^up\n/);
    if (lives) {
      expect(end).toEqual({ kind: 'exited', exitCode: 3 });
      expect(said).toEqual([
        expect.stringContaining('does not answer'),
        expect.stringContaining('answers again'),
      ]);
      // What nobody reads at the end of a program is lost with its pipe; that is said.
      if (!stdout.includes('unheard')) expect(mark).toContain('output may be missing here');
    } else expect(end).toMatchObject(RESTARTED);
    await nothingLeft(run);
  });

  it.each(SIGNALS)('that went away by %s is asked again to stop a program', async (signal) => {
    const { run } = await running({ script: SLEEPS });
    await daemon.end(signal);
    // One that goes down in order has told the end of its containers.
    const told = signal === 'SIGTERM' && !lives;
    if (!told) await expect(run.stop(500)).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(run.remove()).rejects.toMatchObject({ code: 'Unavailable' });
    await daemon.start();
    await run.stop(500);
    expect(await run.wait()).toMatchObject({
      code: expect.stringMatching(told ? /^(EngineRestarted|Stopped)$/ : /^Stopped$/),
    });
    await nothingLeft(run);
  });

  it('that hangs during start is asked what became of it', async () => {
    const out = bench.makeFolder('runs', 'results', 'out');
    const { request, run } = await bench.create({
      directory: bench.makeFolder('runs'),
      script: 'echo once >> /out/runs; echo up; sleep 1',
      outputs: [{ name: 'out', hostPath: out, path: '/out' }],
    });
    daemon.freeze();
    const started = run.start();
    await new Promise((next) => setTimeout(next, 1.5 * CALL_MS)); // past the limit of the call
    daemon.thaw();
    await started;
    const end = await run.wait();
    // Whether the engine has taken the call is its affair; the program ran once or not at all.
    if (end.kind === 'exited') {
      expect((await output(request)).stdout).toBe('up\n');
      expect(readFileSync(join(out, 'runs'), 'utf8')).toBe('once\n');
    } else expect(end).toMatchObject({ code: 'EngineUnavailable', class: 'infrastructure' });
    await nothingLeft(run);
  });

  it('that hangs while a program runs and ends', async () => {
    const { request, run } = await running({ script: COUNTS });
    daemon.freeze();
    await new Promise((next) => setTimeout(next, 3 * CALL_MS));
    daemon.thaw();
    expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    expect((await output(request)).stdout).toBe(COUNTED);
    await nothingLeft(run);
  });

  it('that hangs while a container is made, stopped, removed: said, and done later', async () => {
    const { run } = await running({ script: SLEEPS });
    daemon.freeze();
    const deadline = { message: expect.stringContaining('did not answer within') };
    await expect(bench.create({ script: 'true' })).rejects.toMatchObject(deadline);
    await expect(run.stop(100)).rejects.toMatchObject(deadline);
    await expect(run.remove()).rejects.toMatchObject(deadline);
    await expect(bench.engine.objects!()).rejects.toMatchObject(deadline);
    daemon.thaw();
    await run.stop(100);
    await run.remove();
    // What the create call made in the end belongs to nobody; the node's sweep removes it.
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
    // A removal that was asked for before may still be under way.
    await expect.poll(() => bench.left(), { timeout: 10_000 }).toEqual([]);
  });
});

it.skipIf(!there)('a run on an engine that does not come back is given up', async () => {
  await using host = await privateDockerd();
  const bench = await Workbench.open(host, { engineGraceMs: 2_000 });
  const { request, run } = await bench.started({ script: SLEEPS });
  await logGrows(request.logPath, 20);
  expect(await bench.engine.available()).toBeNull();
  await new DaemonControl(host).end('SIGTERM');
  expect(await run.wait()).toMatchObject({
    kind: 'failed',
    code: expect.stringMatching(/^Engine(Restarted|Unavailable)$/),
    class: 'infrastructure',
    hint: expect.stringMatching(/./),
  });
  expect((await output(request)).stdout).toBe('up\n');
  await expect.poll(() => bench.engine.available(), { timeout: 30_000, interval: 200 }).toMatchObject({
    code: 'EngineUnavailable',
    reason: expect.stringContaining('this node cannot run containers'),
    retryable: true,
  });
  await expect(bench.engine.find(run.identity, request)).rejects.toMatchObject({ code: 'Unavailable' });
  await expect(run.remove()).rejects.toMatchObject({ code: 'Unavailable' });
  await bench.engine.close();
});
