/**
 * Decoder combinators for JSON as Go reads and writes it (job-spec.md 1.3, rest-api.md section 4): keys of structs match
 * ignoring case (several spellings of one key apply in byte order, the last wins), absent and `null` are the zero value,
 * unknown keys are ignored, nothing is coerced. All problems are collected, not only the first. A shape also writes: keys
 * in wire order, map keys sorted, fields marked `omitEmpty` left out.
 *
 * What `read` returns is a frozen copy; the value given is never kept or changed.
 */
import { BacalhauError } from './errors.ts';

/** Something in a value that is not as it should be. */
export interface Problem {
  /** `Tasks[0].Resources.CPU`, in the spelling of the model; empty for the value as a whole. */
  readonly path: string;
  /** The same as keys and indices, to look a position up. */
  readonly keys: readonly (string | number)[];
  readonly message: string;
}

/** A value does not have its shape; the message lists every problem. */
export class DecodeError extends BacalhauError {
  constructor(what: string, readonly problems: readonly Problem[]) {
    const lines = problems.map(({ path, message }) => (path ? `${path}: ${message}` : message));
    super('BadRequest', `Cannot read ${what}: ${lines.join('; ')}`);
  }
}

const MOST_PROBLEMS = 100;

/** State of one decoding: where it is and what it found. */
export class Reading {
  readonly problems: Problem[] = [];
  readonly keys: (string | number)[] = [];
  /** Name of the type whose field is being read. */
  owner = '';

  problem(message: string): void {
    // What a stranger sent may be wrong in each of a million places.
    if (this.problems.length === MOST_PROBLEMS) return;
    this.problems.push({ path: formatPath(this.keys), keys: [...this.keys], message });
  }

  wrongType(value: unknown, wanted: string): void {
    const place = this.owner === '' ? '' : ` (field of ${this.owner})`;
    this.problem(`invalid type: found ${describeJson(value)}, wanted ${wanted}${place}`);
  }
}

/** Keys as a person writes them: `Tasks[0].Name`. */
export function formatPath(keys: readonly (string | number)[]): string {
  let path = '';
  for (const key of keys) path += typeof key === 'number' ? `[${key}]` : path === '' ? key : `.${key}`;
  return path;
}

function describeJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return `number ${value}`;
    case 'boolean':
      return 'bool';
    default:
      return typeof value;
  }
}

/** How a kind of value is read from JSON and written. */
export interface Shape<T> {
  /** Name of the wanted type in messages. */
  readonly name: string;
  /** What an absent field and `null` stand for. */
  readonly zero: T;
  /** @param value neither `null` nor `undefined`; on a problem, notes it and returns the zero value */
  read(value: unknown, at: Reading): T;
  write(value: T): unknown;
  /** Whether a field marked `omitEmpty` is left out. */
  isEmpty(value: T): boolean;
}

function scalar<T>(name: string, zero: T, read: Shape<T>['read']): Shape<T> {
  return { name, zero, read, write: (value) => value, isEmpty: (value) => value === zero };
}

/** A text; absent = empty. */
export const text: Shape<string> = scalar('string', '', (value, at) => {
  if (typeof value === 'string') return value;
  at.wrongType(value, 'string');
  return '';
});

/** A truth value; absent = false. */
export const flag: Shape<boolean> = scalar('bool', false, (value, at) => {
  if (typeof value === 'boolean') return value;
  at.wrongType(value, 'bool');
  return false;
});

function number(name: string, accept: (value: number) => boolean): Shape<number> {
  return scalar(name, 0, (value, at) => {
    const plain = typeof value === 'bigint' ? Number(value) : value;
    if (typeof plain === 'number' && accept(plain)) return plain;
    const whole = name !== 'float' && Number.isInteger(plain);
    at.wrongType(value, whole ? `${name} of at most ${Number.MAX_SAFE_INTEGER}` : name);
    return 0;
  });
}
/** A whole number that a double holds exactly. */
export const int: Shape<number> = number('int', Number.isSafeInteger);
/** A whole number from 0; beyond 2^53 (amounts of bytes only) the nearest double. */
export const uint: Shape<number> = number(
  'uint64',
  (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 64,
);
/** Any finite number; absent = 0. */
export const float: Shape<number> = number('float', Number.isFinite);

const big = (name: string, least: bigint, most: bigint): Shape<bigint> =>
  scalar(name, 0n, (value, at) => {
    const whole = typeof value === 'bigint'
      ? value
      : Number.isInteger(value)
      ? BigInt(value as number)
      : undefined;
    if (whole !== undefined && whole >= least && whole <= most) return whole;
    at.wrongType(value, name);
    return 0n;
  });
/** Nanosecond times; a number or a bigint comes in, a bigint comes out. */
export const int64: Shape<bigint> = big('int64', -(2n ** 63n), 2n ** 63n - 1n);
/** Sequence numbers and revisions. */
export const uint64: Shape<bigint> = big('uint64', 0n, 2n ** 64n - 1n);

/** A text of which `parse` makes a value; what `parse` returns `undefined` for is a problem. */
export function parsed<T extends string>(
  name: string,
  zero: T,
  parse: (text: string) => T | undefined,
  complaint: (text: string) => string,
): Shape<T> {
  return scalar(name, zero, (value, at) => {
    if (typeof value !== 'string') {
      at.wrongType(value, 'string');
      return zero;
    }
    const result = parse(value);
    if (result === undefined) at.problem(complaint(value));
    return result ?? zero;
  });
}

/** One of the integers `0 … last`. */
export function enumeration<T extends number>(name: string, last: T): Shape<T> {
  return scalar(name, 0 as T, (value, at) => {
    if (typeof value !== 'number') at.wrongType(value, 'int');
    else if (Number.isInteger(value) && value >= 0 && value <= last) return value as T;
    else at.problem(`unknown ${name} ${value}`);
    return 0 as T;
  });
}

/** `null` stays `null` instead of becoming the zero value. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    name: shape.name,
    zero: null,
    read: shape.read,
    write: (value) => (value === null ? null : shape.write(value)),
    isEmpty: (value) => value === null,
  };
}

/** @param nullEntries `zero`: entries that are `null` are the zero value; `refuse`: they are a problem */
export function list<T>(element: Shape<T>, nullEntries: 'zero' | 'refuse'): Shape<readonly T[]> {
  const zero: readonly T[] = Object.freeze([]);
  return {
    name: 'array',
    zero,
    isEmpty: (value) => value.length === 0,
    read(value, at) {
      if (!Array.isArray(value)) {
        at.wrongType(value, 'array');
        return zero;
      }
      const result: T[] = new Array(value.length);
      for (let index = 0; index < value.length; index++) {
        const entry: unknown = value[index];
        at.keys.push(index);
        if (entry !== null && entry !== undefined) result[index] = element.read(entry, at);
        else {
          result[index] = element.zero;
          if (nullEntries === 'refuse') at.problem(`invalid type: found null, wanted ${element.name}`);
        }
        at.keys.pop();
      }
      return Object.freeze(result);
    },
    write: (value) => value.map((entry) => element.write(entry)),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Assignment that is safe for the key `__proto__`. */
function put(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** A map with free keys, kept sorted; values that are `null` are the zero value. */
export function mapOf<T>(element: Shape<T>): Shape<Readonly<Record<string, T>>> {
  const zero: Readonly<Record<string, T>> = Object.freeze({});
  return {
    name: 'object',
    zero,
    isEmpty: (value) => Object.keys(value).length === 0,
    read(value, at) {
      if (!isObject(value)) {
        at.wrongType(value, 'object');
        return zero;
      }
      const result: Record<string, T> = {};
      for (const key of Object.keys(value).sort()) {
        const entry = value[key];
        at.keys.push(key);
        put(result, key, entry === null || entry === undefined ? element.zero : element.read(entry, at));
        at.keys.pop();
      }
      return Object.freeze(result);
    },
    write(value) {
      const result: Record<string, unknown> = {};
      for (const key of Object.keys(value).sort()) put(result, key, element.write(value[key]!));
      return result;
    },
  };
}

const MAX_DEPTH = 500;

/** Copy of free JSON: keys sorted, integers as doubles as the original holds them (rest-api.md 4.4), frozen. */
function canonical(value: unknown, at: Reading, depth: number): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' && !Number.isFinite(value)) {
    at.problem('the number is too large');
    return null;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) {
    at.problem(`nested more than ${MAX_DEPTH} deep`);
    return null;
  }
  if (Array.isArray(value)) return Object.freeze(value.map((entry) => canonical(entry, at, depth + 1)));
  const source = value as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(source).sort()) put(result, key, canonical(source[key], at, depth + 1));
  return Object.freeze(result);
}

const EMPTY: Readonly<Record<string, unknown>> = Object.freeze({});

/** An object of anything (`Params`). */
export const freeForm: Shape<Readonly<Record<string, unknown>>> = {
  name: 'object',
  zero: EMPTY,
  isEmpty: (value) => Object.keys(value).length === 0,
  read(value, at) {
    if (isObject(value)) return canonical(value, at, 0) as Record<string, unknown>;
    at.wrongType(value, 'object');
    return EMPTY;
  },
  write: (value) => canonical(value, new Reading(), 0),
};

/** `never`: always there. `empty`: left out at zero. `absent`: left out only where the source has none. */
type Omission = 'never' | 'empty' | 'absent';

/** How a struct treats one key. */
export interface Field<T, O extends Omission = Omission> {
  readonly shape: Shape<T>;
  readonly omit: O;
  /** Value where the source has none, from the fields before it; the shape's zero if not given. */
  readonly absent?: (before: Readonly<Record<string, unknown>>) => T;
}

/** A field that is always written. */
export function required<T>(shape: Shape<T>, absent?: Field<T>['absent']): Field<T, 'never'> {
  return { shape, omit: 'never', ...(absent ? { absent } : {}) };
}
/** A field that is left out where it is empty, as Go's `omitempty`. */
export function omitEmpty<T>(shape: Shape<T>): Field<T, 'empty'> {
  return { shape, omit: 'empty' };
}
/** A field that is left out only where it is absent. */
export function omitAbsent<T>(shape: Shape<T>): Field<T, 'absent'> {
  return { shape, omit: 'absent' };
}

/** The fields of a struct by name. */
// deno-lint-ignore no-explicit-any
export type Fields = Readonly<Record<string, Field<any>>>;
type ValueOf<F> = F extends Field<infer T> ? T : never;
type Present<F> = { [K in keyof F]: F[K] extends Field<ValueOf<F[K]>, 'never'> ? K : never }[keyof F];

/** The type that a struct of these fields reads. */
export type StructOf<F> =
  & { readonly [K in Present<F>]: ValueOf<F[K]> }
  & { readonly [K in Exclude<keyof F, Present<F>>]?: ValueOf<F[K]> };

/** The type that a shape or a codec reads. */
export type TypeOf<S> = S extends Shape<infer T> | Codec<infer T> ? T : never;

/** @param fields in the order in which they are written */
export function struct<F extends Fields>(name: string, fields: F): Shape<StructOf<F>> {
  type T = StructOf<F>;
  const table = Object.entries<Field<unknown>>(fields)
    .map(([key, field]) => ({ key, ...field }));
  const exact = new Set(table.map(({ key }) => key));
  const folded = new Map(table.map(({ key }) => [key.toLowerCase(), key]));

  /** The source with its keys in our spelling; only where some key has another. */
  function respell(source: Record<string, unknown>): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(source).sort()) {
      const known = folded.get(key.toLowerCase());
      if (known !== undefined) result[known] = source[key];
    }
    return result;
  }

  function read(value: unknown, at: Reading): T {
    if (!isObject(value)) {
      if (value !== undefined) at.wrongType(value, name);
      value = {};
    }
    let source = value as Record<string, unknown>;
    for (const key in source) {
      if (!exact.has(key) && folded.has(key.toLowerCase())) {
        source = respell(source);
        break;
      }
    }
    const result: Record<string, unknown> = {};
    const outer = at.owner;
    at.owner = name;
    for (const { key, shape, omit, absent } of table) {
      const entry = source[key];
      if (entry === null || entry === undefined) {
        if (omit === 'never') result[key] = absent === undefined ? shape.zero : absent(result);
        continue;
      }
      at.keys.push(key);
      const decoded = shape.read(entry, at);
      at.keys.pop();
      if (omit !== 'empty' || !shape.isEmpty(decoded)) result[key] = decoded;
    }
    at.owner = outer;
    return Object.freeze(result) as T;
  }

  return {
    name,
    zero: read(undefined, new Reading()),
    read,
    write(value) {
      const source = value as Record<string, unknown>;
      const result: Record<string, unknown> = {};
      for (const { key, shape, omit, absent } of table) {
        const entry = source[key];
        if (entry === undefined) {
          if (omit === 'never') result[key] = shape.write(absent === undefined ? shape.zero : absent(result));
        } else if (omit !== 'empty' || !shape.isEmpty(entry)) result[key] = shape.write(entry);
      }
      return result;
    },
    isEmpty: () => false,
  };
}

/** Decoding and encoding of one type as a whole. */
export interface Codec<T> {
  /** For use inside other structs. */
  readonly shape: Shape<T>;
  /** @throws DecodeError with every problem */
  decode(value: unknown): T;
  /** The value as far as it could be read (zero where not) and the problems; never throws. */
  inspect(value: unknown): { readonly value: T; readonly problems: readonly Problem[] };
  /** A plain object ready for `stringifyJson`: keys in wire order, empty ones left out. */
  encode(value: T): object;
}

/** Reads and writes values of a shape. @param what names it in errors */
export function codec<T>(what: string, shape: Shape<T>): Codec<T> {
  function inspect(value: unknown): { value: T; problems: readonly Problem[] } {
    const at = new Reading();
    const result = shape.read(value === undefined ? null : value, at);
    return { value: result, problems: at.problems };
  }
  return {
    shape,
    inspect,
    decode(value) {
      const { value: result, problems } = inspect(value);
      if (problems.length > 0) throw new DecodeError(what, problems);
      return result;
    },
    encode: (value) => shape.write(value) as object,
  };
}
