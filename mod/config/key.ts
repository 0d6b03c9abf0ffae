/** What the schema says of one key. Schemas are plain data; the type of the configuration is derived from them. */

/** Facts of the machine that some defaults depend on. */
export interface Host {
  readonly home: string;
  /** Logical processors. */
  readonly cpus: number;
}

export interface Capability {
  readonly Actions: readonly string[];
}
/** Somebody who may use the API. */
export interface User {
  readonly Alias?: string;
  readonly Username?: string;
  readonly Password?: string;
  readonly APIKey?: string;
  readonly Capabilities?: readonly Capability[];
}
/** A way to authenticate, as the original's configuration names it. */
export interface AuthMethod {
  readonly Type: string;
  readonly PolicyPath?: string;
}

/** The value of a key by its type. Durations are milliseconds, sizes are bytes. */
export interface ValueTypes {
  string: string;
  /** One of the key's `values`. */
  choice: string;
  bool: boolean;
  int: number;
  duration: number;
  size: number;
  list: readonly string[];
  map: Readonly<Record<string, string>>;
  users: readonly User[];
  methods: Readonly<Record<string, AuthMethod>>;
}
export type KeyType = keyof ValueTypes;

export interface Missing {
  /** In words that follow "needs": `users and tokens`. */
  readonly feature: string;
  /** Whether a node that went on without it would be less protected than its owner thinks. */
  readonly protects: boolean;
}

export interface KeyOptions {
  /** What the key needs and does not exist yet; see {@link ignored} and {@link refused}. */
  readonly missing?: Missing;
  /** What the key asks for is so in any case, so nothing reads it. */
  readonly met?: true;
  /** A text that is shown as asterisks; a list of addresses that may have credentials before an `@`, with or without a scheme. */
  readonly secret?: boolean;
  /** Least value; negative ones are refused where nothing is given. */
  readonly min?: number;
  readonly max?: number;
  /** Environment variables besides the one made from the path; that one wins. */
  readonly env?: readonly string[];
  /** Written in REST even when empty. */
  readonly always?: boolean;
}

/** @typeParam V the value's type */
export interface Key<V> extends KeyOptions {
  readonly type: KeyType;
  readonly default: V | ((host: Host) => V);
  /** For people: one or two sentences. */
  readonly doc: string;
  readonly values?: readonly string[];
}

export interface Section {
  readonly [name: string]: Section | Key<unknown>;
}

export function isKey(node: Section | Key<unknown>): node is Key<unknown> {
  return typeof (node as { doc?: unknown }).doc === 'string';
}

/** Options of a key whose feature does not exist yet: it is accepted and named in a warning. */
export const ignored = (feature: string) => ({ missing: { feature, protects: false } });
/** Options of a key that promises protection which does not exist yet: no node starts with it. */
export const refused = (feature: string) => ({ missing: { feature, protects: true } });

type Default<V> = V | ((host: Host) => V);
const make = <V>(type: KeyType) => (initial: Default<V>, doc: string, options: KeyOptions = {}): Key<V> => ({
  type,
  default: initial,
  doc,
  ...options,
});

export const text = make<string>('string');
export const flag = make<boolean>('bool');
export const int = make<number>('int');
/** Default and value in milliseconds. */
export const duration = make<number>('duration');
/** Default and value in bytes. */
export const size = make<number>('size');
export const list = make<readonly string[]>('list');
export const map = make<Readonly<Record<string, string>>>('map');
export const users = make<readonly User[]>('users');
export const methods = make<Readonly<Record<string, AuthMethod>>>('methods');
export function choice<T extends string>(
  values: readonly T[],
  initial: NoInfer<T>,
  doc: string,
  options: KeyOptions = {},
): Key<T> {
  return { type: 'choice', values, default: initial, doc, ...options };
}

/** The typed configuration of a schema. */
export type ValuesOf<S> = {
  readonly [N in keyof S]: S[N] extends Key<infer V> ? V : ValuesOf<S[N]>;
};

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
