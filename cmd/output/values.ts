/** How single values look in tables (cli.md 4.5 and section 6). */
import { toRfc3339 } from '../../mod/model/time.ts';

/** `YYYY-MM-DD HH:MM:SS` in UTC of nanoseconds since the epoch. */
export function dateTime(nanos: bigint): string {
  return eventTime(toRfc3339(nanos));
}

/** `YYYY-MM-DD HH:MM:SS` of an RFC 3339 text, in the zone it is written in. */
export function eventTime(rfc3339: string): string {
  return rfc3339.slice(0, 19).replace('T', ' ');
}

/** `HH:MM:SS.mmm` of an RFC 3339 text. */
export function clockTime(rfc3339: string): string {
  const fraction = /\.(\d+)/.exec(rfc3339)?.[1] ?? '';
  return `${rfc3339.slice(11, 19)}.${fraction.slice(0, 3).padEnd(3, '0')}`;
}

/** `3d4h ago`, `7m30s ago`: the two biggest units. */
export function elapsed(nanos: bigint, now: number = Date.now()): string {
  const seconds = Math.max(0, Math.floor((now - Number(nanos / 1_000_000n)) / 1000));
  const units = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3600) % 24],
    ['m', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ] as const;
  const first = Math.max(0, units.findIndex(([, amount]) => amount > 0));
  if (seconds === 0) return '0s ago';
  const [unit, amount] = units[first]!;
  const second = units[first + 1];
  return `${amount}${unit}${second && second[1] > 0 ? `${second[1]}${second[0]}` : ''} ago`;
}

const PREFIXES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** `8.2 GB` */
export function bytes(amount: number): string {
  if (amount < 10) return `${amount} B`;
  const exponent = Math.min(PREFIXES.length - 1, Math.floor(Math.log10(amount) / 3));
  const value = Math.floor(amount / 1000 ** exponent * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${PREFIXES[exponent]}`;
}
