/** A node that is brought up to date goes on with the database that an older version wrote. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { stringifyJson } from '../../mod/model/mod.ts';
import { COMPUTE_MIGRATIONS, type ComputeSchema } from '../../mod/store/compute_schema.ts';
import { ComputeStore } from '../../mod/store/compute_store.ts';
import { openSqlite } from '../../mod/store/mod.ts';
import { execution } from '../compute/rig.ts';
import { testWorld } from './samples.ts';

it('a database of the first version keeps its rows; what it did not know is empty and can be stored', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const path = join(folder, 'compute.db');
    const open = (migrations = COMPUTE_MIGRATIONS) =>
      openSqlite<ComputeSchema>({ path, migrations, world: testWorld() });
    const body = stringifyJson(execution('e-1'));
    {
      await using old = await open(COMPUTE_MIGRATIONS.slice(0, 1));
      await old.write(async ({ db }) => {
        await sql`INSERT INTO executions (id, cluster, job_id, body, desired, phase, run_no, allocated, identity,
          exit_code, report, events, create_time, queued_at, deadline, ended, confirmed_at, rev) VALUES ('e-1', 'c',
          'j-e-1', ${body}, 1, 'queued', 1, '{"CPU":1}', '', '', '', '[]', 1, 2, 0, 0, 0, 3)`.execute(db);
      });
    }
    const GPUs = [{ Index: 0, Name: 'Tesla T4', Vendor: 'NVIDIA', Memory: 15360, PCIAddress: '' }];
    const assigned = {
      allocated: { CPU: 1, GPU: 1, GPUs },
      ports: [{ Name: 'http', Static: 20_000, Target: 80 }],
    };
    {
      await using db = await open();
      const store = new ComputeStore(db);
      expect(await store.open()).toMatchObject([
        { id: 'e-1', phase: 'queued', allocated: { CPU: 1 }, rev: 3n, pinned: {}, ports: [] },
      ]);
      expect(await store.assign('e-1', assigned)).toBe(true);
      expect(await store.advance('e-1', ['queued'], { phase: 'starting', pinned: { digest: 'sha256:1' } }))
        .toEqual({ rev: 4n });
      expect(await store.assign('e-1', { allocated: {}, ports: [] })).toBe(false);
    }
    await using db = await open();
    expect(await new ComputeStore(db).find('e-1')).toMatchObject({
      ...assigned,
      phase: 'starting',
      pinned: { digest: 'sha256:1' },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
