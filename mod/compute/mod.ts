/** The compute node: bids for work, queues it by priority, runs it, and survives its own death. */
export * from './node.ts';
export * from './options.ts';
export { Capacity } from './capacity.ts';
export { checkEnvironment, type HostEnvironment, resolveEnvironment } from './environment.ts';
export type { PortOptions } from './ports.ts';
export { LocalQueue } from './queue.ts';
export { COMPUTE_STATE_OF, ENTERED_FROM } from './phase.ts';
