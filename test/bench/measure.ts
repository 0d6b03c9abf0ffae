/** Small statistics and the table that the bench prints. */

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export interface Row {
  readonly what: string;
  readonly ours: number;
  readonly original: number;
  readonly unit: string;
  /** Whether a larger figure is the better one. */
  readonly more: boolean;
  /** Aim as a factor ahead of the original; 1 = not behind. */
  readonly aim: number;
  /** Aim of its own, whatever the original's figure is. */
  readonly most?: number;
}

const round = (value: number) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** One line per row: ours, the original's in brackets, how far ahead, and whether the aim is met. */
export function render(rows: readonly Row[]): string {
  return rows.map(({ what, ours, original, unit, more, aim, most }) => {
    const ahead = more ? ours / original : original / ours;
    const verdict = most !== undefined
      ? ours > most ? `MISSED, at most ${most}` : 'aim met'
      : Number.isNaN(ahead)
      ? ''
      : ahead < 1
      ? 'BEHIND'
      : ahead < aim
      ? `ahead, aim ${round(aim)}×`
      : 'aim met';
    return `${what.padEnd(46)} ${round(ours).padStart(8)} ${unit.padEnd(5)} [${
      round(original).padStart(5)
    }]` +
      `  ${ahead.toFixed(1).padStart(5)}×  ${verdict}`;
  }).join('\n');
}

/** A figure with a bound of its own, or beside another one: no figure of the original. */
export interface Aim {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly most?: number;
  readonly least?: number;
}

export function renderAim({ what, value, unit, most = Infinity, least = -Infinity }: Aim): string {
  const bound = most < Infinity ? `at most ${most}` : least > -Infinity ? `at least ${least}` : '';
  const verdict = bound && `${bound.padEnd(13)} ${value <= most && value >= least ? 'aim met' : 'MISSED'}`;
  return `${what.padEnd(46)} ${round(value).padStart(8)} ${unit.padEnd(5)} ${verdict}`.trimEnd();
}
