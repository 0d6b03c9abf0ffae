/** Puts the parts together: endpoint, transport, one group of calls per kind of object. */
import process from 'node:process';
import { containerCalls } from './containers.ts';
import type { Docker } from './client.ts';
import { type EndpointOptions, resolveEndpoint } from './endpoint.ts';
import { eventStream } from './events.ts';
import { imageCalls } from './images.ts';
import { networkCalls, volumeCalls } from './networks.ts';
import { Transport } from './transport.ts';
import type { DockerInfo, DockerVersion } from './types.ts';

/** What to find the engine by, and how long to wait for it. */
export interface ConnectOptions extends EndpointOptions {
  /** Time limit of each short call, milliseconds. Streams, pulls and waits have none but their signal. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;

/**
 * Finds the engine that the environment and Docker's configuration name; does not dial it yet.
 * @throws DockerError `ConfigInvalid` when what is configured cannot work
 */
export async function connectDocker(options: ConnectOptions = {}): Promise<Docker> {
  const endpoint = await resolveEndpoint(options);
  const transport = new Transport(endpoint, {
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    version: (options.env ?? process.env).DOCKER_API_VERSION,
  });
  return {
    endpoint,
    containers: containerCalls(transport),
    images: imageCalls(transport),
    networks: networkCalls(transport),
    volumes: volumeCalls(transport),
    version: () => transport.json<DockerVersion>({ path: '/version' }),
    info: () => transport.json<DockerInfo>({ path: '/info' }),
    ping: () => transport.ping(),
    apiVersion: () => transport.apiVersion(),
    events: (filters, signal, window) => eventStream(transport, filters, signal, window),
    close: () => transport.close(),
  };
}
