/** The configuration for others: REST, `config list`. Secrets are asterisks everywhere. */
import { formatDuration } from '../model/mod.ts';
import { isKey } from './key.ts';
import type { Key, Section, User } from './key.ts';
import { allKeys } from './keys.ts';
import type { Loaded } from './load.ts';
import { describeOrigin } from './origin.ts';
import { SCHEMA } from './schema/mod.ts';
import type { Config } from './schema/mod.ts';

export const REDACTED = '********';

/** A value as others see it: durations as texts, secrets hidden. */
function shown(key: Key<unknown>, value: unknown): unknown {
  if (key.secret) return value === '' ? '' : REDACTED;
  switch (key.type) {
    case 'duration':
      return formatDuration(value as number);
    case 'users':
      return (value as readonly User[]).map((user) => ({
        ...user,
        ...(user.Password ? { Password: REDACTED } : {}),
        ...(user.APIKey ? { APIKey: REDACTED } : {}),
      }));
    case 'list':
      // nats://token@host
      return (value as readonly string[]).map((each) => each.replace(/\/\/[^@/]+@/, `//${REDACTED}@`));
    default:
      return value;
  }
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
      let value: unknown = config;
      for (const name of names) value = (value as Record<string, unknown>)[name];
      const note = key.missing ? ` (No effect yet: it needs ${key.missing.feature}.)` : '';
      return {
        Key: path,
        Value: shown(key, value),
        Origin: describeOrigin(origins.get(path)!),
        Description: key.doc + note,
      };
    })
    .sort((a, b) => (a.Key < b.Key ? -1 : 1));
}
