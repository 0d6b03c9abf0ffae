/** Runs one command line: find the command, load it, parse its flags, run it; errors are rendered here and nowhere else. */
import process from 'node:process';
import { BacalhauError } from '../mod/model/errors.ts';
import { addGlobalFlags, newCommand, parseCommand } from './command.ts';
import { Context } from './context.ts';
import { renderError } from './output/error.ts';
import { nearest, resolve } from './resolve.ts';
import { type CommandEntry, COMMANDS } from './table.ts';

const PROGRAM = 'bacalhau';
const SUMMARY = 'Compute over data: run jobs where the data are';

/** @returns the exit code; never throws */
export async function main(argv: readonly string[]): Promise<number> {
  quietWhenReaderLeaves();
  try {
    return await run(argv);
  } catch (error) {
    process.stderr.write(renderError(error, process.env, Boolean(process.stderr.isTTY)));
    return 1;
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const { path, rest, unknown } = resolve(argv, COMMANDS);
  const names = [PROGRAM, ...path.map(({ name }) => name)].join(' ');
  const entry = path.at(-1);
  if (unknown !== undefined) throw unknownCommand(unknown, names, entry?.commands ?? COMMANDS);
  const print = (text: string) => process.stdout.write(text);
  const command = newCommand(names, entry?.summary ?? SUMMARY, print);
  if (!entry?.load) {
    for (const child of entry?.commands ?? COMMANDS) command.command(child.name).summary(child.summary);
    command.helpCommand(false).commandsGroup('Available Commands:');
    command.usage('[command]');
    addGlobalFlags(command);
    if (parseCommand(command, [...rest.filter((word) => word !== '--'), '--help'])) command.outputHelp();
    return 0;
  }
  const { command: definition } = await entry.load();
  command.optionsGroup('Flags:');
  definition.configure(command);
  addGlobalFlags(command);
  const parsed = parseCommand(command, rest);
  if (!parsed) return 0;
  return await definition.run(parsed.args, parsed.options, new Context(parsed.globals)) ?? 0;
}

function unknownCommand(word: string, parent: string, commands: readonly CommandEntry[]): BacalhauError {
  const names = nearest(word, commands).map((name) => `"${parent} ${name}"`);
  return new BacalhauError(
    'BadRequest',
    `Cannot run "${parent} ${word}": unknown command "${word}" for "${parent}"`,
    {
      hint: (names.length > 0 ? `Did you mean ${names.join(' or ')}? ` : '') +
        `Run "${parent} --help" to see all commands.`,
    },
  );
}

/** `| head`: when nobody reads any more there is nothing to say, and no reason to go on. */
function quietWhenReaderLeaves(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(0);
    });
  }
}
