/** What a list opens and what it cannot; the rest of the policy is in proxy.test.ts, with real servers. */
import { describe, expect, it } from 'vitest';
import { CLOSED, EgressPolicy, parseDomains, type PolicyOptions } from '../../../runtime/egress/mod.ts';

const NAMES: Record<string, readonly string[]> = {
  'meta.test': ['169.254.169.254'],
  'mapped.test': ['::ffff:169.254.169.254'],
  'own.test': ['93.184.216.1'],
  'both.test': ['127.0.0.1', '10.0.0.1', '93.184.216.34'],
  'none.test': [],
};

function decide(domains: readonly string[], host: string, options: PolicyOptions = {}) {
  const policy = new EgressPolicy(parseDomains(domains).rules, {
    resolve: (name) => Promise.resolve(NAMES[name] ?? []),
    ownAddresses: () => ['93.184.216.1', '10.0.0.7'],
    ...options,
  });
  return policy.decide({ host, port: 80, scheme: 'http' });
}

const PRIVATE = ['10.0.0.1', '169.254.7.7', 'fd00::1', 'fe80::1', '93.184.216.1', '10.0.0.7'];
const NEVER = [
  '127.0.0.1',
  '::1',
  '0.0.0.0',
  '169.254.169.254',
  'fd00:ec2::254',
  '::ffff:127.0.0.1',
  '2130706433',
];

describe('egress policy', () => {
  it.each(PRIVATE)('%s is open when it is listed itself, not by a pattern', async (address) => {
    expect(await decide([address], address, { never: CLOSED })).toMatchObject({
      allowed: true,
      addresses: [address],
    });
    expect(await decide(['*'], address)).toMatchObject({
      allowed: false,
      code: 'address-not-public',
      hint: `To allow it, add "${address}" to Network.Domains of the task.`,
    });
  });

  it.each(NEVER)('%s is closed to jobs, listed or not', async (address) => {
    expect(await decide([address, '*'], address, { never: CLOSED })).toMatchObject({
      allowed: false,
      code: 'address-not-public',
      hint: 'No entry of Network.Domains opens it.',
    });
    expect(await decide([address], address)).toMatchObject({ allowed: true });
  });

  it('names that lead to what is closed stay closed, whatever else is listed', async () => {
    const domains = ['meta.test', 'mapped.test', '169.254.169.254', '::ffff:169.254.169.254'];
    for (const host of ['meta.test', 'mapped.test']) {
      expect(await decide(domains, host, { never: CLOSED })).toMatchObject({ allowed: false });
    }
  });

  it('of several addresses only those that may be reached are dialled', async () => {
    expect(await decide(['both.test'], 'both.test')).toMatchObject({ addresses: ['93.184.216.34'] });
    expect(await decide(['both.test', '10.0.0.1', '127.0.0.1'], 'both.test', { never: CLOSED }))
      .toMatchObject({
        addresses: ['10.0.0.1', '93.184.216.34'],
      });
  });

  it('a name of this machine, and one without an address', async () => {
    expect(await decide(['own.test'], 'own.test')).toMatchObject({
      allowed: false,
      reason: 'own.test resolves to 93.184.216.1, an address of the node itself',
    });
    expect(await decide(['none.test'], 'none.test')).toMatchObject({
      allowed: false,
      code: 'name-not-found',
    });
  });
});
