/** Durable state: the core (`database.ts`) and the orchestrator's store over it (`store.ts`). See README.md. */
export * from './database.ts';
export { Lru } from './lru.ts';
export { type OpenOptions, openOrchestratorStore } from './open.ts';
export { orchestratorStore, type OrchestratorStoreOptions } from './orchestrator_store.ts';
export { ORCHESTRATOR_MIGRATIONS, type OrchestratorSchema } from './orchestrator_schema.ts';
export * from './rows.ts';
export { openSqlite, type SqliteOptions } from './sqlite.ts';
export * from './store.ts';
