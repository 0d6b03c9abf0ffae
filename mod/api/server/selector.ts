/**
 * Label selectors of queries (Kubernetes grammar, rest-api.md 7.4.3): requirements separated by commas, all of which must
 * hold: `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k`, `!k`, `k>5`, `k<5`.
 */
import type { Constraint } from '../../model/mod.ts';
import { requestError } from './errors.ts';

const KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const COMPARISON = /^([^\s=!<>]+)\s*(==|!=|=|>|<)\s*([^\s=!<>]*)$/;
const NAMES: Readonly<Record<string, string>> = { '>': 'gt', '<': 'lt' };

/** @throws BacalhauError 400 naming the requirement that is wrong; an empty text is no requirement */
export function readSelector(text: string): readonly Constraint[] {
  // A comma inside parentheses separates values, any other one requirements.
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  return parts.filter(Boolean).map(readRequirement);
}

function readRequirement(text: string): Constraint {
  const set = SET.exec(text);
  if (set) return make(text, set[1]!, set[2]!, set[3]!.split(',').map((value) => value.trim()));
  const comparison = COMPARISON.exec(text);
  if (comparison) {
    const operator = NAMES[comparison[2]!] ?? comparison[2]!;
    const value = comparison[3]!;
    if (operator.endsWith('t') && !/^-?\d+$/.test(value)) {
      throw wrong(text, `"${value}" is not an integer`);
    }
    return make(text, comparison[1]!, operator, [value]);
  }
  const negated = text.startsWith('!');
  return make(text, negated ? text.slice(1).trim() : text, negated ? '!' : 'exists', []);
}

function make(text: string, Key: string, Operator: string, Values: readonly string[]): Constraint {
  if (!KEY.test(Key)) throw wrong(text, `"${Key}" is not a label key`);
  const bad = Values.find((value) => !VALUE.test(value));
  if (bad !== undefined) throw wrong(text, `"${bad}" is not a label value`);
  return Object.freeze({ Key, Operator, ...(Values.length > 0 ? { Values: Object.freeze(Values) } : {}) });
}

function wrong(text: string, why: string) {
  return requestError(
    `Cannot read label selector "${text}": ${why}`,
    400,
    'Write requirements such as env=prod, env in (a,b), !env or cores>4, separated by commas.',
  );
}
