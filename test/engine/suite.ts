/** What every engine keeps to (mod/engine/engine.ts). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, RunRequest } from '../../mod/engine/mod.ts';

const NEVER = new AbortController().signal;

export interface EngineUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  /** A run of its own each: of a program that exits with this code, or that does not end by itself. */
  exits(code: number): RunRequest;
  lasts(): RunRequest;
}

export function engineSuite(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`the engine ${name}`, () => {
    let made: EngineUnderTest;
    beforeAll(async () => void (made = await make()));
    afterAll(() => made?.[Symbol.asyncDispose]());
    const create = async (request: RunRequest) => ({
      request,
      run: await made.engine.create(request, NEVER),
    });

    it('can be used, and takes the tasks that it runs', async () => {
      expect(await made.engine.available()).toBeNull();
      expect(await made.engine.check(made.exits(0).task)).toBeNull();
    });

    it.each([0, 3])('tells the exit code %i, to those who waited before, too', async (exitCode) => {
      const { run } = await create(made.exits(exitCode));
      const early = run.wait();
      await run.start();
      expect(await early).toEqual({ kind: 'exited', exitCode });
      expect(await run.wait()).toEqual({ kind: 'exited', exitCode });
      await run.remove();
    });

    it('ends a program that is stopped, once and again', async () => {
      const { run } = await create(made.lasts());
      await run.start();
      await Promise.all([run.stop(0), run.stop(0)]);
      const end = await run.wait();
      expect(end.kind === 'exited' ? end.exitCode : end.code).toBeOneOf([137, 'Stopped']);
      await run.stop(0);
      await run.remove();
    });

    it('removes a run whatever it does, and does not find it any more', async () => {
      for (const started of [false, true]) {
        const { request, run } = await create(made.lasts());
        if (started) await run.start();
        await run.remove();
        await run.remove();
        expect(await made.engine.find(run.identity, request)).toBeNull();
        const left = await made.engine.objects?.() ?? [];
        expect(left.filter(({ executionId }) => executionId === request.executionId)).toEqual([]);
      }
    });

    it('makes nothing once it is told not to', async () => {
      const stopped = AbortSignal.abort(new Error('no more'));
      await expect(made.engine.create(made.exits(0), stopped)).rejects.toThrow();
    });
  });
}
