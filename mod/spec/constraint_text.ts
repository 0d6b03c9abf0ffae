/** Constraints as a person types them (job-spec.md 1.7): `region=eu,zone in (a,b),!gpu,cores>8`. */
import { BacalhauError } from '../model/mod.ts';
import type { Constraint } from '../model/mod.ts';
import { constraintComplaints } from './validate_constraint.ts';

const WORD = '[^\\s=!(),<>]*';
const TERM = new RegExp(
  `\\s*(?:(!)\\s*(${WORD})|(${WORD})\\s*(?:(==|!=|=|>|<)\\s*(${WORD})|\\s(notin|in)\\s*\\(([^()]*)\\))?)\\s*(,|$)`,
  'y',
);
const ORDERS: Readonly<Record<string, string>> = { '>': 'gt', '<': 'lt' };

/**
 * Sorted by key; values sorted and without repetition.
 * @throws BacalhauError naming the part that cannot be read
 */
export function parseConstraints(written: string): Constraint[] {
  // One blank means as much as many, which the pattern would try to share out in every way.
  const text = written.replace(/\s+/g, ' ');
  const found: Constraint[] = [];
  TERM.lastIndex = 0;
  while (text.trim() !== '') {
    const start = TERM.lastIndex;
    const match = TERM.exec(text);
    if (!match) throw unreadable(text, `nothing sensible begins at "${text.slice(start).trim()}"`);
    const [, not, absent, key = '', operator, value = '', set, values = '', end] = match;
    const constraint = not
      ? { Key: absent!, Operator: '!' }
      : operator !== undefined
      ? { Key: key, Operator: ORDERS[operator] ?? operator, Values: [value] }
      : set !== undefined
      ? { Key: key, Operator: set, Values: [...new Set(values.split(',').map((each) => each.trim()))].sort() }
      : { Key: key, Operator: 'exists' };
    const complaint = constraintComplaints(constraint)[0];
    if (complaint) throw unreadable(text, complaint[1]);
    found.push(constraint);
    if (end === '') break;
  }
  return found.sort((a, b) => (a.Key < b.Key ? -1 : a.Key > b.Key ? 1 : 0));
}

function unreadable(text: string, why: string): BacalhauError {
  const hint =
    'Write key=value, key!=value, "key in (a,b)", "key notin (a,b)", key, !key, key>5 or key<5, with commas.';
  return new BacalhauError('BadRequest', `Cannot read constraints "${text}": ${why}`, { hint });
}
