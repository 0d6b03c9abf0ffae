/**
 * What an IP address means to somebody outside this machine's networks. Only `public` may be reached without being named:
 * all else is this host, its neighbours, or a service that hands out credentials by address.
 *
 * Tables: IANA's special-purpose registries (RFC 6890 and later) and the addresses of cloud metadata services.
 */
import { isIPv4, isIPv6 } from 'node:net';

export type AddressKind =
  | 'public'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'shared'
  | 'multicast'
  | 'unspecified'
  | 'reserved'
  | 'metadata';

type Range = readonly [cidr: string, kind: AddressKind];

/** First match wins; what matches nothing is public. */
const V4: readonly Range[] = [
  ['169.254.169.254/32', 'metadata'],
  ['169.254.170.2/32', 'metadata'],
  ['169.254.170.23/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['100.100.100.200/32', 'metadata'],
  ['192.0.0.192/32', 'metadata'],
  ['0.0.0.0/32', 'unspecified'],
  ['0.0.0.0/8', 'reserved'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'reserved'],
  ['192.88.99.0/24', 'reserved'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'reserved'],
  ['203.0.113.0/24', 'reserved'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
];

/** First match wins; what matches nothing is reserved, since only 2000::/3 is given out. */
const V6: readonly Range[] = [
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fd00:ec2::254/128', 'metadata'],
  ['fd00:ec2::23/128', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
  ['64:ff9b:1::/48', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private'],
  ['fc00::/7', 'private'],
  ['ff00::/8', 'multicast'],
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'reserved'],
  ['3fff::/20', 'reserved'],
  ['2000::/3', 'public'],
];

/** Prefixes that carry an IPv4 address, and the byte where it begins: mapped, compatible, NAT64, 6to4. */
const EMBEDDED: readonly (readonly [cidr: string, offset: number])[] = [
  ['::ffff:0:0/96', 12],
  ['::/96', 12],
  ['64:ff9b::/96', 12],
  ['2002::/16', 2],
];

interface Parsed<T> {
  readonly bytes: readonly number[];
  readonly bits: number;
  readonly value: T;
}

const parsed = <T>([cidr, value]: readonly [string, T]): Parsed<T> => {
  const [address = '', bits = ''] = cidr.split('/');
  return { bytes: bytesOf(address), bits: Number(bits), value };
};
const v4 = V4.map(parsed);
const v6 = V6.map(parsed);
const embedded = EMBEDDED.map(parsed);

/**
 * The one spelling of an address in which it is compared: `::FFFF:7f00:1` and `[::ffff:127.0.0.1]` are both
 * `::ffff:7f00:1`. Null when the text is no plain IP address (names and odd spellings such as `0x7f.1` are not).
 */
export function canonicalAddress(text: string): string | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIPv4(bare)) return bare;
  // A zone (`fe80::1%eth0`) has a meaning on one machine only.
  if (!isIPv6(bare) || bare.includes('%')) return null;
  return new URL(`http://[${bare}]/`).hostname.slice(1, -1);
}

/** @throws RangeError for text that is no IP address */
export function addressKind(address: string): AddressKind {
  const canonical = canonicalAddress(address);
  if (canonical === null) throw new RangeError(`Cannot classify "${address}": not an IP address`);
  const bytes = bytesOf(canonical);
  if (bytes.length === 4) return v4.find((range) => within(bytes, range))?.value ?? 'public';
  const exact = v6.find((range) => range.bits === 128 && within(bytes, range));
  if (exact) return exact.value;
  const carrier = embedded.find((range) => within(bytes, range));
  if (carrier) return addressKind(bytes.slice(carrier.value, carrier.value + 4).join('.'));
  return v6.find((range) => within(bytes, range))?.value ?? 'reserved';
}

function within(bytes: readonly number[], { bytes: prefix, bits }: Parsed<unknown>): boolean {
  for (let at = 0; at * 8 < bits; at++) {
    const mask = 0xff & (0xff << Math.max(0, 8 - (bits - at * 8)));
    if ((bytes[at]! & mask) !== (prefix[at]! & mask)) return false;
  }
  return true;
}

/** 4 or 16 bytes of an address that is canonical or from the tables above. */
function bytesOf(address: string): number[] {
  if (isIPv4(address)) return address.split('.').map(Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => text === '' ? [] : text.split(':').map((group) => parseInt(group, 16));
  const first = groups(head);
  const last = groups(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<number>(zeros).fill(0), ...last].flatMap((group) => [group >> 8, group & 0xff]);
}
