/** Label selectors of queries (rest-api.md 7.4.3): the grammar of constraints, all occurrences joined. */
import type { Constraint } from '../../model/mod.ts';
import { parseConstraints } from '../../spec/mod.ts';
import type { Query } from './query.ts';

/** @throws BacalhauError 400 naming the part that is wrong */
export function readSelector(query: Query): readonly Constraint[] {
  const text = query.all('labels').filter((each) => each.trim() !== '').join(',');
  return text === '' ? [] : parseConstraints(text);
}
