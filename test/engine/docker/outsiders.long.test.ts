/** What others do to a container with the docker command while its node runs it: who it was is said, nothing is left. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../../mod/engine/engine.ts';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { logGrows, output, Workbench } from './support/workbench.ts';

const host = await dockerd();
if (!host) console.log(dockerMissing());

const SLEEPS = 'echo up; exec sleep 1000';
const POLITE = 'trap "echo bye; exit 4" TERM; echo up; while :; do sleep 0.05; done';
const TALKS = 'trap "echo told; exit 5" USR1; echo up; while :; do sleep 0.05; done';

describe.skipIf(!host)('a container that others', () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  const docker = (...args: readonly string[]) => promisify(execFile)('docker', ['-H', host!.host, ...args]);

  /** Its end and output when it has run and `act` was done to it. */
  async function disturbed(script: string, act: (id: string, run: Run) => Promise<unknown>) {
    const { request, run } = await bench.started({ script });
    await logGrows(request.logPath, 20);
    await act(run.identity.id, run);
    const end = await run.wait();
    await run.remove();
    expect(await bench.left()).toEqual([]);
    return { end, ...await output(request) };
  }

  it.each([
    ['stop', SLEEPS, ['stop', '-t', '0'], /SIG(TERM|KILL)/, 137],
    ['stop, and that ends politely', POLITE, ['stop'], /SIGTERM/, 4],
    ['kill', SLEEPS, ['kill'], /SIGKILL/, 137],
  ])('%s says so, and may be run elsewhere', async (_, script, command, signal, exitCode) => {
    const { end, stdout } = await disturbed(script, (id) => docker(...command, id));
    expect(end).toMatchObject({
      kind: 'failed',
      code: 'ContainerKilled',
      class: 'infrastructure',
      message: expect.stringMatching(signal),
      hint: expect.stringContaining('bacalhau job stop'),
      exitCode,
    });
    expect(stdout).toMatch(/^up\n/);
  });

  it('restart did not complete, whatever its program does then', async () => {
    const { end } = await disturbed(SLEEPS, (id) => docker('restart', '-t', '0', id));
    expect(end).toMatchObject({ code: 'ContainerRestarted', class: 'infrastructure' });
  });

  it('send a signal that it listens to ends by itself', async () => {
    const { end, stdout } = await disturbed(TALKS, (id) => docker('kill', '--signal', 'USR1', id));
    expect(end).toEqual({ kind: 'exited', exitCode: 5 });
    expect(stdout).toBe('up\ntold\n');
  });

  it('pause and go on with loses nothing', async () => {
    const { end, stdout } = await disturbed('echo up; sleep 0.2; echo end', async (id) => {
      await docker('pause', id);
      await docker('unpause', id);
    });
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(stdout).toBe('up\nend\n');
  });

  it('pause is stopped all the same', async () => {
    const { end } = await disturbed(SLEEPS, async (id, run) => {
      await docker('pause', id);
      await run.stop(0);
    });
    expect(end).toMatchObject({ code: 'Stopped' });
  });

  it('pause is removed all the same', async () => {
    const { end } = await disturbed(SLEEPS, async (id, run) => {
      await docker('pause', id);
      await run.remove();
    });
    expect(end).toMatchObject({ code: 'Stopped' });
  });

  it('rename is found again by its id', async () => {
    const { end, stdout } = await disturbed(
      'echo up; sleep 0.2; echo end',
      (id) => docker('rename', id, `other-${id.slice(0, 12)}`),
    );
    expect(end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(stdout).toBe('up\nend\n');
  });

  it('remove once it has ended has ended in its own way', async () => {
    const { end, stdout } = await disturbed('echo up; sleep 0.2; exit 3', async (id) => {
      // As `docker run --rm` would: whoever is faster, this or the node's own look at it.
      await host!.docker.containers.wait(id, 'not-running').result;
      await host!.docker.containers.remove(id);
    });
    expect(end).toEqual({ kind: 'exited', exitCode: 3 });
    expect(stdout).toBe('up\n');
  });

  it('remove while it runs is lost', async () => {
    const { end } = await disturbed(SLEEPS, (id) => docker('rm', '-f', id));
    expect(end).toMatchObject({ code: 'ContainerLost', class: 'infrastructure' });
  });
});
