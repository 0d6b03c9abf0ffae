/** Which hosts a module may ask, whatever its job lists. */
import { expect, test } from 'vitest';
import { hostPolicy } from '../../../mod/engine/wasm/http_policy.ts';
import type { NetworkConfig } from '../../../mod/model/mod.ts';

async function allowed(network: NetworkConfig | undefined, host: string): Promise<boolean> {
  return (await hostPolicy(network, {}).decide({ host, port: 80, scheme: 'http' })).allowed;
}

const METADATA = '169.254.169.254';

test.each([
  ['HTTP', { Type: 'HTTP', Domains: [METADATA, '127.0.0.1', '10.1.2.3'] } as NetworkConfig],
  ['Host', { Type: 'Host' } as NetworkConfig],
  ['none given', undefined],
])(
  'network %s: the metadata address is closed, what was listed or is open passes',
  async (_name, network) => {
    expect(await allowed(network, METADATA)).toBe(false);
    expect(await allowed(network, '127.0.0.1')).toBe(true);
    expect(await allowed(network, '10.1.2.3')).toBe(true);
  },
);

test('a listed network reaches what it lists only, a bridge nothing', async () => {
  expect(await allowed({ Type: 'HTTP', Domains: ['10.1.2.3'] }, '127.0.0.1')).toBe(false);
  expect(await allowed({ Type: 'Bridge' }, '127.0.0.1')).toBe(false);
});
