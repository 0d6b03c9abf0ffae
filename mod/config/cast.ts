/** From texts (`-c`, environment) and from what a file holds to the value of a key. Errors say what is wanted. */
import { parseBytes, parseDuration } from '../model/mod.ts';
import type { AuthMethod, Key, User, ValueTypes } from './key.ts';

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** What each type wants, for messages. */
const WANTED: Readonly<Record<keyof ValueTypes, string>> = {
  string: 'a text',
  choice: 'one of its words',
  bool: 'true or false',
  int: 'a whole number',
  duration: 'a duration such as 30s, 5m or 1h30m',
  size: 'a size such as 512Mb or 1Gi',
  list: 'a list of texts (a,b,c)',
  map: 'a map of texts (k=v,k2=v2)',
  users: 'a list of users, which only a file can hold',
  methods: 'a map of methods, which only a file can hold',
};

export function wantedBy(key: Key<unknown>): string {
  if (key.values) return `one of ${key.values.map((each) => each || '""').join(', ')}`;
  return WANTED[key.type];
}

/** @throws RangeError with the reason */
export function castText(key: Key<unknown>, text: string): unknown {
  switch (key.type) {
    case 'string':
      return text;
    case 'choice':
      return choose(key, text);
    case 'bool':
      if (TRUE.includes(text)) return true;
      if (FALSE.includes(text)) return false;
      throw new RangeError(`"${text}" is not true or false`);
    case 'int':
      if (/^[-+]?[0-9]+$/.test(text)) return inRange(key, Number(text), text);
      throw new RangeError(`"${text}" is not a whole number`);
    case 'duration':
      return inRange(key, parseDuration(text), text);
    case 'size':
      return inRange(key, parseBytes(text), text);
    case 'list':
      return splitList(text);
    case 'map':
      return splitMap(text);
    case 'users':
    case 'methods':
      throw new RangeError('this key can only be set in a file');
  }
}

function choose(key: Key<unknown>, text: string): string {
  const found = key.values!.find((each) => each.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  throw new RangeError(`"${text}" is not ${wantedBy(key)}`);
}

function inRange(key: Key<unknown>, value: number, shown: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = key;
  // A least of 1 for durations stands for "above 0"; what is shorter than a millisecond is none anyone means.
  if (value < min) throw new RangeError(`${shown} is too little${min > 0 ? '' : ': it cannot be negative'}`);
  if (value > max) throw new RangeError(`${shown} is too much: at most ${max}`);
  return value;
}

function splitList(text: string): readonly string[] {
  if (text === '') return [];
  return text.split(',').map((item) => {
    const clean = item.trim();
    if (clean === '') throw new RangeError(`"${text}" has an empty item`);
    if (/[;\s]/.test(clean)) {
      throw new RangeError(`"${clean}" has a semicolon or a blank: items are parted by commas`);
    }
    return clean;
  });
}

function splitMap(text: string): Readonly<Record<string, string>> {
  if (text === '') return {};
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [name, value, more] = pair.split('=').map((part) => part.trim());
      if (name && value && more === undefined) return [name, value];
      throw new RangeError(`"${pair}" is not of the form key=value`);
    }),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws RangeError with the reason */
export function castValue(key: Key<unknown>, value: unknown): unknown {
  switch (key.type) {
    case 'list':
      return Array.isArray(value) ? value.map(textOf) : [textOf(value)];
    case 'map':
      if (isObject(value)) {
        return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, textOf(each)]));
      }
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      // Words of YAML 1.1 stay texts, since elsewhere (labels) they are meant as such.
      if (typeof value === 'string' && /^(yes|on|no|off)$/i.test(value)) return /^(yes|on)$/i.test(value);
      break;
    case 'duration':
      // As the original reads it: a number without a unit counts nanoseconds.
      if (Number.isInteger(value)) return inRange(key, (value as number) / 1e6, `${value}ns`);
      break;
    case 'users':
      if (Array.isArray(value)) return value.map(userOf);
      break;
    case 'methods':
      if (isObject(value)) {
        return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, methodOf(name, each)]));
      }
      break;
  }
  if (key.type === 'users' || key.type === 'methods' || key.type === 'map') throw mismatch(value);
  return castText(key, textOf(value));
}

function mismatch(value: unknown): RangeError {
  const kind = value === null
    ? 'nothing'
    : Array.isArray(value)
    ? 'a list'
    : `a ${isObject(value) ? 'map' : typeof value}`;
  return new RangeError(`it is ${kind}`);
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value);
  }
  throw mismatch(value);
}

/** The members of a map under our spelling of their names. */
function members<T>(
  value: unknown,
  known: readonly (keyof T & string)[],
): Partial<Record<keyof T & string, unknown>> {
  if (!isObject(value)) throw mismatch(value);
  const found: Partial<Record<keyof T & string, unknown>> = {};
  for (const [name, each] of Object.entries(value)) {
    const key = known.find((own) => own.toLowerCase() === name.toLowerCase());
    if (key === undefined) throw new RangeError(`"${name}" is none of ${known.join(', ')}`);
    found[key] = each;
  }
  return found;
}

function userOf(value: unknown): User {
  const { Capabilities, ...texts } = members<User>(value, [
    'Alias',
    'Username',
    'Password',
    'APIKey',
    'Capabilities',
  ]);
  const user = Object.fromEntries(Object.entries(texts).map(([name, each]) => [name, textOf(each)]));
  if (Capabilities === undefined) return user;
  if (!Array.isArray(Capabilities)) throw mismatch(Capabilities);
  return {
    ...user,
    Capabilities: Capabilities.map((each) => {
      const { Actions = [] } = members<{ Actions: unknown }>(each, ['Actions']);
      return { Actions: Array.isArray(Actions) ? Actions.map(textOf) : [textOf(Actions)] };
    }),
  };
}

function methodOf(name: string, value: unknown): AuthMethod {
  const { Type, PolicyPath } = members<AuthMethod>(value, ['Type', 'PolicyPath']);
  if (Type === undefined) throw new RangeError(`method "${name}" has no Type`);
  return { Type: textOf(Type), ...(PolicyPath === undefined ? {} : { PolicyPath: textOf(PolicyPath) }) };
}
