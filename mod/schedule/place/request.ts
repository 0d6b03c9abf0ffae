/** What a job asks of a node, read once per plan from its spec. */
import { type Constraint, type Job, parseResources, type Resources } from '../../model/mod.ts';

/** What a node sets aside where a job names nothing (job-spec.md 1.12). */
const LEAST: Resources = Object.freeze({ CPU: 0.1, Memory: 100 * 1024 * 1024 });

const PREFERENCE = 'favour_';

export interface PlacementRequest {
  /** Reserved on the node. */
  readonly resources: Resources;
  /** Names as written; compared in lower case. */
  readonly engine: string;
  /** `''` where results are not published. */
  readonly publisher: string;
  readonly sources: readonly string[];
  readonly constraints: readonly Constraint[];
  /** Constraints with the prefix `favour_`, prefix removed: they never exclude a node. */
  readonly preferences: readonly Constraint[];
}

export function placementRequest(job: Job): PlacementRequest {
  const task = job.Tasks[0];
  const asked = parseResources(task?.Resources ?? {});
  const preferred = job.Constraints.filter((c) => c.Key.startsWith(PREFERENCE));
  return {
    resources: Object.freeze({ ...LEAST, ...asked }),
    engine: task?.Engine?.Type.trim() ?? '',
    publisher: task?.Publisher?.Type.trim() ?? '',
    sources: [...new Set(task?.InputSources?.flatMap((input) => input.Source?.Type.trim() ?? []) ?? [])],
    constraints: preferred.length ? job.Constraints.filter((c) => !preferred.includes(c)) : job.Constraints,
    preferences: preferred.map((c) => ({ ...c, Key: c.Key.slice(PREFERENCE.length) })),
  };
}
