/** Rules of a program that may reach every host on every port, as one on the network of this machine. */
import { type AddressKind, addressKind } from './addresses.ts';
import type { HostRules, Match, Rule } from './rules.ts';

const EVERY_HOST: Rule = Object.freeze({ entry: '*', kind: 'glob', value: '*' });

/** What the words "every host" do not mean: neighbours that hand out credentials by address, and no hosts at all. */
const NEVER: readonly AddressKind[] = ['metadata', 'link-local', 'multicast', 'unspecified', 'reserved'];

/** Every host: the rules of a program with a full network, which only what is never allowed is kept from. */
export class OpenRules implements HostRules {
  /** @param privateAddresses whether this machine and its networks are among the hosts */
  constructor(private readonly privateAddresses: boolean) {}

  match(): Match {
    return { kind: 'matched', rule: EVERY_HOST };
  }

  namesAddress(address: string): boolean {
    return this.privateAddresses && !NEVER.includes(addressKind(address));
  }
}
