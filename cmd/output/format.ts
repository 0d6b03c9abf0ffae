/** The output flags of listing and describing commands (cli.md 4.1) and what they print. */
import process from 'node:process';
import { BacalhauError } from '../../mod/model/errors.ts';
import { stringifyJson } from '../../mod/model/json.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { paint } from './style.ts';
import { type Column, renderCsv, renderTable } from './table.ts';

const FORMATS = ['table', 'csv', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

export interface ObjectOutput {
  readonly output?: Format;
  readonly pretty: boolean;
}

export interface ListOutput extends ObjectOutput {
  readonly hideHeader: boolean;
  readonly style: boolean;
  readonly wide: boolean;
}

export function addObjectFlags(command: Command, fallback?: Format, pretty = false): void {
  command.choice('--output <format>', 'output format', FORMATS, fallback)
    .option('--pretty', 'indent JSON', pretty);
}

export function addListFlags(command: Command, pretty = false): void {
  addObjectFlags(command, 'table', pretty);
  command.option('--hide-header', 'no header row', false)
    .option('--no-style', 'table without colours')
    .option('--wide', 'whole values, no wrapping', false);
}

/** JSON or YAML of one value. @throws BacalhauError for a format that one value has not */
export async function printObject(context: Context, options: ObjectOutput, value: unknown): Promise<void> {
  switch (options.output) {
    case 'json':
      return context.print(`${stringifyJson(value, options.pretty ? 2 : undefined)}\n`);
    case 'yaml': {
      const { writeYaml } = await import('../../runtime/yaml.ts');
      return context.print(await writeYaml(sortedKeys(value)));
    }
    default:
      throw new BacalhauError(
        'BadRequest',
        `Cannot print in this format: invalid format "${options.output}"`,
        {
          hint: 'This command prints json or yaml.',
        },
      );
  }
}

/** @param encode an item as JSON and YAML show it */
export async function printList<T>(
  context: Context,
  options: ListOutput,
  columns: readonly Column<T>[],
  items: readonly T[],
  encode: (item: T) => unknown,
): Promise<void> {
  const format = options.output ?? 'table';
  if (format === 'csv') return context.print(renderCsv(columns, items, options.hideHeader));
  if (format !== 'table') return await printObject(context, options, items.map(encode));
  const style = options.style ? { paint: paint(context.env, Boolean(process.stdout.isTTY)) } : {};
  context.printStyled(
    renderTable(columns, items, { wide: options.wide, hideHeader: options.hideHeader, ...style }),
  );
}

/** YAML is produced from the JSON view, keys in alphabetical order. */
export function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sortedKeys(member)]),
  );
}
