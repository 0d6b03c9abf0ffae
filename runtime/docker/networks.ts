/** Calls about networks and volumes. */
import type { Networks, Volumes } from './client.ts';
import type { Transport } from './transport.ts';
import type { NetworkInspect, Volume } from './types.ts';

export function networkCalls(transport: Transport): Networks {
  const path = (id: string) => `/networks/${encodeURIComponent(id)}`;
  return {
    create: (network, signal) =>
      transport.json<{ Id: string; Warning?: string }>({
        method: 'POST',
        path: '/networks/create',
        // Without it engines before API 1.44 make a second network of the same name.
        body: { ...network, CheckDuplicate: true },
        subject: network.Name,
        signal,
      }),
    inspect: (id) => transport.json<NetworkInspect>({ path: path(id), subject: id }),
    list: (filters) => transport.json<NetworkInspect[]>({ path: '/networks', query: { filters } }),
    remove: (id) => transport.done({ method: 'DELETE', path: path(id), subject: id }),
    connect: (id, container, settings = {}) =>
      transport.done({
        method: 'POST',
        path: `${path(id)}/connect`,
        body: { Container: container, EndpointConfig: settings },
        subject: id,
      }),
    disconnect: (id, container, options = {}) =>
      transport.done({
        method: 'POST',
        path: `${path(id)}/disconnect`,
        body: { Container: container, Force: options.force ?? false },
        subject: id,
      }),
  };
}

export function volumeCalls(transport: Transport): Volumes {
  return {
    async list(filters) {
      const { Volumes } = await transport.json<{ Volumes: Volume[] | null }>({
        path: '/volumes',
        query: { filters },
      });
      return Volumes ?? [];
    },
    remove: (name, options = {}) =>
      transport.done({
        method: 'DELETE',
        path: `/volumes/${encodeURIComponent(name)}`,
        query: { force: options.force },
        subject: name,
      }),
  };
}
