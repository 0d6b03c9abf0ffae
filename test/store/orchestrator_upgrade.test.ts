/** An orchestrator that is brought up to date goes on with the database that its first version wrote. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { ORCHESTRATOR_MIGRATIONS, type OrchestratorSchema } from '../../mod/store/orchestrator_schema.ts';
import { openOrchestratorStore, openSqlite } from '../../mod/store/mod.ts';
import { sampleInfo, testWorld } from './samples.ts';

/** A row of a table whose other columns are empty. */
function rowOf(file: DatabaseSync, table: string, given: Record<string, string | number>) {
  const columns = file.prepare(`pragma table_info(${table})`).all() as {
    name: string;
    type: string;
    notnull: number;
  }[];
  const values = columns.map(({ name, type, notnull }) =>
    given[name] ?? (notnull === 0 ? null : type.toLowerCase() === 'text' ? '' : 0)
  );
  file.prepare(`insert into ${table} values (${columns.map(() => '?').join()})`).run(...values);
}

it('a database of the first version keeps its jobs, executions, history and nodes, and takes more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const path = join(folder, 'orchestrator.db');
    const world = testWorld();
    {
      await using first = await openSqlite<OrchestratorSchema>({
        path,
        migrations: ORCHESTRATOR_MIGRATIONS.slice(0, 1),
        world,
      });
      expect(await first.read((db) => sql`select * from slots`.execute(db))).toMatchObject({ rows: [] });
    }
    {
      using file = new DatabaseSync(path);
      rowOf(file, 'cluster', { id: 1, store_id: 's-1', orchestrator_id: 'o-1' });
      rowOf(file, 'jobs', {
        id: 'j-1',
        name: 'j-1',
        namespace: 'default',
        version: 1,
        rev: 3,
        history_seq: 1,
        state: 'Running',
        labels: '{}',
      });
      const body = { ID: 'j-1', Name: 'j-1', Namespace: 'default', Type: 'batch', Count: 1, Tasks: [] };
      rowOf(file, 'job_versions', {
        job_id: 'j-1',
        version: 1,
        body: JSON.stringify(body),
        state: 'Pending',
        revision: 1,
      });
      rowOf(file, 'slots', {
        job_id: 'j-1',
        version: 1,
        slot: '0',
        attempt: 2,
        current_exec: 'e-2',
        failures: '{}',
        avoided: '{}',
        rev: 2,
      });
      const execution = {
        job_id: 'j-1',
        version: 1,
        slot: '0',
        node_id: 'n-1',
        allocated: '{"Tasks":{}}',
        rev: 1,
      };
      rowOf(file, 'executions', { ...execution, id: 'e-1', attempt: 1, phase: 'lost', next_exec: 'e-2' });
      rowOf(file, 'executions', {
        ...execution,
        id: 'e-2',
        attempt: 2,
        phase: 'running',
        previous_exec: 'e-1',
      });
      rowOf(file, 'nodes', {
        id: 'n-1',
        membership: 'APPROVED',
        eligibility: 'eligible',
        info: JSON.stringify(sampleInfo('n-1')),
        extensions: '[]',
        out_seq: 7,
        rev: 1,
      });
      rowOf(file, 'node_usage', { node_id: 'n-1', executions: 1, rev: 1 });
      rowOf(file, 'history', {
        job_id: 'j-1',
        seq: 1,
        version: 1,
        type: 'JobLevel',
        event: '{"Message":"submitted"}',
      });
      const evaluation = { job_id: 'j-1', namespace: 'default', type: 'batch', priority: 50 };
      rowOf(file, 'evaluations', {
        ...evaluation,
        id: 'v-1',
        triggered_by: 'exec-failure',
        status: 'pending',
        wait_until: 9,
      });
      rowOf(file, 'evaluations', { ...evaluation, id: 'v-2', triggered_by: 'node-update', status: 'leased' });
      rowOf(file, 'evaluations', {
        ...evaluation,
        id: 'v-3',
        triggered_by: 'job-register',
        status: 'complete',
      });
    }
    await using store = await openOrchestratorStore({ path, world, orchestratorId: 'another' });
    expect(store.cluster).toMatchObject({ storeId: 's-1', orchestratorId: 'o-1' });
    const [seen, evaluations] = await store.read(async (reader) => [
      {
        job: await reader.jobs.get('j-1'),
        attempts: await reader.executions.bySlot('j-1', 1, '0'),
        history: (await reader.history.page({ jobId: 'j-1' })).items,
        node: await reader.nodes.view('n-1'),
      },
      await reader.evaluations.due(9n, 10),
    ]);
    expect(seen).toMatchObject({
      job: { job: { ID: 'j-1', Revision: 3n, State: { StateType: 'Running' } } },
      attempts: [{ id: 'e-2', attempt: 2 }, { id: 'e-1', attempt: 1 }],
      history: [{ SeqNum: 1n, Event: { Message: 'submitted' } }],
      node: { node: { outSeq: 7n }, usage: { executions: 1 } },
    });
    expect(evaluations.map(({ id, waitUntil }) => [id, waitUntil])).toEqual([['v-2', 0n], ['v-1', 9n]]);
    await store.write(async (tx) => {
      await tx.executions.update(seen.attempts[0]!, { phase: 'completed', counted: true });
      expect(await tx.outbox.append('n-1', 'e-2', 'cancel')).toBe(8n);
    });
    expect((await store.read((reader) => reader.nodes.usage('n-1'))).executions).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
