/** Durable state: the core (`database.ts`) and the orchestrator's store over it (`store.ts`). See README.md. */
export * from './database.ts';
export * from './rows.ts';
export * from './store.ts';
