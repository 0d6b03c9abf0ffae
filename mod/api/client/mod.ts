/** The client of the public API. */
export * from './client.ts';
export { endpointUrl } from './endpoint.ts';
export type { LogChunk } from './logs.ts';
export { type Connection, unreachable } from './transport.ts';
