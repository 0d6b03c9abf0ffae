/** Shapes of single values that several types have. */
import { list, mapOf, omitEmpty, parsed, required, type Shape, struct, text } from './shape.ts';
import { ZERO_TIME } from './time.ts';

export const texts = list(text, 'zero');
export const textMap = mapOf(text);

/** A text that may be anything; unknown ones are judged where they are used. */
export const open = <T extends string>(): Shape<T> => text as unknown as Shape<T>;

/** Reads ignoring case and outer blanks; texts that are none of `names` become `otherwise`, a problem where that is not given. */
export function named<T extends string>(name: string, names: readonly T[], zero: T, otherwise?: T): Shape<T> {
  const byText = new Map(names.map((each) => [each.toLowerCase(), each]));
  return parsed(
    name,
    zero,
    (value) => byText.get(value.trim().toLowerCase()) ?? otherwise,
    (value) => `unknown type "${value}": ${name} is one of ${names.join(', ')} (in any letter case)`,
  );
}

/** Reads exactly; texts that are none of `names` become `otherwise`. */
export function exactly<T extends string>(name: string, names: readonly T[], otherwise: T): Shape<T> {
  return parsed(name, otherwise, (value) => names.find((each) => each === value) ?? otherwise, () => '');
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** A time that stays a text; absent = {@link ZERO_TIME}. */
export const rfc3339: Shape<string> = parsed(
  'time',
  ZERO_TIME,
  (value) => (RFC3339.test(value) ? value : undefined),
  (value) => `"${value}" is not an RFC 3339 time`,
);

/** A state with the words that explain it; `T` is a name for jobs and an integer for executions. */
export interface State<T> {
  readonly StateType: T;
  readonly Message?: string;
  readonly Details?: Readonly<Record<string, string>>;
}

export function stateOf<T>(type: Shape<T>): Shape<State<T>> {
  const state = struct('State', {
    StateType: required(type as Shape<unknown>),
    Message: omitEmpty(text),
    Details: omitEmpty(textMap),
  });
  return state as Shape<State<T>>;
}
