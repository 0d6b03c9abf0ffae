/** The public HTTP API. What it needs of the rest of the program it declares itself (`backend.ts`). */
export * from './backend.ts';
export { type ApiServer, type ApiServerOptions, startApiServer } from './server.ts';
