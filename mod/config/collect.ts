/**
 * What each source says, key by key. Sources are read from the lowest to the highest, so a later one overwrites; nothing
 * throws: problems and warnings are collected, each with its origin.
 */
import { castText, castValue, wantedBy } from './cast.ts';
import { isKey } from './key.ts';
import type { Key, Section } from './key.ts';
import { allKeys, findKey, nearestKey } from './keys.ts';
import type { KeyEntry } from './keys.ts';
import { describeOrigin } from './origin.ts';
import type { Origin } from './origin.ts';
import { SCHEMA } from './schema/mod.ts';

export interface Found {
  readonly value: unknown;
  readonly origin: Origin;
}

/** Says where in a file a key stands. */
export type Locate = (keys: readonly string[]) => { readonly line: number } | undefined;

export class Collection {
  readonly found = new Map<string, Found>();
  readonly problems: string[] = [];
  /** Unknown keys of files; whether they are told depends on `Compatibility`. */
  readonly unknown: string[] = [];
  readonly warnings: string[] = [];

  file(file: string, content: unknown, locate: Locate): void {
    if (content === null || content === undefined) {
      this.warnings.push(`Configuration file "${file}" is empty`);
    } else this.#section(file, SCHEMA, content, [], [], locate);
  }

  environment(env: Readonly<Record<string, string | undefined>>): void {
    for (const entry of allKeys()) {
      const variable = entry.env.find((name) => env[name]);
      if (variable) this.#text(entry, env[variable]!, { kind: 'environment', variable });
    }
  }

  /** @param flags values by key; those not given by the user are absent */
  flags(
    flags: Readonly<Record<string, { readonly flag: string; readonly value: string | number | boolean }>>,
  ): void {
    for (const [path, { flag, value }] of Object.entries(flags)) {
      const entry = findKey(path);
      if (entry === undefined) throw new Error(`flag ${flag} names the key ${path}, which does not exist`);
      this.#text(entry, String(value), { kind: 'flag', flag });
    }
  }

  /** `-c key=value` and `-c booleanKey`; files among them are none of its business. */
  setting(text: string, isFile: boolean): void {
    const equals = text.indexOf('=');
    const path = equals < 0 ? text : text.slice(0, equals);
    const entry = findKey(path.trim());
    if (entry === undefined) {
      const near = nearestKey(path);
      const advice = isFile
        ? `"${path}" is a file: configuration files end in .yaml or .yml`
        : `"${path}" is not a valid config key${near ? `: did you mean ${near}?` : ': see config list'}`;
      this.problems.push(`-c ${text}: ${advice}`);
    } else if (equals >= 0) this.#text(entry, text.slice(equals + 1), { kind: 'setting', text });
    else if (entry.key.type === 'bool') this.#text(entry, 'true', { kind: 'setting', text });
    else {this.problems.push(
        `-c ${text}: ${entry.path} wants ${wantedBy(entry.key)}: write ${entry.path}=VALUE`,
      );}
  }

  #text(entry: KeyEntry, text: string, origin: Origin): void {
    this.#cast(entry, origin, () => castText(entry.key, text));
  }

  #cast(entry: KeyEntry, origin: Origin, cast: () => unknown): void {
    try {
      this.found.set(entry.path, { value: cast(), origin });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const wanted = wantedBy(entry.key);
      this.problems.push(`${entry.path} (${describeOrigin(origin)}): wants ${wanted}, but ${error.message}`);
    }
  }

  /** @param names canonical, @param written as in the file */
  #section(
    file: string,
    section: Section,
    content: unknown,
    names: readonly string[],
    written: readonly string[],
    locate: Locate,
  ): void {
    const originOf = (keys: readonly string[]): Origin => {
      const position = locate(keys);
      return { kind: 'file', file, ...(position === undefined ? {} : { line: position.line }) };
    };
    if (typeof content !== 'object' || content === null || Array.isArray(content)) {
      const what = names.length === 0 ? 'a configuration file' : names.join('.');
      this.problems.push(`${describeOrigin(originOf(written))}: ${what} wants keys below it`);
      return;
    }
    for (const [name, value] of Object.entries(content)) {
      const own = Object.keys(section).find((each) => each.toLowerCase() === name.toLowerCase());
      const path = [...written, name];
      if (own === undefined) {
        const near = nearestKey([...names, name].join('.'));
        const hint = near ? `: did you mean ${near}?` : '';
        this.unknown.push(`Unknown key "${path.join('.')}" (${describeOrigin(originOf(path))})${hint}`);
        continue;
      }
      const node: Section | Key<unknown> = section[own]!;
      if (value === null || value === undefined) continue;
      if (!isKey(node)) this.#section(file, node, value, [...names, own], path, locate);
      else this.#fileValue([...names, own].join('.'), value, originOf(path));
    }
  }

  #fileValue(path: string, value: unknown, origin: Origin): void {
    const entry = findKey(path)!;
    if (entry.key.type === 'duration' && Number.isInteger(value) && value !== 0) {
      const place = describeOrigin(origin);
      this.warnings.push(
        `${path} (${place}): ${value} without a unit means nanoseconds: write ${value}s for seconds`,
      );
    }
    this.#cast(entry, origin, () => {
      const cast = castValue(entry.key, value);
      const before = this.found.get(path);
      // Maps of several files merge; the default is replaced as a whole.
      const merges = entry.key.type === 'map' || entry.key.type === 'methods';
      return merges && before ? { ...(before.value as object), ...(cast as object) } : cast;
    });
  }
}
