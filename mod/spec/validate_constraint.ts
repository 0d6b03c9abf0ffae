/**
 * One constraint. The original checks operators, integers and label grammar only when it schedules, where the job then
 * hangs in Pending for ever; here they are checked with the rest (job-spec.md 9, row 16).
 */
import type { Constraint } from '../model/mod.ts';
import { labelKeyComplaint, labelValueComplaint, PREFERENCE_PREFIX } from './labels.ts';

type Values = 'none' | 'one' | 'some';
const OPERATORS: Readonly<Record<string, Values>> = {
  '=': 'one',
  '==': 'one',
  '!=': 'one',
  in: 'some',
  notin: 'some',
  exists: 'none',
  '!': 'none',
  gt: 'one',
  lt: 'one',
};

/** What is wrong with it, each with the key it concerns. */
export function constraintComplaints(
  { Key, Operator, Values = [] }: Constraint,
): [keyof Constraint, string][] {
  const found: [keyof Constraint, string][] = [];
  const label = Key.startsWith(PREFERENCE_PREFIX) ? Key.slice(PREFERENCE_PREFIX.length) : Key;
  const complaint = Key.trim() === '' ? 'the key is missing' : labelKeyComplaint(label);
  if (complaint) found.push(['Key', complaint]);

  const wanted = Object.hasOwn(OPERATORS, Operator) ? OPERATORS[Operator] : undefined;
  if (wanted === undefined) {
    const known = Object.keys(OPERATORS).join(' ');
    found.push(['Operator', `"${Operator}" is not an operator: use one of ${known}`]);
  }
  if (wanted === 'some' && Values.length === 0) {
    found.push(['Values', `"${Operator}" needs at least one value`]);
  }
  if (wanted === 'none' && Values.length > 0) found.push(['Values', `"${Operator}" takes no values`]);
  if (wanted === 'one' && Values.length !== 1) {
    found.push(['Values', `"${Operator}" needs exactly one value`]);
  }

  for (const value of Values) {
    const bad = labelValueComplaint(value);
    const ordered = Operator === 'gt' || Operator === 'lt';
    if (ordered && !/^[-+]?[0-9]+$/.test(value)) found.push(['Values', `"${value}" is not a whole number`]);
    else if (bad && !ordered) found.push(['Values', bad]);
  }
  return found;
}
