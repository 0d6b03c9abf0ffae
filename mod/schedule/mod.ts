/** The pure scheduler: one job's rows and the nodes in, a plan out. See README.md. */
export { JOB_KINDS } from './kinds.ts';
export type { JobKind } from './kinds.ts';
export { holds } from './place/constraints.ts';
export { refusalOf } from './place/filters.ts';
export { placementRequest } from './place/request.ts';
export type { PlacementRequest } from './place/request.ts';
export { executionDeadline } from './reconcile/live.ts';
export { schedule } from './schedule.ts';
export { DEFAULT_POLICY } from './settings.ts';
export * from './types.ts';
