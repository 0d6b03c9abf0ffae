/** A thin, typed client of the Docker Engine API on `node:http`. See README.md. */
export { registryAuth, type RegistryAuthOptions } from './auth.ts';
export type {
  Attached,
  ByteSource,
  Containers,
  Docker,
  EventStream,
  Filters,
  Images,
  LogOptions,
  Networks,
  OutputFrame,
  OutputStream,
  Volumes,
  Wait,
} from './client.ts';
export { connectDocker, type ConnectOptions } from './connect.ts';
export { type DockerEndpoint, endpointText } from './endpoint.ts';
export { DockerError, type DockerErrorCode } from './errors.ts';
export { type ImageReference, parseReference } from './reference.ts';
export type { TlsMaterial } from './tls.ts';
export type * from './types.ts';
