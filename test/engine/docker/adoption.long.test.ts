/** A node that is killed, and the one that takes over: the true end, each byte once, on a real dockerd. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EngineIdentity, RunRequest } from '../../../mod/engine/engine.ts';
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { nodeCommand, type NodeTask } from './support/node.ts';
import { logGrows, output, Workbench } from './support/workbench.ts';

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('after a kill -9 of the node', () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const object of await bench.engine.objects!()) await bench.engine.discard!(object);
  });

  /** A node in a process of its own, as far as `until`. */
  async function node(request: RunRequest, until: NodeTask['until'] = 'ended') {
    const { installId, folder } = bench;
    const task = { host: host!.host, installId, directory: join(folder, 'engine'), request, until };
    const [program, args] = nodeCommand(task);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const identity: EngineIdentity = { engine: 'docker', id: (await lines.next()).value! };
    return { identity, child, next: async () => (await lines.next()).value as string | undefined };
  }

  async function kill(child: ChildProcess): Promise<void> {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  it('a running program goes on, no byte lost or doubled on either stream', async () => {
    // Both streams, lines of all lengths, bytes that are no text, and a last line without its end.
    const script = `i=0; while [ $i -lt 400 ]; do i=$((i+1))
      printf 'out %d \\000\\377\\r\\n' $i; printf 'err %d' $i >&2; [ $((i%7)) = 0 ] && echo >&2
      [ $((i%40)) = 0 ] && { head -c 70000 /dev/zero | tr '\\0' x; sleep 0.1; }; done; echo; printf last`;
    const expected = await bench.run({ script });
    const request = bench.request({ script });
    const first = await node(request);
    await logGrows(request.logPath, 200_000);
    await kill(first.child);
    const second = await node2(request, first.identity);
    expect(second.state).toBe('running');
    expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    const { stdout, stderr, mark } = await output(request);
    expect(digest(stdout)).toBe(digest(expected.stdout));
    expect(stderr).toBe(expected.stderr);
    expect(mark).toBe('');
    await second.remove();
    expect(await bench.left()).toEqual([]);
  });

  it.each([
    ['exactly one record', 'head -c 16384 /dev/zero; echo'],
    ['three records and a newline', 'head -c 49152 /dev/zero; echo; echo x'],
    ['no newline after a record', 'head -c 16384 /dev/zero'],
    ['no newline', 'printf abc'],
    ['only newlines', 'echo; echo; echo'],
    ['a short line without newline after a long one', 'head -c 20000 /dev/zero; echo; printf end'],
  ])('a log that was never seen is read exactly: %s', async (_, script) => {
    const expected = await bench.run({ script });
    const request = bench.request({ script });
    const first = await node(request, 'created');
    await kill(first.child);
    await host!.docker.containers.start(first.identity.id);
    await host!.docker.containers.wait(first.identity.id, 'not-running').result;
    const second = await node2(request, first.identity);
    expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    expect(digest((await output(request)).stdout)).toBe(digest(expected.stdout));
    await second.remove();
  });

  it('one killed again and again loses nothing', async () => {
    const script =
      'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i%100)) = 0 ] && sleep 0.05; done; exit 9';
    const request = bench.request({ script });
    const first = await node(request);
    await logGrows(request.logPath, 2_000);
    await kill(first.child);
    // Each further life is an engine of this process that stops listening in the middle.
    for (const bytes of [8_000, 14_000, 20_000]) {
      const engine = await bench.anotherEngine();
      const run = await engine.find(first.identity, request);
      expect(run).not.toBeNull();
      await logGrows(request.logPath, bytes);
      await engine.close();
    }
    const last = await node2(request, first.identity);
    expect(await last.wait()).toEqual({ kind: 'exited', exitCode: 9 });
    const lines = Array.from({ length: 3000 }, (_, i) => `line ${i + 1}\n`).join('');
    expect((await output(request)).stdout).toBe(lines);
    await last.remove();
  });

  it('an ended program is harvested with all it printed', async () => {
    const script = 'echo one; sleep 0.3; head -c 500000 /dev/zero; echo two; exit 5';
    const request = bench.request({ script });
    const first = await node(request);
    await logGrows(request.logPath, 20);
    await kill(first.child);
    await host!.docker.containers.wait(first.identity.id, 'not-running').result;
    const second = await node2(request, first.identity);
    expect(second.state).toBe('ended');
    expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 5 });
    expect(digest((await output(request)).stdout)).toBe(digest(`one\n${'\0'.repeat(500_000)}two\n`));
    await second.remove();
    expect(await bench.left()).toEqual([]);
  });

  it('says so where the engine threw output away meanwhile', async () => {
    const script = 'echo first; sleep 2.5; yes 0123456789abcdef | head -c 2600000; echo; echo last';
    const request = bench.request({ script, logLimit: 1024 * 1024 });
    const first = await node(request);
    await logGrows(request.logPath, 20);
    await kill(first.child);
    await host!.docker.containers.wait(first.identity.id, 'not-running').result;
    const second = await node2(request, first.identity);
    expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    const { stdout, mark } = await output(request);
    expect(stdout.startsWith('first\n0123456789abcdef\n')).toBe(true);
    expect(stdout.endsWith('\nlast\n')).toBe(true);
    expect(mark).toContain('the engine rotated its log');
    await second.remove();
  });

  it('one out of memory is told so afterwards', async () => {
    const request = bench.request({
      script: 'echo up; sleep 0.3; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done',
      resources: { Memory: 16 * 1024 * 1024 },
    });
    const first = await node(request);
    await logGrows(request.logPath, 20);
    await kill(first.child);
    await host!.docker.containers.wait(first.identity.id, 'not-running').result;
    const second = await node2(request, first.identity);
    expect(await second.wait()).toMatchObject({ code: 'OutOfMemory', exitCode: 137 });
    expect((await output(request)).stdout).toBe('up\n');
    await second.remove();
  });

  it('one that was made and not started is started, once', async () => {
    const request = bench.request({ script: 'echo only' });
    const first = await node(request, 'created');
    await kill(first.child);
    const second = await node2(request, first.identity);
    expect(second.state).toBe('created');
    await second.start();
    await expect(second.start()).rejects.toThrow('it was started before');
    expect(await second.wait()).toEqual({ kind: 'exited', exitCode: 0 });
    expect((await output(request)).stdout).toBe('only\n');
    await second.remove();
  });

  it('one whose identity was not stored is made again under its name', async () => {
    const request = bench.request({ script: 'echo again' });
    const first = await node(request, 'created');
    await kill(first.child);
    const run = await bench.engine.create(request, new AbortController().signal);
    expect(run.identity.id).not.toBe(first.identity.id);
    expect(await bench.left()).toHaveLength(1);
    await run.start();
    await run.wait();
    await run.remove();
    expect(await bench.left()).toEqual([]);
  });

  it('objects that nobody asks for are listed and removed', async () => {
    const request = bench.request({ script: 'sleep 1000', runNo: 4 });
    const first = await node(request);
    await kill(first.child);
    const { executionId, runNo } = request;
    const objects = await bench.engine.objects!();
    expect(objects).toEqual([{ kind: 'container', id: first.identity.id, executionId, runNo }]);
    await bench.engine.discard!(objects[0]!);
    await bench.engine.discard!(objects[0]!);
    expect(await bench.left()).toEqual([]);
    expect(await bench.engine.find(first.identity, request)).toBeNull();
  });

  async function node2(request: RunRequest, identity: EngineIdentity) {
    const run = await bench.engine.find(identity, request);
    if (!run) throw new Error('the run was not found');
    return run;
  }
});

function digest(text: string): string {
  return `${text.length} ${createHash('sha256').update(text, 'latin1').digest('hex')}`;
}
