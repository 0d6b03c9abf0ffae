/**
 * Jobs that wait for nodes, so that freed capacity goes to the right one at once: grouped by what they ask for, each group
 * in order of priority, then age. If the first of a group does not fit, none of it does. Only a hint: each of these jobs
 * also has a delayed evaluation in the store, from which this index is filled after a restart.
 */
import { type Job, stringifyJson } from '../../model/mod.ts';
import { JOB_KINDS, type PlacementRequest, placementRequest } from '../../schedule/mod.ts';

export interface WaitingJob {
  readonly id: string;
  readonly version: number;
  readonly priority: number;
  readonly since: bigint;
}

export interface WaitingGroup {
  readonly request: PlacementRequest;
  /** In order; never empty. */
  readonly jobs: WaitingJob[];
}

function before(a: WaitingJob, b: WaitingJob): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.since !== b.since) return a.since < b.since;
  return a.id < b.id;
}

/** Where `job` is or would be. */
function position(jobs: readonly WaitingJob[], job: WaitingJob): number {
  let [low, high] = [0, jobs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(jobs[middle]!, job)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class WaitingJobs {
  readonly #groups = new Map<string, WaitingGroup>();
  readonly #byId = new Map<string, { readonly key: string; readonly job: WaitingJob }>();
  /** Jobs that want an execution on each node: a new node concerns them, freed capacity seldom. */
  readonly #perNode = new Set<string>();

  add(spec: Job, since: bigint): void {
    if (JOB_KINDS[spec.Type].perNode) {
      this.#perNode.add(spec.ID);
      return;
    }
    const known = this.#byId.get(spec.ID);
    if (known?.job.version === spec.Version) return;
    if (known) this.remove(spec.ID);
    const request = placementRequest(spec);
    const key = stringifyJson(request);
    const job = { id: spec.ID, version: spec.Version, priority: spec.Priority, since };
    const group = this.#groups.get(key);
    if (group) group.jobs.splice(position(group.jobs, job), 0, job);
    else this.#groups.set(key, { request, jobs: [job] });
    this.#byId.set(spec.ID, { key, job });
  }

  remove(jobId: string): void {
    this.#perNode.delete(jobId);
    const known = this.#byId.get(jobId);
    if (!known) return;
    this.#byId.delete(jobId);
    const group = this.#groups.get(known.key)!;
    group.jobs.splice(position(group.jobs, known.job), 1);
    if (group.jobs.length === 0) this.#groups.delete(known.key);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Groups in order of their first job. */
  groups(): WaitingGroup[] {
    return [...this.#groups.values()].sort((a, b) => (before(a.jobs[0]!, b.jobs[0]!) ? -1 : 1));
  }

  perNode(): readonly string[] {
    return [...this.#perNode];
  }
}
