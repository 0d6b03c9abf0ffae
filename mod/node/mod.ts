/**
 * Composes the roles of one process from a configuration. The only room that knows orchestrator, compute, API, engines,
 * sources and publishers together.
 */
export { type Devstack, type DevstackOptions, startDevstack } from './devstack.ts';
export { type NodeOptions, type RunningNode, startNode } from './node.ts';
