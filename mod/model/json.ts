/**
 * The only JSON of wire, REST and store. Integers beyond 2^53 (nanosecond times, sequence numbers) are `bigint` on the
 * way in and plain digits on the way out; nothing passes through a rounded number (invariants.md S22).
 *
 * Reading: an integer literal that a double cannot hold exactly becomes a `bigint`; all others stay numbers, so a
 * decoder that wants a bigint field must accept both (`mod/model/codec.ts` does).
 */

type Reviver = (this: unknown, key: string, value: unknown, context: { source: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver?: Reviver) => unknown;
const rawJSON = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

/**
 * Sixteen digits in a row that do not follow a quote: the shortest integer that may exceed 2^53. Texts without it take
 * the fast path; a time in a string (metadata of each message) is no number.
 */
const MAY_BE_LARGE = /(?:^|[:,[\s-])[0-9]{16}/;
/** No integer of the wire is longer than 2^64; what is longer stays a double, since making it exact costs more than linear time. */
const INTEGER = /^-?[0-9]{1,40}$/;

const revive: Reviver = function (_key, value, context) {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  return INTEGER.test(context.source) ? BigInt(context.source) : value;
};

/** @throws SyntaxError when `text` is not JSON */
export function parseJson(text: string): unknown {
  return MAY_BE_LARGE.test(text) ? parseWithSource(text, revive) : parseWithSource(text);
}

function replace(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawJSON(value.toString()) : value;
}

/** Members that are `undefined` are left out. */
export function stringifyJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, replace, indent);
}
