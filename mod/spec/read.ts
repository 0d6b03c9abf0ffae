/** From the text of a job file to a job: the client's half of job-spec.md 1.1. Every problem comes with path and line. */
import { BacalhauError, jobCodec } from '../model/mod.ts';
import type { Job, Problem } from '../model/mod.ts';
import { readYaml } from '../../runtime/yaml.ts';
import { normaliseResources } from './normalise.ts';
import { problemAt, specError } from './problem.ts';
import type { SpecProblem } from './problem.ts';
import { sanitiseJob } from './sanitise.ts';
import { expandTemplate } from './template.ts';
import type { Variables } from './template.ts';
import { validateSubmission } from './validate.ts';

const ALLOWED = ['Name', 'Namespace', 'Type', 'Priority', 'Count', 'Constraints', 'Meta', 'Labels', 'Tasks'];
const FORBIDDEN = ['ID', 'State', 'Version', 'Revision', 'CreateTime', 'ModifyTime'];

/** A job as it was written, with what is to be said about it. */
export interface Read {
  /** As far as it could be read, without what the server would leave out. */
  readonly job: Job;
  /** Empty when the job may be submitted. */
  readonly problems: readonly SpecProblem[];
  /** What was left out of it, or what is probably a mistake. */
  readonly warnings: readonly string[];
}

/** Reads YAML or JSON (job-spec.md 1.2) and checks all that can be checked without a server. Does not throw. */
export async function readSpec(text: string): Promise<Read> {
  const { value, problems: syntax, duplicates, locate } = await readYaml(text);
  const nothing = { job: jobCodec.shape.zero, warnings: [] };
  if (syntax.length > 0) {
    return { ...nothing, problems: syntax.map((each) => ({ ...each, path: '', keys: [] })) };
  }
  if (text.trim() === '') return { ...nothing, problems: [problemAt([], 'no content provided')] };
  if (value === null) return { ...nothing, problems: [problemAt([], 'empty/nil job')] };
  const { value: job, problems: types } = jobCodec.inspect(value);
  const found = [...topLevelProblems(value), ...types];
  // A rule about a value that could not be read would only repeat that.
  const readable = (problem: Problem) =>
    !types.some(({ keys }) => keys.every((key, index) => problem.keys[index] === key));
  found.push(...validateSubmission(job).filter(readable));
  const sanitised = sanitiseJob(job);
  return {
    job: withCleanResources(sanitised.job),
    problems: found.map((problem) => ({ ...problem, ...locate(problem.keys) })),
    warnings: [
      ...duplicates.map(({ line, message }) => `line ${line}: ${message}`),
      ...sanitised.warnings,
    ],
  };
}

/** Amounts as they are stored, so that a dry run shows them so. */
function withCleanResources(job: Job): Job {
  const Tasks = job.Tasks.map((task) =>
    task.Resources === undefined ? task : { ...task, Resources: normaliseResources(task.Resources) }
  );
  return { ...job, Tasks };
}

/** Forbidden keys first, then unknown ones; each as the person wrote it. */
function topLevelProblems(value: unknown): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const is = (list: readonly string[], key: string) =>
    list.some((each) => each.toLowerCase() === key.toLowerCase());
  const keys = Object.keys(value);
  return [
    ...keys.filter((key) => is(FORBIDDEN, key))
      .map((key) => problemAt([key], `field '${key}' is not allowed: the system sets it`)),
    ...keys.filter((key) => !is(FORBIDDEN, key) && !is(ALLOWED, key))
      .map((key) => problemAt([key], `unknown field '${key}' of the job`)),
  ];
}

/** How a text becomes a job. */
export interface ParseOptions {
  /** File name or other name for messages; default `job`. */
  readonly name?: string;
  /** Expand the text as a template with these variables first; not at all if absent (`--no-template`). */
  readonly variables?: Variables;
}

/**
 * The job of a file as it is to be submitted.
 * @throws BacalhauError `ValidationError` whose message lists every problem with line and path
 */
export async function parseJobFile(
  text: string,
  options: ParseOptions = {},
): Promise<{ readonly job: Job; readonly warnings: readonly string[] }> {
  const what = options.name === undefined ? 'this job' : `job "${options.name}"`;
  if (text.trim() === '') {
    throw new BacalhauError('ValidationError', `Cannot use ${what}: no content provided`);
  }
  const expanded = options.variables === undefined ? text : expandTemplate(text, options.variables);
  const { job, problems, warnings } = await readSpec(expanded);
  if (problems.length > 0) throw specError(what, problems);
  return { job, warnings };
}
