/** What is wrong with a spec: data with a path, rendered once; a line is added where the text is at hand. */
import { BacalhauError, formatPath } from '../model/mod.ts';
import type { Problem } from '../model/mod.ts';

/** Something wrong in a job, with its place in the text. */
export interface SpecProblem extends Problem {
  /** From 1; absent where the job did not come from a text. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
}

export type Keys = readonly (string | number)[];

export function problemAt(keys: Keys, message: string): Problem {
  return { path: formatPath(keys), keys, message };
}

/** `line 4, Tasks[0].Env.a: …`, as much of it as is known. */
export function describeProblem({ path, message, line }: SpecProblem): string {
  const place = [line === undefined ? '' : `line ${line}`, path].filter((part) => part !== '').join(', ');
  return place === '' ? message : `${place}: ${message}`;
}

/** One error for all problems, each on a line of its own. */
export function specError(what: string, problems: readonly SpecProblem[], hint?: string): BacalhauError {
  const lines = problems.map(describeProblem);
  const reasons = lines.length === 1 ? ` ${lines[0]}` : `\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new BacalhauError(
    'ValidationError',
    `Cannot use ${what}:${reasons}`,
    hint === undefined ? {} : { hint },
  );
}
