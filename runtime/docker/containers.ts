/** Calls about containers. */
import { Buffer } from 'node:buffer';
import type { Readable } from 'node:stream';
import { attach } from './attach.ts';
import type { Containers } from './client.ts';
import { Output } from './output.ts';
import type { Call, Transport } from './transport.ts';
import type { ContainerCreate, ContainerInspect, ContainerSummary, PathStat } from './types.ts';
import { compareVersions } from './version.ts';
import { wait } from './wait.ts';

/** Later engines refuse an address beside the configuration of networks. */
const MAC_IN_NETWORK = '1.44';

export function containerCalls(transport: Transport): Containers {
  const call = (id: string, action: string, rest: Partial<Call> = {}): Call => ({
    path: `/containers/${encodeURIComponent(id)}${action}`,
    subject: id,
    ...rest,
  });
  return {
    async create(config, options = {}, signal) {
      const { Id, Warnings } = await transport.json<{ Id: string; Warnings: string[] | null }>({
        method: 'POST',
        path: '/containers/create',
        query: { name: options.name, platform: options.platform },
        body: withMacAddress(config, await transport.apiVersion()),
        subject: config.Image,
        signal,
      });
      return { Id, Warnings: Warnings ?? [] };
    },
    start: (id, signal) => transport.done(call(id, '/start', { method: 'POST', signal })),
    stop: (id, { seconds, signal }) =>
      // 0 is a wish, too: without `t` the engine waits ten seconds.
      transport.done(
        call(id, '/stop', { method: 'POST', query: { t: seconds }, extraMs: seconds * 1000, signal }),
      ),
    kill: (id, signal) => transport.done(call(id, '/kill', { method: 'POST', query: { signal } })),
    wait: (id, condition, signal) =>
      wait(transport, call(id, '/wait', { method: 'POST', query: { condition }, signal })),
    inspect: (id, options = {}) =>
      transport.json<ContainerInspect>(call(id, '/json', { query: { size: options.size } })),
    list: (options = {}) =>
      transport.json<ContainerSummary[]>({ path: '/containers/json', query: { ...options } }),
    remove: (id, options = {}) =>
      transport.done(
        call(id, '', { method: 'DELETE', query: { force: options.force, v: options.volumes } }),
      ),
    attach: (id, { tty, ...query }, signal) =>
      attach(transport, call(id, '/attach', { method: 'POST', query, signal }), tty ?? false),
    logs(id, { tty, ...query }, signal) {
      const logs = call(id, '/logs', { query, signal });
      return new Output({
        open: () => transport.stream(logs),
        explain: (error) => transport.explain(error, logs),
        tty: tty ?? false,
        whole: true,
      });
    },
    putArchive: (id, path, tar, signal) =>
      transport.done(
        call(id, '/archive', { method: 'PUT', query: { path }, upload: tar, long: true, signal }),
      ),
    async getArchive(id, path, signal) {
      const tar: Readable & { headers: NodeJS.Dict<string | string[]> } = await transport.stream(
        call(id, '/archive', { query: { path }, signal }),
      );
      const stat = [tar.headers['x-docker-container-path-stat']].flat()[0] ?? '';
      return { stat: JSON.parse(Buffer.from(stat, 'base64').toString('utf8')) as PathStat, tar };
    },
    update: (id, update) => transport.done(call(id, '/update', { method: 'POST', body: update })),
  };
}

function withMacAddress(config: ContainerCreate, version: string): ContainerCreate {
  const { MacAddress, ...rest } = config;
  if (MacAddress === undefined || compareVersions(version, MAC_IN_NETWORK) < 0) return config;
  const network = config.HostConfig?.NetworkMode ?? 'default';
  const endpoints = config.NetworkingConfig?.EndpointsConfig ?? {};
  return {
    ...rest,
    NetworkingConfig: { EndpointsConfig: { ...endpoints, [network]: { ...endpoints[network], MacAddress } } },
  };
}
