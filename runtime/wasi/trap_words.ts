/** One wording of traps for both runtimes, close to that of the core specification's tests. */

/** What V8 and JavaScriptCore say, each in its own way, and what we say. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^unreachable/i, 'unreachable code was reached (abort, panic or assertion)'],
  [/memory/i, 'memory access out of bounds'],
  [/^(integer overflow|divide result)/i, 'integer overflow in a division'],
  [/^(divi|remainder)/i, 'division by zero'],
  [/trunc|float/i, 'a number that no integer can hold was made one'],
  // JavaScriptCore does not tell the two apart.
  [/null function|signature|null table entry/i, 'a function pointer is null or of another type'],
  [/call_indirect|table/i, 'table access out of bounds'],
];

/** The words of an engine, without the expression of ours that JavaScriptCore adds. */
export function engineText(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).replace(/ \(evaluating .*\)$/, '');
}

/** The reason of a trap. */
export function trapWords(thrown: unknown): string {
  const text = engineText(thrown);
  return WORDS.find(([pattern]) => pattern.test(text))?.[1] ?? text;
}
