/** What a job asks of a node. Jobs that ask the same share one request, whose key names it for good. */
import { type Constraint, type Job, parseResources, type Resources, stringifyJson } from '../../model/mod.ts';
import { JOB_KINDS } from '../kinds.ts';
import type { Past } from './past.ts';

/** What a node sets aside where a job names nothing (job-spec.md 1.12). */
const LEAST: Resources = Object.freeze({ CPU: 0.1, Memory: 100 * 1024 * 1024 });

const PREFERENCE = 'favour_';

/** What a slot wants of a node. */
export interface PlacementRequest {
  /** Its content as canonical text. */
  readonly key: string;
  /** Wanted on each node that matches. */
  readonly perNode: boolean;
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

/** Slots of one job that need an execution now. */
export interface Want {
  readonly jobId: string;
  readonly request: PlacementRequest;
  readonly past: Past;
  /** In order of preference. */
  readonly slots: readonly string[];
}

const requests = new WeakMap<object, PlacementRequest>();

/** The identical object for the identical spec. */
export function placementRequest(job: Job): PlacementRequest {
  let request = requests.get(job.Tasks);
  if (!request) requests.set(job.Tasks, request = requestOf(job));
  return request;
}

const MAX_PARSED = 4096;
const parsed = new Map<string, PlacementRequest>();

/** The request that has this key. */
export function requestOfKey(key: string): PlacementRequest {
  let request = parsed.get(key);
  if (!request) {
    if (parsed.size >= MAX_PARSED) parsed.clear();
    parsed.set(key, request = Object.freeze({ ...JSON.parse(key) as Omit<PlacementRequest, 'key'>, key }));
  }
  return request;
}

function requestOf(job: Job): PlacementRequest {
  const task = job.Tasks[0];
  const asked = parseResources(task?.Resources ?? {});
  const preferred = job.Constraints.filter((c) => c.Key.startsWith(PREFERENCE));
  const request = {
    perNode: JOB_KINDS[job.Type].perNode,
    resources: Object.freeze({ ...LEAST, ...asked }),
    engine: task?.Engine?.Type.trim() ?? '',
    publisher: task?.Publisher?.Type.trim() ?? '',
    sources: [...new Set(task?.InputSources?.flatMap((input) => input.Source?.Type.trim() ?? []) ?? [])],
    constraints: preferred.length ? job.Constraints.filter((c) => !preferred.includes(c)) : job.Constraints,
    preferences: preferred.map((c) => ({ ...c, Key: c.Key.slice(PREFERENCE.length) })),
  };
  return Object.freeze({ ...request, key: stringifyJson(request) });
}
