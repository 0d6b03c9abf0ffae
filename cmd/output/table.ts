/** Tables as the original draws them (cli.md 4.3): upper-case header, a blank around each cell, no borders; and CSV (4.4). */
import { shortId } from '../../mod/model/ids.ts';
import { printable } from '../../runtime/printable.ts';
import type { Paint } from './style.ts';

export interface Column<T> {
  readonly header: string;
  readonly value: (item: T) => string;
  /** The value has colours of its own, and what is foreign in it is escaped. */
  readonly styled?: true;
  /** How the cell is cut where the table is not wide: to the short id, to the time of day, or wrapped. */
  readonly limit?: 'id' | 'time' | { readonly wrap: number } | { readonly softWrap: number };
}

function cellLines<T>({ value, styled, limit }: Column<T>, item: T, wide: boolean): string[] {
  const text = styled ? value(item) : printable(value(item));
  if (wide || !limit) return text.split('\n');
  if (limit === 'id') return [shortId(text)];
  if (limit === 'time') return [/\d\d:\d\d:\d\d/.exec(text)?.[0] ?? text];
  return text.split('\n').flatMap((line) =>
    'wrap' in limit ? hardWrap(line, limit.wrap) : softWrap(line, limit.softWrap)
  );
}

function hardWrap(line: string, width: number): string[] {
  const points = [...line];
  const lines: string[] = [];
  for (let start = 0; start < points.length; start += width) {
    lines.push(points.slice(start, start + width).join(''));
  }
  return lines.length > 0 ? lines : [''];
}

/** Breaks at blanks; a word longer than the width stays whole. */
export function softWrap(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else {
      current = current === '' ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}

export interface TableOptions {
  readonly wide?: boolean;
  readonly hideHeader?: boolean;
  readonly paint?: Paint;
  /** Smallest width of each column, where rows are drawn one by one. */
  readonly widths?: readonly number[];
}

export function renderTable<T>(
  columns: readonly Column<T>[],
  items: readonly T[],
  options: TableOptions = {},
): string {
  const rows = items.map((item) => columns.map((column) => cellLines(column, item, options.wide ?? false)));
  const header = columns.map((column) => [column.header.toUpperCase()]);
  const shown = options.hideHeader ? rows : [header, ...rows];
  const widths = columns.map((_, index) =>
    Math.max(
      options.widths?.[index] ?? 0,
      ...shown.flatMap((row) => row[index]!.map((line) => [...line].length)),
    )
  );
  const { paint } = options;
  return shown.map((row, index) => {
    const isHeader = index === 0 && !options.hideHeader;
    const style = !paint
      ? (text: string) => text
      : isHeader
      ? paint.header
      : index % 2
      ? paint.bright
      : paint.plain;
    return drawRow(row, widths).map((line) => `${style(line)}\n`).join('');
  }).join('');
}

function drawRow(cells: readonly string[][], widths: readonly number[]): string[] {
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    cells.map((lines, column) => {
      const text = lines[line] ?? '';
      return ` ${text}${' '.repeat(widths[column]! - [...text].length)} `;
    }).join(''));
}

export function renderCsv<T>(columns: readonly Column<T>[], items: readonly T[], hideHeader = false): string {
  const quote = (text: string) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = items.map((item) => columns.map((column) => column.value(item)));
  const header = columns.map((column) => column.header);
  return (hideHeader ? rows : [header, ...rows]).map((row) => `${row.map(quote).join(',')}\n`).join('');
}
