/** How `node:http` gets a connection to an endpoint; one way for sockets and Windows pipes on every runtime. */
import http from 'node:http';
import https, { type RequestOptions } from 'node:https';
import net from 'node:net';
import type { DockerEndpoint } from './endpoint.ts';

export function dialOptions(endpoint: DockerEndpoint): RequestOptions {
  if (endpoint.kind !== 'tcp') {
    const path = endpoint.kind === 'npipe' ? pipePath(endpoint.path) : endpoint.path;
    return { host: 'docker', createConnection: () => net.connect(path) };
  }
  const { host, port, tls } = endpoint;
  if (!tls) return { host, port };
  const { verify, ca, cert, key } = tls;
  return {
    host,
    port,
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert, key }),
  };
}

export function agentOf(endpoint: DockerEndpoint, options: http.AgentOptions): http.Agent {
  const secure = endpoint.kind === 'tcp' && endpoint.tls !== undefined;
  const agent = new (secure ? https : http).Agent(options);
  // Deno's agents look at their own method only, Bun at the option of the request only.
  const { createConnection } = dialOptions(endpoint);
  return createConnection ? Object.assign(agent, { createConnection }) : agent;
}

/** `npipe:////./pipe/docker_engine` has forward slashes, Windows wants `\\.\pipe\docker_engine`. */
export function pipePath(path: string): string {
  return path.replaceAll('/', '\\');
}
