/** The store suite on SQLite. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOrchestratorStore } from '../../mod/store/mod.ts';
import { testWorld } from './samples.ts';
import { storeSuite } from './suite.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name = 'orchestrator.db') => join(folder, name);

describe('on SQLite', () => {
  storeSuite((world) => openOrchestratorStore({ path: file(), world, orchestratorId: 'n-orchestrator' }));
});

describe('the file', () => {
  it('has a store id of its own and is readable by its owner only', async () => {
    const world = testWorld();
    await using one = await openOrchestratorStore({ path: file('1.db'), world, orchestratorId: 'n-1' });
    await using two = await openOrchestratorStore({ path: file('2.db'), world, orchestratorId: 'n-1' });
    expect(one.cluster.storeId).not.toBe(two.cluster.storeId);
    for (const name of ['1.db', '1.db-wal', '1.db-shm']) {
      expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    }
  });

  it('says why it cannot be opened', async () => {
    const open = (path: string) => openOrchestratorStore({ path, world: testWorld(), orchestratorId: 'n-1' });
    await expect(open(file('no/such.db'))).rejects.toMatchObject({
      code: 'StoreOpen',
      message: expect.stringContaining(file('no/such.db')),
    });
  });
});
