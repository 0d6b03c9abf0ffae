/**
 * JSON texts of answers. A frozen object is encoded once: its text is kept as long as the object lives, so reading a job
 * that the store has cached costs no encoding, alone or in a list.
 */
import {
  encodeExecution,
  encodeJob,
  encodeNodeState,
  jobHistoryCodec,
  parseJson,
  stringifyJson,
} from '../../model/mod.ts';

type Encode<T> = (value: T) => object;

function remembered<T extends object>(encode: Encode<T>): (value: T) => string {
  const texts = new WeakMap<T, string>();
  return (value) => {
    const known = texts.get(value);
    if (known !== undefined) return known;
    const text = stringifyJson(encode(value));
    if (Object.isFrozen(value)) texts.set(value, text);
    return text;
  };
}

export const jobText = remembered(encodeJob);
export const executionText = remembered(encodeExecution);
export const historyText = remembered(jobHistoryCodec.encode);
export const nodeStateText = remembered(encodeNodeState);

/** `{"NextToken":"…","Items":[…]}`; the node list calls its items `Nodes`. */
export function listText(items: readonly string[], nextToken = '', key = 'Items'): string {
  return `{"NextToken":${JSON.stringify(nextToken)},"${key}":[${items.join(',')}]}`;
}

/** The same JSON with two-space indentation. */
export function indented(text: string): string {
  return stringifyJson(parseJson(text), 2);
}
