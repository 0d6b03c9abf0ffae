/** One pass of housekeeping removes all that is no longer needed, however much that is. */
import { expect, it } from 'vitest';
import { Housekeeping } from '../../mod/orchestrator/housekeeping.ts';
import { DEFAULT_SETTINGS } from '../../mod/orchestrator/options.ts';
import type { Transactor } from '../../mod/orchestrator/work/transactor.ts';
import { openOrchestratorStore } from '../../mod/store/mod.ts';
import { realWorld } from '../../runtime/world.ts';
import { temporaryFolder } from '../support/program.ts';

it('removes more rows in a pass than one transaction takes, of every table', async () => {
  const ROWS = 2500;
  await using folder = await temporaryFolder();
  const path = `${folder.path}/state.db`;
  await using store = await openOrchestratorStore({ path, world: realWorld, orchestratorId: 'o' });
  await store.write(async (tx) => {
    for (let i = 0; i < ROWS; i++) {
      const key = `k-${i}`;
      await tx.idempotency.put({ key, namespace: 'default', answer: '{}', expires: tx.now - 1n });
      const place = { nodeId: '', namespace: 'default', priority: 0, since: 1n, due: 0n };
      await tx.wants.put({ jobId: 'j', slot: '0', slots: 1, version: 1, ...place }, key);
    }
    await tx.wants.clear('j');
  });
  const before = store.stats().commits;
  const passes: (() => void)[] = [];
  const armed = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const world = {
    ...realWorld,
    after(_ms: number, callback: () => void) {
      armed[passes.push(callback) - 1]!.resolve();
      return { [Symbol.dispose]() {} };
    },
  };
  const transactor = { store, serve: () => Promise.resolve() } as Transactor;
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const housekeeping = new Housekeeping({ transactor, world, settings: DEFAULT_SETTINGS, onError });
  await armed[0]!.promise;
  passes[0]!();
  await armed[1]!.promise;
  await housekeeping.close();
  expect(errors).toEqual([]);
  expect(store.stats().commits - before).toBe(3);
  await store.write(async (tx) => {
    expect(await tx.wants.requests()).toEqual([]);
    expect(await tx.idempotency.prune(ROWS)).toBe(0);
  });
});
