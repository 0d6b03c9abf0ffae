/** The orchestrator: accepts jobs, places them on nodes, follows them to their end. See README.md. */
export { DEFAULT_SETTINGS } from './options.ts';
export type { OrchestratorOptions, OrchestratorSettings } from './options.ts';
export { startOrchestrator } from './orchestrator.ts';
export type { Orchestrator } from './orchestrator.ts';
