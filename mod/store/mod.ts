/** Durable state: the core (`database.ts`) and the stores over it, the orchestrator's and the node's. See README.md. */
export type { ComputePhase, HeldExecution, Peer, PhaseChange } from './compute_rows.ts';
export { COMPUTE_MIGRATIONS, type ComputeSchema } from './compute_schema.ts';
export { ComputeStore, type StatusChange } from './compute_store.ts';
export * from './database.ts';
export { Lru } from './lru.ts';
export { type OpenOptions, openOrchestratorStore } from './open.ts';
export { orchestratorStore, type OrchestratorStoreOptions } from './orchestrator_store.ts';
export { ORCHESTRATOR_MIGRATIONS, type OrchestratorSchema } from './orchestrator_schema.ts';
export * from './rows.ts';
export { openSqlite, type SqliteOptions } from './sqlite.ts';
export * from './store.ts';
