/**
 * Which hosts a module may ask, by its network (executors.md 8):
 *
 * | Network.Type | Hosts |
 * |---|---|
 * | None | the functions do not exist (link.ts) |
 * | Default, Host, Full | every host but those of link-local addresses, where clouds hand out credentials |
 * | HTTP | the listed domains, by the rules that hold for containers (runtime/egress); an entry may open loopback, too |
 * | Bridge | none |
 */
import {
  CLOSED,
  type Decision,
  EgressPolicy,
  OpenRules,
  parseDomains,
  type Target,
} from '../../../runtime/egress/mod.ts';
import type { NetworkConfig } from '../../model/mod.ts';
import type { HttpSettings } from './http_settings.ts';

export interface HostPolicy {
  decide(target: Target): Promise<Decision>;
}

/** A module has no loopback of its own: a job that lists this machine means it, as with Network.Type Host. */
const NEVER = CLOSED.filter((kind) => kind !== 'loopback');

const NO_HOST: HostPolicy = Object.freeze({
  decide: ({ host, port }: Target) =>
    Promise.resolve<Decision>({
      allowed: false,
      host,
      port,
      code: 'host-not-listed',
      reason: 'a module reaches no host with Network.Type Bridge, which is for containers',
      hint: 'Set Network.Type of the task to HTTP with Domains, or to Host.',
    }),
});

export function hostPolicy(
  network: NetworkConfig | undefined,
  { resolve, privateHosts = true }: HttpSettings,
): HostPolicy {
  const options = resolve ? { resolve } : {};
  switch (network?.Type ?? 'Default') {
    case 'None':
    case 'Bridge':
      return NO_HOST;
    case 'HTTP':
      return new EgressPolicy(parseDomains(network?.Domains ?? []).rules, { ...options, never: NEVER });
    default:
      return open(new EgressPolicy(new OpenRules(privateHosts), options));
  }
}

/** There is no list to which an address could be added: another network it must be. */
function open(policy: HostPolicy): HostPolicy {
  return {
    async decide(target) {
      const decision = await policy.decide(target);
      if (decision.allowed || decision.code !== 'address-not-public') return decision;
      const hint =
        `To allow it, set Network.Type of the task to HTTP with "${decision.address}" in Domains, ` +
        'beside its name and all other hosts that the module needs.';
      return { ...decision, hint };
    },
  };
}
