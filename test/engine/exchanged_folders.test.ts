/**
 * A local folder that is exchanged for a link to somebody else's between its check and its mount: the program gets the
 * folder that was checked, or does not start. The other one is neither read nor written.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Engine, Run, RunRequest } from '../../mod/engine/mod.ts';
import { localSource } from '../../mod/storage/mod.ts';
import { PathHandle } from '../../runtime/files/mod.ts';
import { dockerd, dockerMissing } from '../support/docker.ts';
import { logText } from '../support/log_text.ts';
import { temporaryFolder } from '../support/program.ts';
import { request as prepareRequest } from '../storage/support.ts';
import { Workbench } from './docker/support/workbench.ts';
import { Bench, CHILDREN, FIXTURES } from './wasm/helpers.ts';

let base: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: string;
let aside: string;
let victim: string;

beforeEach(async () => {
  base = await temporaryFolder();
  folder = join(base.path, 'shared', 'in');
  aside = join(base.path, 'shared', 'aside');
  victim = join(base.path, 'victim');
  for (const path of [folder, victim]) mkdirSync(path, { recursive: true, mode: 0o777 });
  writeFileSync(join(folder, 'a'), 'mine\n');
  writeFileSync(join(victim, 'a'), 'secret\n');
});
afterEach(async () => {
  vi.restoreAllMocks();
  expect(readdirSync(victim)).toEqual(['a']);
  expect(readFileSync(join(victim, 'a'), 'utf8')).toBe('secret\n');
  await base[Symbol.asyncDispose]();
});

function exchange(): void {
  renameSync(folder, aside);
  symlinkSync(victim, folder);
}

function restore(): void {
  rmSync(folder, { force: true });
  renameSync(aside, folder);
}

/** The exchange comes right after the last look before the start. */
function exchangeAfterCheck(): void {
  const { check } = PathHandle.prototype;
  vi.spyOn(PathHandle.prototype, 'check').mockImplementation(function (this: PathHandle) {
    check.call(this);
    if (this.path === folder) exchange();
  });
}

async function localInput(readWrite: boolean) {
  const source = localSource({ allowList: [`${base.path}/shared/**:rw`] });
  const spec = { Type: 'local', Params: { SourcePath: folder, ReadWrite: readWrite } };
  return { ...await source.prepare(await prepareRequest(spec)), target: '/in' };
}

const never = new AbortController().signal;

describe('the source', () => {
  it('holds what it has allowed, and refuses what an exchange led to', async () => {
    const source = localSource({ allowList: [`${base.path}/shared/**:rw`] });
    const spec = { Type: 'local', Params: { SourcePath: folder, ReadWrite: true } };
    let stop = false;
    const attacker = (async () => {
      while (!stop) {
        exchange();
        await setTimeout(0);
        restore();
        await setTimeout(0);
      }
    })();
    const seen = new Set<string>();
    for (let round = 0; round < 300; round++) {
      const prepared = await source.prepare(await prepareRequest(spec)).catch((error: Error) => error);
      if (prepared instanceof Error) {
        expect(prepared.message).toMatch(/not allow-listed|no such file/);
        seen.add('refused');
        continue;
      }
      expect(prepared.hostPath).not.toContain('victim');
      expect(prepared.handle!.path).toBe(prepared.hostPath);
      prepared.handle![Symbol.dispose]();
      seen.add('held');
    }
    stop = true;
    await attacker;
    expect([...seen].sort()).toEqual(['held', 'refused']);
  });

  it('makes what is missing in the folder that it found, through no link', async () => {
    const source = localSource({ allowList: [`${base.path}/shared/**:rw`] });
    const spec = {
      Type: 'local',
      Params: { SourcePath: join(folder, 'new', 'deep'), ReadWrite: true, CreateAs: 'dir' },
    };
    for (let round = 0; round < 50; round++) {
      const preparing = source.prepare(await prepareRequest(spec)).catch((error: Error) => error);
      for (let wait = 0; wait < round % 10; wait++) await Promise.resolve();
      exchange();
      const prepared = await preparing;
      if (!(prepared instanceof Error)) prepared.handle![Symbol.dispose]();
      restore();
      rmSync(join(folder, 'new'), { recursive: true, force: true });
    }
  });
});

describe.each(Object.entries(CHILDREN))('a module under %s', (_name, childCommand) => {
  const write = { params: { Parameters: ['path_create_directory 3 :in/made'] } };

  async function run(
    bench: Bench,
    readWrite = true,
    then = () => {},
  ): Promise<{ end: unknown; stdout: string }> {
    const input = await localInput(readWrite);
    using _handle = input.handle!;
    const request = bench.request(`${FIXTURES}/wasi/calls.wasm`, { ...write, inputs: [input] });
    const run = await bench.engine.create(request, never);
    then();
    await run.start();
    return { end: await run.wait(), ...await logText(request.logPath) };
  }

  it('gets its folder, and none that took its name', async () => {
    await using bench = new Bench({ childCommand: [...childCommand] });
    expect((await run(bench)).end).toEqual({ kind: 'exited', exitCode: 0 });
    expect(readdirSync(folder).sort()).toEqual(['a', 'made']);
    await expect(run(bench, true, exchange)).rejects.toMatchObject({ code: 'MountChanged' });
    restore();
    exchangeAfterCheck();
    expect((await run(bench)).end).toMatchObject({
      kind: 'failed',
      class: 'infrastructure',
      message: expect.stringMatching(/it was exchanged since it was checked/),
    });
  });
});

const host = await dockerd();
if (!host) console.log(dockerMissing());

describe.skipIf(!host)('a container', { timeout: 60_000 }, () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open(host!);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());

  const script = 'cat /in/a; echo new > /in/b';

  async function create(readWrite: boolean, more: Partial<RunRequest> = {}) {
    const input = await localInput(readWrite);
    const { request, run } = await bench.create({ script, inputs: [input], ...more });
    return { input, request, run };
  }

  async function finish(request: RunRequest, run: Run): Promise<string> {
    try {
      await run.start();
      await run.wait();
      return (await logText(request.logPath)).stdout;
    } finally {
      await run.remove();
      expect(await bench.left()).toEqual([]);
    }
  }

  it.each([true, false])(
    'gets the folder that was checked, whatever its name leads to by then (writable: %s)',
    async (readWrite) => {
      const { input, request, run } = await create(readWrite);
      using _handle = input.handle!;
      exchangeAfterCheck();
      expect(await finish(request, run)).toBe('mine\n');
      expect(readdirSync(aside)).toEqual(readWrite ? ['a', 'b'] : ['a']);
    },
  );

  it('does not start when the exchange is seen', async () => {
    const { input, request, run } = await create(true);
    using _handle = input.handle!;
    exchange();
    await expect(finish(request, run)).rejects.toMatchObject({ code: 'MountChanged' });
    expect(readdirSync(aside)).toEqual(['a']);
  });

  it('gets the right folder in a race without end, or none', async () => {
    let stop = false;
    const attacker = (async () => {
      while (!stop) {
        exchange();
        await setTimeout(1);
        restore();
        await setTimeout(1);
      }
    })();
    try {
      for (let round = 0; round < 8; round++) {
        const made = await create(true).catch((error: Error) => error);
        if (made instanceof Error) continue;
        using _handle = made.input.handle!;
        const out = await finish(made.request, made.run).catch((error: { code: string }) => error.code);
        expect(['mine\n', 'MountChanged']).toContain(out);
      }
    } finally {
      stop = true;
      await attacker;
    }
  });

  it('writes its outputs to the folder that was made for them', async () => {
    const directory = bench.makeFolder('outputs');
    const out = bench.makeFolder('outputs', 'results', 'out');
    const { request, run } = await bench.create({
      directory,
      outputs: [{ name: 'out', hostPath: out, path: '/out' }],
      script: 'echo made > /out/f',
    });
    rmSync(out, { recursive: true });
    symlinkSync(victim, out);
    await expect(finish(request, run)).rejects.toMatchObject({ code: 'MountChanged' });
    const linked = bench.create({ directory, outputs: [{ name: 'out', hostPath: out, path: '/out' }] });
    await expect(linked).rejects.toThrow(/it is a link|no folder/);
  });

  it('that was made but not started is nothing for the next process of the node', async () => {
    const { input, request, run } = await create(true);
    input.handle![Symbol.dispose]();
    const next: Engine = await bench.anotherEngine();
    try {
      expect(await next.find(run.identity, request)).toMatchObject({ state: 'created', stale: true });
    } finally {
      await run.remove();
      await next.close();
    }
  });
});
