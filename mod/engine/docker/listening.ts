/** Whether an engine still takes connections: one that goes down closes its door first, then ends its containers. */
import { connect } from 'node:net';
import type { DockerEndpoint } from '../../../runtime/docker/mod.ts';

/** Asks by a connection that says nothing. Remote engines are taken at their word. */
export function isListening(endpoint: DockerEndpoint): Promise<boolean> {
  if (endpoint.kind !== 'unix') return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket = connect(endpoint.path);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
