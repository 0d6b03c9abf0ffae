/** Durations as Go writes them (`1h30m`, `1m0s`, `100ms`); milliseconds here, fractions down to the nanosecond. */

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  'µs': 1e-3,
  'μs': 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const WHOLE = /^([-+]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const PART = /([0-9.]+)([a-zµμ]+)/g;

/**
 * Milliseconds of `1h30m`, `-1.5s` or `0`.
 * @throws RangeError naming the text when it is no duration
 */
export function parseDuration(text: string): number {
  if (/^[-+]?0$/.test(text)) return 0;
  const match = WHOLE.exec(text);
  if (!match) {
    throw new RangeError(`"${text}" is not a duration: write numbers with units such as 30s, 5m or 1h30m`);
  }
  let total = 0;
  for (const [, amount, unit] of match[2]!.matchAll(PART)) total += Number(amount) * UNITS[unit!]!;
  const exact = Math.round(total * 1e6) / 1e6;
  return match[1] === '-' && exact !== 0 ? -exact : exact;
}

/** The text of so many milliseconds: `1m0s`, `1.5s`, `100ms`, `0s`. */
export function formatDuration(millis: number): string {
  if (millis === 0) return '0s';
  if (millis < 0) return `-${formatDuration(-millis)}`;
  const decimal = (amount: number) => String(Number(amount.toFixed(9)));
  if (millis < 1e-3) return `${decimal(millis * 1e6)}ns`;
  if (millis < 1) return `${decimal(millis * 1e3)}µs`;
  if (millis < 1000) return `${decimal(millis)}ms`;
  const minutes = Math.floor(millis / 60_000);
  const seconds = `${decimal((millis - minutes * 60_000) / 1000)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}
