/**
 * The seam to the library behind the command line. A command is data: how its arguments and flags are declared, and what
 * runs. Flags follow pflag (cli.md 1.2): `--flag=false`, `-c=value`, flags anywhere, `--` ends them.
 */
import { Command as Library, CommanderError, InvalidArgumentError, Option } from 'commander';
import { BacalhauError } from '../mod/model/errors.ts';
import type { Context } from './context.ts';
import type { GlobalOptions } from './global_options.ts';

/** @returns exit code; nothing = 0 */
export type Run<O> = (args: readonly string[], options: O, context: Context) => Promise<number | void>;

export interface CommandDefinition<O> {
  /** Declares arguments, flags and longer texts; flags arrive in camel case. */
  readonly configure: (command: Command) => void;
  readonly run: Run<O>;
}

/** A command whose own type of options stays inside its file. */
export type AnyCommand = CommandDefinition<Record<string, unknown>>;

export function defineCommand<O extends object>(definition: CommandDefinition<O>): AnyCommand {
  return definition as unknown as AnyCommand;
}

const TRUE = ['true', '1', 't', 'T', 'TRUE', 'True'];
const COUNT = /^\d{1,9}$/;
const FALSE = ['false', '0', 'f', 'F', 'FALSE', 'False'];

export class Command extends Library {
  override createCommand(name?: string): Command {
    return new Command(name);
  }

  /** Rewrites what the library does not know of pflag: a boolean with a value, a short flag with `=`. */
  override parseOptions(argv: string[]): { operands: string[]; unknown: string[] } {
    const rewritten: string[] = [];
    for (let index = 0; index < argv.length; index++) {
      const token = argv[index]!;
      if (token === '--') {
        rewritten.push(...argv.slice(index));
        break;
      }
      const match = /^(--[^=]+|-[^-=])=(.*)$/s.exec(token);
      const option = this.#find(match?.[1] ?? token);
      if (option?.optional) {
        // A boolean of the original that takes a number here: any other word after it is none of its.
        const next = match ? undefined : argv[index + 1];
        const isCount = next !== undefined && COUNT.test(next);
        if (isCount) index++;
        rewritten.push(`${option.long}=${match?.[2] ?? (isCount ? next : 'true')}`);
        continue;
      }
      if (match && option && !option.required) {
        if (TRUE.includes(match[2]!)) rewritten.push(match[1]!);
        else if (FALSE.includes(match[2]!)) {
          this.setOptionValueWithSource(option.attributeName(), false, 'cli');
        } else throw this.#invalid(option, match[2]!);
      } else if (match && option && token[1] !== '-') {
        rewritten.push(match[1]!, match[2]!);
      } else {
        rewritten.push(token);
        // The word after it is its value, whatever it looks like.
        if (option?.required && index + 1 < argv.length) rewritten.push(argv[++index]!);
      }
    }
    return super.parseOptions(rewritten);
  }

  /** A flag that may be given several times; the values in order, none = an empty list. */
  repeatable(flags: string, description: string): this {
    const collect = (value: string, before: string[]) => [...before, value];
    return this.addOption(new Option(flags, description).argParser(collect).default([], 'none'));
  }

  /**
   * A flag whose value is one of `choices`.
   * @param anyCase whether the letter case of the value does not matter
   */
  choice(
    flags: string,
    description: string,
    choices: readonly string[],
    fallback?: string,
    anyCase = false,
  ): this {
    const option = new Option(flags, `${description} (${choices.join(', ')})`).argParser((value: string) => {
      const same = anyCase
        ? (each: string) => each.toLowerCase() === value.toLowerCase()
        : (each: string) => each === value;
      const chosen = choices.find(same);
      if (chosen === undefined) throw new InvalidArgumentError(`It is none of ${choices.join(', ')}.`);
      return chosen;
    });
    return this.addOption(fallback === undefined ? option : option.default(fallback));
  }

  /** A flag whose value is an integer, from 0 unless `least` says otherwise. */
  count(flags: string, description: string, fallback?: number, least = 0): this {
    const option = new Option(flags, description).argParser((value: string) => {
      if (!/^-?\d+$/.test(value) || Number(value) < least) {
        throw new InvalidArgumentError(`It is no whole number${least < 0 ? '' : ` of at least ${least}`}.`);
      }
      if (!Number.isSafeInteger(Number(value))) throw new InvalidArgumentError('It is too large.');
      return Number(value);
    });
    return this.addOption(fallback === undefined ? option : option.default(fallback));
  }

  /** A flag of the original without a value that takes a number here, too: `--tail`, `--tail 100`; default false. */
  flagOrCount(flags: string, description: string): this {
    const option = new Option(flags, description).argParser((value: string) => {
      if (COUNT.test(value)) return Number(value);
      if (!TRUE.includes(value) && !FALSE.includes(value)) throw new InvalidArgumentError('It is no number.');
      return TRUE.includes(value);
    });
    return this.addOption(option.default(false, 'false'));
  }

  /** Leaves flags out of the help; they work as before. */
  hide(...names: readonly string[]): this {
    for (const name of names) this.#find(name)?.hideHelp();
    return this;
  }

  #find(flag: string): Option | undefined {
    return this.options.find((option) => option.long === flag || option.short === flag);
  }

  #invalid(option: Option, value: string): CommanderError {
    const message = `invalid argument "${value}" for "${option.flags}" flag: it is neither true nor false`;
    return new CommanderError(1, 'commander.invalidArgument', message);
  }
}

/** The flags of every command (cli.md 2.1). */
export function addGlobalFlags(command: Command): void {
  command.optionsGroup('Global Flags:')
    .repeatable('-c, --config <value>', 'config file, or key=value, or a boolean key')
    .option('--api-host <host>', 'host or URL of the API')
    .count('--api-port <port>', 'port of the API')
    .option('--data-dir <path>', 'state directory')
    .option('--profile <name>', 'connection profile (no effect yet)')
    .addOption(new Option('--log-level <level>', 'use -c Logging.Level=LEVEL instead').hideHelp())
    .helpOption('-h, --help', 'help for this command');
}

/** Global flags that take a value: the words after them are no commands. */
export const VALUE_FLAGS = [
  '-c',
  '--config',
  '--api-host',
  '--api-port',
  '--data-dir',
  '--log-level',
  '--profile',
];

const AUTH_HELP = `
Auth Environment Variables:
  BACALHAU_API_KEY       API key
  BACALHAU_API_USERNAME  user name
  BACALHAU_API_PASSWORD  password`;

/** Common looks: help on standard output with the original's headings, nothing printed or ended by the library itself. */
export function newCommand(path: string, summary: string, print: (text: string) => void): Command {
  return new Command(path)
    .description(summary)
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: () => {} })
    .configureHelp({ sortOptions: true, showGlobalOptions: false })
    .addHelpText('after', AUTH_HELP);
}

export interface Parsed {
  readonly args: readonly string[];
  readonly options: Record<string, unknown>;
  readonly globals: GlobalOptions;
}

/**
 * @returns undefined when only help was asked for, which is then printed
 * @throws BacalhauError `BadRequest` with the original's words for a wrong flag or argument
 */
export function parseCommand(command: Command, argv: readonly string[]): Parsed | undefined {
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.help') return undefined;
    throw usageError(command, error);
  }
  const options = command.opts<Record<string, unknown> & GlobalOptions>();
  return { args: command.args, options, globals: options };
}

function usageError(command: Command, error: CommanderError): BacalhauError {
  const path = command.name();
  const text = error.message.replace(/^error: /, '').trim();
  const [what, suggestion] = text.split('\n');
  const quoted = /'([^']*)'/.exec(what!)?.[1] ?? '';
  const flag = /--[\w-]+/.exec(quoted)?.[0] ?? quoted;
  const words: Readonly<Record<string, string>> = {
    'commander.unknownOption': quoted.startsWith('--')
      ? `unknown flag: ${quoted.split('=')[0]}`
      : `unknown shorthand flag: "${quoted.slice(1, 2)}" in ${quoted}`,
    'commander.optionMissingArgument': `flag needs an argument: ${flag}`,
    'commander.missingArgument': `it needs the argument <${quoted}>`,
  };
  const isOfFlag = error.code === 'commander.unknownOption' ||
    error.code === 'commander.optionMissingArgument';
  const takesProgram = command.registeredArguments.at(-1)?.variadic === true;
  const nearest = /Did you mean (?:one of )?(.*?)\?/.exec(suggestion ?? '')?.[1];
  return new BacalhauError('BadRequest', `Cannot run "${path}": ${words[error.code] ?? what}`, {
    hint: (nearest ? `Did you mean ${nearest}? ` : '') +
      `Run "${path} --help" to see its arguments and flags.` +
      (isOfFlag && takesProgram ? '\nFlags of the program come after --.' : ''),
    cause: error,
  });
}
