/** Frozen plain data that every room shares. It knows no other room and does no I/O. */
export * from './codec.ts';
export * from './compatibility.ts';
export * from './duration.ts';
export * from './errors.ts';
export * from './evaluation.ts';
export * from './event.ts';
export * from './execution.ts';
export type { State } from './fields.ts';
export * from './freeze.ts';
export * from './ids.ts';
export * from './job.ts';
export * from './json.ts';
export * from './limits.ts';
export * from './node.ts';
export * from './queries.ts';
export * from './resources.ts';
export * from './shape.ts';
export * from './time.ts';
