/** Whether a job stays within {@link JOB_LIMITS}: each number, length and count of it. */
import { type Job, JOB_LIMITS, type Limit, type Problem } from '../model/mod.ts';
import { type Keys, problemAt } from './problem.ts';

export interface LimitProblems {
  /** Texts, lists and maps that are too long for the other rules to look at; at most {@link MOST_TOLD}. */
  readonly sizes: readonly Problem[];
  /** Numbers out of range. */
  readonly numbers: readonly Problem[];
}

/** A hostile job must not get an answer of its own size. */
const MOST_TOLD = 20;

export function limitProblems(job: Job): LimitProblems {
  const sizes: Problem[] = [];
  const numbers: Problem[] = [];

  const size = (keys: Keys, what: string, length: number, most: number | undefined) => {
    const within = most === undefined || length <= most;
    if (!within && sizes.length < MOST_TOLD) {
      sizes.push(problemAt(keys, `${length} ${what} are too many: at most ${most} are allowed`));
    }
    return within;
  };
  const look = (limit: Limit, value: unknown, keys: Keys): void => {
    if (value === null || value === undefined || sizes.length === MOST_TOLD) return;
    if (typeof value === 'string') size(keys, 'characters', value.length, limit.maxLength);
    else if (typeof value === 'number') {
      const { minimum = -Infinity, maximum = Infinity } = limit;
      const rule = value < minimum ? `>= ${minimum}` : value > maximum ? `<= ${maximum}` : undefined;
      const advice = value > maximum && limit.description ? `: ${limit.description}` : '';
      if (rule) numbers.push(problemAt(keys, `${ownerOf(job, keys)}${rule}, not ${value}${advice}`));
    } else if (Array.isArray(value)) {
      const { items } = limit;
      if (size(keys, 'entries', value.length, limit.maxItems) && items) {
        value.forEach((each, index) => look(items, each, [...keys, index]));
      }
    } else {
      const entries = Object.entries(value);
      if (!size(keys, 'keys', entries.length, limit.maxProperties)) return;
      for (const [key, each] of entries) {
        if (!size(keys, 'characters of a key', key.length, limit.propertyNames?.maxLength)) continue;
        const own = limit.properties?.[key] ?? limit.additionalProperties;
        if (own) look(own, each, [...keys, key]);
      }
    }
  };
  look(JOB_LIMITS, job, []);
  return { sizes, numbers };
}

/** `job count must be `, `task main: invalid network: static port must be `: the words in front of the rule. */
function ownerOf(job: Job, keys: Keys): string {
  const what = String(keys.at(-1)).replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
  if (keys[0] !== 'Tasks') return `job ${what} must be `;
  const task = job.Tasks[keys[1] as number]!.Name || '(without a name)';
  return `task ${task}: ${what}${keys.includes('Ports') ? ' port' : ''} must be `;
}
