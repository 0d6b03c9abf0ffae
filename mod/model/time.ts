/** Times are integer nanoseconds since the epoch in the model; RFC 3339 texts where the reference shows texts. */

/** "Never" as the original writes it. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** Nanoseconds of a millisecond. */
export const NANOS_PER_MILLI = 1_000_000n;
/** Nanoseconds of a second. */
export const NANOS_PER_SECOND = 1_000_000_000n;

/** RFC 3339 in UTC with up to nine fractional digits, trailing zeros trimmed; 0 is {@link ZERO_TIME}. */
export function toRfc3339(nanos: bigint): string {
  if (nanos === 0n) return ZERO_TIME;
  const seconds = nanos / NANOS_PER_SECOND;
  const rest = nanos % NANOS_PER_SECOND;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  if (rest === 0n) return `${whole}Z`;
  return `${whole}.${rest.toString().padStart(9, '0').replace(/0+$/, '')}Z`;
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\d*([Zz]|[+-]\d{2}:\d{2})$/;

/** Nanoseconds of an RFC 3339 text; {@link ZERO_TIME} is 0. @throws RangeError when the text is none. */
export function fromRfc3339(text: string): bigint {
  if (text === ZERO_TIME) return 0n;
  const match = RFC3339.exec(text);
  const millis = match ? Date.parse(`${match[1]!.replace(' ', 'T')}${match[3]!.toUpperCase()}`) : NaN;
  if (!match || Number.isNaN(millis)) throw new RangeError(`Cannot read time "${text}": not RFC 3339`);
  return BigInt(millis) * NANOS_PER_MILLI + BigInt((match[2] ?? '').padEnd(9, '0') || '0');
}
