/** `bacalhau config list`: every key with its effective value. */
import type { ConfigRow } from '../../mod/config/mod.ts';
import { configRows } from '../../mod/config/mod.ts';
import { complainOf, loadConfiguration } from '../configuration.ts';
import { defineCommand } from '../command.ts';
import { addListFlags, type ListOutput, printList, printObject } from '../output/format.ts';
import type { Column } from '../output/table.ts';

/** As Go prints values: `[a b]`, `map[k:v]`. */
function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `map[${Object.entries(value).map(([key, member]) => `${key}:${goText(member)}`).join(' ')}]`;
  }
  return String(value);
}

const COLUMNS: readonly Column<ConfigRow>[] = [
  { header: 'Key', value: (row) => row.Key },
  { header: 'Value', value: (row) => goText(row.Value), limit: { softWrap: 80 } },
  { header: 'Description', value: (row) => row.Description, limit: { softWrap: 80 } },
];
const ORIGIN: Column<ConfigRow> = { header: 'Origin', value: (row) => row.Origin };

/** The rows as one document, as a configuration file has them. */
function nested(rows: readonly ConfigRow[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { Key, Value } of rows) {
    const names = Key.split('.');
    let section = root;
    for (const name of names.slice(0, -1)) section = (section[name] ??= {}) as Record<string, unknown>;
    section[names.at(-1)!] = Value;
  }
  return root;
}

export const command = defineCommand<ListOutput>({
  configure: (command) => {
    command.argument('[ignored...]', 'arguments have no effect');
    addListFlags(command, true);
  },
  run: async (_args, options, context) => {
    const loaded = await loadConfiguration(context.globals, context.env);
    complainOf(context, loaded);
    const rows = configRows(loaded);
    if (options.output === 'yaml') return await printObject(context, options, nested(rows));
    await printList(context, options, options.wide ? [...COLUMNS, ORIGIN] : COLUMNS, rows, (row) => row);
  },
});
