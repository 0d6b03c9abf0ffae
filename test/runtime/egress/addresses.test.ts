import { describe, expect, it } from 'vitest';
import { addressKind, canonicalAddress } from '../../../runtime/egress/addresses.ts';

describe('kinds of addresses', () => {
  const kinds = {
    public: [
      '93.184.216.34',
      '1.1.1.1',
      '172.15.0.1',
      '172.32.0.1',
      '100.128.0.1',
      '2606:4700::1111',
      '2a00::1',
    ],
    loopback: ['127.0.0.1', '127.255.1.2', '::1', '::ffff:127.0.0.1', '64:ff9b::127.0.0.1', '2002:7f00:1::'],
    private: [
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      'fd12::1',
      'fc00::',
      '::ffff:10.1.2.3',
      '::10.1.2.3',
      '64:ff9b::a00:1',
      '2002:c0a8:101::1',
      '64:ff9b:1::1',
      '198.18.0.1',
    ],
    'link-local': ['169.254.1.1', 'fe80::1', 'febf::1', '::ffff:169.254.0.9'],
    metadata: [
      '169.254.169.254',
      '169.254.170.2',
      'fd00:ec2::254',
      '::ffff:169.254.169.254',
      '168.63.129.16',
    ],
    shared: ['100.64.0.1', '100.127.255.255'],
    multicast: ['224.0.0.1', '239.1.1.1', 'ff02::1'],
    unspecified: ['0.0.0.0', '::', '::ffff:0.0.0.0'],
    reserved: [
      '0.1.2.3',
      '240.0.0.1',
      '255.255.255.255',
      '192.0.2.1',
      '2001:db8::1',
      '2001::1',
      '4000::1',
      '::ffff:0:1.2.3.4',
    ],
  } as const;
  for (const [kind, addresses] of Object.entries(kinds)) {
    it(kind, () => {
      expect(addresses.map((address) => [address, addressKind(address)]))
        .toEqual(addresses.map((address) => [address, kind]));
    });
  }

  it('one spelling, and odd ones are no addresses', () => {
    expect(canonicalAddress('[::FFFF:127.0.0.1]')).toBe('::ffff:7f00:1');
    expect(canonicalAddress('2001:0db8:0::1')).toBe('2001:db8::1');
    for (const odd of ['0x7f.1', '2130706433', '0177.0.0.1', '127.1', 'fe80::1%eth0', '1.2.3.4.', 'a.b']) {
      expect(canonicalAddress(odd), odd).toBeNull();
    }
  });
});
