/** Finds the command that the words of a command line name, before any of it is loaded. */
import { VALUE_FLAGS } from './command.ts';
import type { CommandEntry } from './table.ts';

export interface Resolved {
  /** From the root to the command or group found; empty for the root itself. */
  readonly path: readonly CommandEntry[];
  /** The words that are left: arguments and flags. */
  readonly rest: readonly string[];
  /** A word that names nothing in the group found. */
  readonly unknown?: string;
}

/** `help job list` means `job list --help`. */
function withoutHelpWord(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
}

export function resolve(line: readonly string[], root: readonly CommandEntry[]): Resolved {
  const argv = withoutHelpWord(line);
  const path: CommandEntry[] = [];
  const rest: string[] = [];
  let commands: readonly CommandEntry[] | undefined = root;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (!commands || word === '--') {
      rest.push(...argv.slice(index));
      break;
    }
    if (word.startsWith('-')) {
      rest.push(word);
      if (VALUE_FLAGS.includes(word) && index + 1 < argv.length) rest.push(argv[++index]!);
      continue;
    }
    const found: CommandEntry | undefined = commands.find(({ name }) => name === word);
    if (!found) return { path, rest, unknown: word };
    path.push(found);
    commands = found.commands;
  }
  return { path, rest };
}

/** Names within two edits of `word`, or that begin with it, nearest first. */
export function nearest(word: string, commands: readonly CommandEntry[]): string[] {
  return commands.map(({ name }) => ({ name, edits: name.startsWith(word) ? 1 : distance(word, name) }))
    .filter(({ edits }) => edits <= 2)
    .sort((a, b) => a.edits - b.edits)
    .map(({ name }) => name);
}

/** Edits from one word to the other; neighbours that changed places count as one. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, rows[i - 2]![j - 2]! + 1);
      row.push(edits);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
