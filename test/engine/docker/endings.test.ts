/** Every way a container ends, on a real dockerd: what is said, what is kept, and what is left on the engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { output, Workbench } from './support/workbench.ts';

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('a container', () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  it('runs, prints on both streams and exits', async () => {
    expect(await bench.run({ script: 'echo out; echo err >&2' })).toEqual({
      end: { kind: 'exited', exitCode: 0 },
      stdout: 'out\n',
      stderr: 'err\n',
      mark: '',
    });
  });

  it.each([1, 42, 125, 126, 127, 137, 143])('keeps the exit code %i of its program', async (code) => {
    const { end, stdout } = await bench.run({ script: `echo before; exit ${code}` });
    expect(end).toEqual({ kind: 'exited', exitCode: code });
    expect(stdout).toBe('before\n');
  });

  it('keeps bytes that are no text', async () => {
    const { stdout } = await bench.run({ script: String.raw`printf '\000\001\377\376\r\n\n\200no end'` });
    expect(stdout).toBe('\x00\x01\xff\xfe\r\n\n\x80no end');
  });

  it('ends at its memory limit, and keeps what it printed', async () => {
    const { end, stdout } = await bench.run({
      script: 'echo before; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done',
      resources: { Memory: 16 * 1024 * 1024 },
    });
    expect(end).toMatchObject({
      kind: 'failed',
      code: 'OutOfMemory',
      class: 'user',
      exitCode: 137,
      message: expect.stringContaining('16.78 MB'),
    });
    expect(stdout).toBe('before\n');
  });

  it.each([
    [{ Entrypoint: ['/no/such/program'] }, 'ExecutableNotFound', 'user'],
    [{ Entrypoint: ['no-such-program'] }, 'ExecutableNotFound', 'user'],
    [{ Entrypoint: ['/etc'] }, 'ExecutableNotRunnable', 'user'],
    [{ Entrypoint: ['/bin/sh'], WorkingDirectory: '/bin/sh' }, 'WorkingDirectoryInvalid', 'user'],
  ])('that cannot start says why: %j', async (params, code, kind) => {
    const thrown = await bench.run({ params }).then(() => null, (error: unknown) => error);
    expect(thrown).toMatchObject({ code, details: { class: kind }, hint: expect.stringMatching(/./) });
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
    expect(await bench.left()).toEqual([]);
  });

  it('refused by the engine is the fault of its task, and leaves nothing', async () => {
    await expect(bench.create({ script: 'true', resources: { Memory: 1024 } })).rejects.toMatchObject({
      code: 'MemoryTooLow',
      details: { class: 'user' },
    });
    expect(await bench.left()).toEqual([]);
  });

  it('is stopped politely, and killed when it does not listen', async () => {
    const polite = await bench.started({
      script: 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done',
    });
    await until(polite.request, 'up\n');
    await polite.run.stop(5_000);
    expect(await polite.run.wait()).toMatchObject({ kind: 'failed', code: 'Stopped', exitCode: 3 });
    expect((await output(polite.request)).stdout).toBe('up\nbye\n');
    await polite.run.remove();

    const deaf = await bench.started({ script: 'trap "" TERM; echo up; while :; do sleep 0.05; done' });
    await until(deaf.request, 'up\n');
    await deaf.run.stop(0);
    expect(await deaf.run.wait()).toMatchObject({ code: 'Stopped', exitCode: 137 });
    await deaf.run.remove();
    await deaf.run.remove();
    expect(await bench.left()).toEqual([]);
  });

  it('that never started is stopped and removed without a start', async () => {
    const { run } = await bench.create({ script: 'echo ran' });
    await run.stop(1_000);
    expect(await run.wait()).toMatchObject({ code: 'Stopped' });
    await expect(run.start()).rejects.toThrow('it was stopped');
    await run.remove();
    expect(await bench.left()).toEqual([]);
  });

  it('removed while it runs is over', async () => {
    const { run } = await bench.started({ script: 'sleep 1000' });
    await run.remove();
    expect(await run.wait()).toMatchObject({ code: 'Stopped' });
    expect(await bench.left()).toEqual([]);
  });

  it('removed by somebody else is an infrastructure failure', async () => {
    const { run } = await bench.started({ script: 'sleep 1000' });
    await host!.docker.containers.remove(run.identity.id, { force: true });
    expect(await run.wait()).toMatchObject({ code: 'ContainerLost', class: 'infrastructure' });
    await run.remove();
  });

  it('that leaves a child behind ends with its first process', async () => {
    const { end, stdout } = await bench.run({ script: '(sleep 1000) & echo gone' });
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(stdout).toBe('gone\n');
  });

  it('cut at its log limit runs on to its end', async () => {
    const { request, run } = await bench.started({
      script: 'head -c 300000 /dev/zero; echo end >&2; exit 7',
      logLimit: 100_000,
    });
    expect(await run.wait()).toEqual({ kind: 'exited', exitCode: 7 });
    // Two streams have no order between them: the last line may come before the log is full.
    const { stdout, stderr, mark } = await output(request);
    expect(stdout).toMatch(/^\0+$/);
    expect(stdout.length + stderr.length).toBe(100_000);
    expect(mark).toContain('100000 bytes');
    await run.remove();
  });
});

async function until(request: Parameters<typeof output>[0], text: string): Promise<void> {
  await expect.poll(async () => (await output(request)).stdout).toContain(text);
}
