/** Opens the orchestrator's store in one SQLite file. */
import { orchestratorStore, type OrchestratorStoreOptions } from './orchestrator_store.ts';
import { ORCHESTRATOR_MIGRATIONS, type OrchestratorSchema } from './orchestrator_schema.ts';
import { openSqlite, type SqliteOptions } from './sqlite.ts';
import type { OrchestratorStore } from './store.ts';

/** Where the store is, and for whom. */
export type OpenOptions = OrchestratorStoreOptions & Omit<SqliteOptions, 'migrations'>;

/** @throws BacalhauError `StoreVersion`, `StoreOpen` */
export async function openOrchestratorStore(options: OpenOptions): Promise<OrchestratorStore> {
  const database = await openSqlite<OrchestratorSchema>({ ...options, migrations: ORCHESTRATOR_MIGRATIONS });
  return await orchestratorStore(database, options);
}
