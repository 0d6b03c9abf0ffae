/**
 * Files, environment, flags and `-c` merged into one frozen configuration, each value with its origin. Highest first:
 * `-c`, flags, environment, files (later over earlier), defaults. The YAML library is loaded only where a file is there.
 */
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import process from 'node:process';
import { BacalhauError, compatibility, deepFreeze } from '../model/mod.ts';
import { Collection } from './collect.ts';
import type { Host, Missing } from './key.ts';
import { allKeys } from './keys.ts';
import { DEFAULT_ORIGIN, describeOrigin } from './origin.ts';
import type { Origin } from './origin.ts';
import type { Config } from './schema/mod.ts';

/** All that configuration is read from. */
export interface Sources {
  /** Default: of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The values of `-c` in their order: files, `key=value`, boolean keys. */
  readonly settings?: readonly string[];
  /** Dedicated flags that the user gave, by key: `{'API.Host': {flag: '--api-host', value: 'x'}}`. */
  readonly flags?: Readonly<
    Record<string, { readonly flag: string; readonly value: string | number | boolean }>
  >;
  /** Values that take the place of built-in defaults, by key (devstack); shown as defaults. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Whether `<DataDir>/config.yaml` is read when `-c` names no file. Default true. */
  readonly defaultFile?: boolean;
  readonly cwd?: string;
  readonly host?: Host;
  /** Text of a file, or null when there is none. */
  readonly readText?: (path: string) => Promise<string | null>;
}

/** The configuration, and where each part of it comes from. */
export interface Loaded {
  readonly config: Config;
  /** Origin by key. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** For people: unknown keys, keys without effect, empty files. */
  readonly warnings: readonly string[];
  /** Files that were read, in order. */
  readonly files: readonly string[];
}

const isYamlName = (text: string) => !text.includes('=') && /\.ya?ml$/.test(text);

/** @throws BacalhauError `ConfigurationError` that names every problem with key and origin */
export async function loadConfig(sources: Sources = {}): Promise<Loaded> {
  const { env = process.env, settings = [], flags = {}, cwd = process.cwd(), readText = readFromDisk } =
    sources;
  const host = sources.host ?? thisHost(env['HOME']);
  const named = settings.filter(isYamlName).map((file) => resolve(cwd, file));
  const others: [string, boolean][] = [];
  for (const text of settings.filter((each) => !isYamlName(each))) {
    const isFile = !text.includes('=') && await readText(resolve(cwd, text)) !== null;
    others.push([text, isFile]);
  }

  const collect = async (files: readonly string[], needed: boolean) => {
    const collection = new Collection();
    const read: string[] = [];
    for (const file of files) if (await addFile(collection, file, needed, readText)) read.push(file);
    collection.environment(env);
    collection.flags(flags);
    for (const [text, isFile] of others) collection.setting(text, isFile);
    return { collection, read };
  };

  let { collection, read } = await collect(named, true);
  let { values, origins } = settle(collection, host, cwd, sources.defaults ?? {});
  if (named.length === 0 && sources.defaultFile !== false && collection.problems.length === 0) {
    // Only now is it known where the data directory lies.
    const file = join(values.get('DataDir') as string, 'config.yaml');
    if (await readText(file) !== null) {
      ({ collection, read } = await collect([file], false));
      ({ values, origins } = settle(collection, host, cwd, sources.defaults ?? {}));
    }
  }
  if (collection.problems.length > 0) {
    throw configurationError(
      'Cannot use the configuration',
      collection.problems,
      'See all keys with `bacalhau config list`.',
    );
  }
  const config = deepFreeze(nest(values));
  const { unknownKeysReported } = compatibility(config.Compatibility);
  const warnings = [
    ...collection.warnings,
    ...(unknownKeysReported ? collection.unknown : []),
    ...withoutFeature(config, host).map(({ path, missing: { feature } }) =>
      `${path} (${describeOrigin(origins.get(path)!)}) has no effect yet: it needs ${feature}`
    ),
  ];
  return { config, origins, warnings, files: read };
}

function thisHost(home?: string): Host {
  return { home: home || homedir(), cpus: availableParallelism() };
}

async function readFromDisk(path: string): Promise<string | null> {
  try {
    if (!(await stat(path)).isFile()) return null;
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new BacalhauError(
      'ConfigurationError',
      `Cannot read configuration file "${path}": ${code ?? error}`,
      {
        cause: error,
      },
    );
  }
}

async function addFile(
  collection: Collection,
  file: string,
  needed: boolean,
  readText: (path: string) => Promise<string | null>,
): Promise<boolean> {
  const text = await readText(file);
  if (text === null) {
    if (needed) collection.problems.push(`configuration file "${file}" does not exist or is not a file`);
    return false;
  }
  const { readYaml } = await import('../../runtime/yaml.ts');
  const yaml = await readYaml(text, { booleanWords: false });
  for (const { line, message } of yaml.problems) collection.problems.push(`${file}:${line}: ${message}`);
  for (const { line, message } of yaml.duplicates) collection.warnings.push(`${file}:${line}: ${message}`);
  if (yaml.problems.length === 0) collection.file(file, yaml.value, yaml.locate);
  return true;
}

interface Settled {
  readonly values: ReadonlyMap<string, unknown>;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** A value for every key; checks the data directory on the way. */
function settle(
  collection: Collection,
  host: Host,
  cwd: string,
  defaults: Readonly<Record<string, unknown>>,
): Settled {
  const values = new Map<string, unknown>();
  const origins = new Map<string, Origin>();
  for (const { path, key } of allKeys()) {
    const found = collection.found.get(path);
    values.set(path, found ? found.value : path in defaults ? defaults[path] : defaultOf(key.default, host));
    origins.set(path, found?.origin ?? DEFAULT_ORIGIN);
  }
  const folder = dataDirectory(
    values.get('DataDir') as string,
    origins.get('DataDir')!,
    host,
    cwd,
    collection.problems,
  );
  values.set('DataDir', folder);
  return { values, origins };
}

function defaultOf(initial: unknown, host: Host): unknown {
  return typeof initial === 'function' ? (initial as (host: Host) => unknown)(host) : initial;
}

/** Rules of config.md section 2. Relative paths are taken from flags and `-c` only: a file has no place of its own. */
function dataDirectory(text: string, origin: Origin, host: Host, cwd: string, problems: string[]): string {
  const complain = (why: string) => {
    problems.push(`DataDir (${describeOrigin(origin)}): "${text}" ${why}`);
    return text;
  };
  if (text.trim() === '') return complain('is empty: name a folder');
  if (text.includes('$')) return complain('has a "$": variables are not expanded, write the path itself');
  const expanded = text === '~' || /^~[/\\]/.test(text) ? host.home + text.slice(1) : text;
  if (isAbsolute(expanded)) return expanded;
  if (origin.kind === 'flag' || origin.kind === 'setting') return resolve(cwd, expanded);
  return complain('is relative: write an absolute path');
}

/**
 * A node never comes up more open than its configuration says. Clients go on, since what they share a file with concerns
 * the server.
 * @throws BacalhauError `ConfigurationError`
 */
export function refuseUnprotected(config: Config): void {
  const unprotected = withoutFeature(config, thisHost()).filter(({ missing }) => missing.protects);
  if (unprotected.length === 0) return;
  throw configurationError(
    'Cannot start a node: this version does not have what its configuration relies on for protection',
    unprotected.map(({ path, missing }) => `${path} needs ${missing.feature}`),
    'Remove these settings only if the node may run without: with API.Host 127.0.0.1, say, or behind a proxy ' +
      'that does it.',
  );
}

function configurationError(what: string, reasons: readonly string[], hint: string): BacalhauError {
  const list = reasons.length === 1 ? ` ${reasons[0]}` : reasons.map((each) => `\n  ${each}`).join('');
  return new BacalhauError('ConfigurationError', `${what}:${list}`, { status: 400, hint });
}

/** Keys that are set to something else than their default and whose feature does not exist yet. */
function withoutFeature(config: Config, host: Host): { path: string; missing: Missing }[] {
  return allKeys().flatMap(({ path, names, key }) => {
    const { missing } = key;
    const same = JSON.stringify(valueOf(config, names)) === JSON.stringify(defaultOf(key.default, host));
    return missing === undefined || same ? [] : [{ path, missing }];
  });
}

/** What a configuration says of a key. */
export function valueOf(config: Config, names: readonly string[]): unknown {
  return names.reduce<unknown>((section, name) => (section as Record<string, unknown>)[name], config);
}

function nest(values: ReadonlyMap<string, unknown>): Config {
  const root: Record<string, unknown> = { FeatureFlags: {} };
  for (const { names, path } of allKeys()) {
    let section = root;
    for (const name of names.slice(0, -1)) section = (section[name] ??= {}) as Record<string, unknown>;
    section[names.at(-1)!] = values.get(path);
  }
  return root as unknown as Config;
}
