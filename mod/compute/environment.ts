/**
 * Environment variables of a task (job-spec.md 1.10): literal values, `env:NAME` for a variable of this host that the
 * node's allow-list permits, and the system's own, which win.
 */
import type { Execution, StringMap, Task } from '../model/mod.ts';
import type { Refusal } from '../model/mod.ts';
import { matchesWildcard } from '../../runtime/glob.ts';

/** The variables of this host that tasks may ask for. */
export interface HostEnvironment {
  /** Value of a variable of this host. */
  get(name: string): string | undefined;
  /**
   * Patterns of names that tasks may read: `*` is any run of characters, `?` one; the whole name must match. (The original
   * takes them for regular expressions that match anywhere.)
   */
  readonly allowList: readonly string[];
}

const REFERENCE = 'env:';

/** The references to host variables that this node cannot serve, each with its reason. */
export function checkEnvironment(task: Task, host: HostEnvironment): readonly Refusal[] {
  const refusals: Refusal[] = [];
  for (const [name, value] of Object.entries(task.Env ?? {})) {
    if (!value.startsWith(REFERENCE)) continue;
    const wanted = value.slice(REFERENCE.length);
    if (!host.allowList.some((pattern) => matchesWildcard(pattern, wanted))) {
      refusals.push({
        code: 'EnvNotAllowed',
        reason: `this node does not allow tasks to read its variable "${wanted}" (wanted for ${name})`,
        hint: `Add "${wanted}" to Compute.Env.AllowList of the node`,
        retryable: false,
      });
    } else if (host.get(wanted) === undefined) {
      refusals.push({
        code: 'EnvNotSet',
        reason: `this node does not have the variable "${wanted}" (wanted for ${name})`,
        hint: `Set "${wanted}" in the environment of the node's process`,
        retryable: false,
      });
    }
  }
  return refusals;
}

/** All variables of a run. References were checked by {@link checkEnvironment} first. */
export function resolveEnvironment(execution: Execution, task: Task, host: HostEnvironment): StringMap {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(task.Env ?? {})) {
    env[name] = value.startsWith(REFERENCE) ? host.get(value.slice(REFERENCE.length)) ?? '' : value;
  }
  env.BACALHAU_EXECUTION_ID = execution.ID;
  env.BACALHAU_JOB_ID = execution.JobID;
  env.BACALHAU_JOB_TYPE = execution.Job?.Type ?? 'batch';
  env.BACALHAU_PARTITION_INDEX = String(execution.PartitionIndex ?? 0);
  env.BACALHAU_PARTITION_COUNT = String(execution.Job?.Count ?? 0);
  return Object.freeze(env);
}
