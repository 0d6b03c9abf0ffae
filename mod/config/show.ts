/** The configuration for others: REST, `config list`. Secrets are asterisks everywhere. */
import { formatDuration } from '../model/mod.ts';
import { isKey } from './key.ts';
import type { Key, Section } from './key.ts';
import { allKeys } from './keys.ts';
import { type Loaded, valueOf } from './load.ts';
import { describeOrigin } from './origin.ts';
import { SCHEMA } from './schema/mod.ts';
import type { Config } from './schema/mod.ts';

/** Stands for the value of a secret. */
export const REDACTED = '********';

/** A value as others see it: durations as texts, secrets hidden. */
function shown(key: Key<unknown>, value: unknown): unknown {
  if (key.type === 'duration') return formatDuration(value as number);
  return key.secret && typeof value === 'string' ? value && REDACTED : withoutCredentials(value, key.secret);
}

const SECRET_MEMBERS = ['Password', 'APIKey'];

/**
 * Hides what stands before the last `@` of an address (`nats://token@host`; a token may have a slash), and members that
 * are secrets.
 * @param bare whether addresses of this key need no scheme
 */
function withoutCredentials(value: unknown, bare = false): unknown {
  if (typeof value === 'string') {
    return value.replace(
      bare ? /^([a-z][\w+.-]*:\/\/)?.*@/is : /^([a-z][\w+.-]*:\/\/).*@/is,
      `$1${REDACTED}@`,
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => withoutCredentials(each, bare));
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      SECRET_MEMBERS.includes(name) && each ? REDACTED : withoutCredentials(each, bare),
    ]),
  );
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === '' || value === 0 || value === false;
}

/** The shape of `GET /api/v1/agent/config` below `config`: all sections, values only where not empty. */
export function configToRest(config: Config): Record<string, unknown> {
  return sectionToRest(SCHEMA, config as unknown as Record<string, unknown>);
}

function sectionToRest(section: Section, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, node] of Object.entries(section)) {
    const value = values[name];
    if (!isKey(node)) result[name] = sectionToRest(node, value as Record<string, unknown>);
    else if (node.always || !isEmpty(value)) result[name] = shown(node, value);
  }
  return result;
}

/** A key as `config list` shows it. */
export interface ConfigRow {
  readonly Key: string;
  /** Typed: durations are texts, secrets hidden. */
  readonly Value: unknown;
  /** `default`, a file with line, a variable, a flag or `-c`. */
  readonly Origin: string;
  readonly Description: string;
}

/** One row per key, sorted by key. */
export function configRows({ config, origins }: Pick<Loaded, 'config' | 'origins'>): ConfigRow[] {
  return allKeys()
    .map(({ path, names, key }) => {
      const note = key.missing ? ` (No effect yet: it needs ${key.missing.feature}.)` : '';
      return {
        Key: path,
        Value: shown(key, valueOf(config, names)),
        Origin: describeOrigin(origins.get(path)!),
        Description: key.doc + note,
      };
    })
    .sort((a, b) => (a.Key < b.Key ? -1 : 1));
}
