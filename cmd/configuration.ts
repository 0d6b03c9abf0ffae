/** The whole configuration of a command: files, environment, flags and `-c` merged by mod/config. */
import { loadConfig, type Loaded, type Sources } from '../mod/config/mod.ts';
import type { Environment, GlobalOptions } from './global_options.ts';

/** The part of a command's context that this needs. */
interface Asking {
  readonly globals: GlobalOptions;
  readonly env: Environment;
  complain(text: string): void;
}

type Flags = NonNullable<Sources['flags']>;
type Flag = Flags[string];

/** The global flags that the user gave, by key, and those of the command itself. */
function flagsOf(globals: GlobalOptions, own: Flags): Flags {
  const given: [string, Flag | undefined][] = [
    ['API.Host', flag('--api-host', globals.apiHost)],
    ['API.Port', flag('--api-port', globals.apiPort)],
    ['DataDir', flag('--data-dir', globals.dataDir)],
    ['Logging.Level', flag('--log-level', globals.logLevel)],
  ];
  return {
    ...Object.fromEntries(given.filter((entry): entry is [string, Flag] => entry[1] !== undefined)),
    ...own,
  };
}

function flag(name: string, value: string | number | undefined): Flag | undefined {
  return value === undefined ? undefined : { flag: name, value };
}

/** @throws BacalhauError `ConfigurationError` that names every problem */
export function loadConfiguration(
  globals: GlobalOptions,
  env: Environment,
  more: Pick<Sources, 'flags' | 'defaults' | 'defaultFile'> = {},
): Promise<Loaded> {
  return loadConfig({ ...more, env, settings: globals.config, flags: flagsOf(globals, more.flags ?? {}) });
}

/**
 * The same for a command that starts nodes: tells what it warns of.
 * @throws BacalhauError `ConfigurationError`
 */
export async function loadNodeConfiguration(
  context: Asking,
  more: Pick<Sources, 'flags' | 'defaults' | 'defaultFile'>,
): Promise<Loaded> {
  const loaded = await loadConfiguration(context.globals, context.env, more);
  complainOf(context, loaded);
  return loaded;
}

/** Unknown keys and keys without effect, told once where a person looks at the configuration or starts a node. */
export function complainOf(context: Pick<Asking, 'complain'>, { warnings }: Loaded): void {
  for (const warning of warnings) context.complain(`Warning: ${warning}\n`);
}
