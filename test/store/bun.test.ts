/** The store under Bun: the suite runs under the runtime of the tests, this one under the other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openOrchestratorStore } from '../../mod/store/mod.ts';
import { startWriter } from './children.ts';
import { testWorld } from './samples.ts';

it('a file written under Bun is read here, large integers included', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const path = join(folder, 'a.db');
    const writer = startWriter('bun', [path, '16', '5']);
    const { runtime, large, commits } = await writer.done;
    expect({ runtime, large }).toEqual({ runtime: 'bun', large: '9007199254740993' });
    expect(writer.answered).toHaveLength(80);
    expect(commits).toBeLessThan(40);
    await using store = await openOrchestratorStore({ path, world: testWorld(), orchestratorId: 'n-1' });
    const { items } = await store.read((reader) => reader.jobs.list({ orderBy: 'id' }));
    expect(items.map((row) => row.job.ID)).toEqual([...writer.answered].sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
