/** Defaults of the job's type from the configuration (job-spec.md 8, step 9); only what the job left open. */
import type { Job, ResourcesConfig, SpecConfig, Task } from '../model/mod.ts';

/** Defaults for the task of a job. */
export interface TaskDefaults {
  readonly Resources?: ResourcesConfig;
  /** Batch and ops only. */
  readonly Publisher?: SpecConfig;
  /** Milliseconds, cut to whole seconds. Batch and ops only. */
  readonly Timeouts?: { readonly ExecutionTimeout?: number; readonly TotalTimeout?: number };
}

/** Defaults for jobs of one type. */
export interface TypeDefaults {
  readonly Priority?: number;
  readonly Task?: TaskDefaults;
}

/** The section `JobDefaults` of the configuration. */
export interface JobDefaults {
  readonly Batch?: TypeDefaults;
  readonly Ops?: TypeDefaults;
  readonly Service?: TypeDefaults;
  readonly Daemon?: TypeDefaults;
}

const SECTIONS = { batch: 'Batch', ops: 'Ops', service: 'Service', daemon: 'Daemon' } as const;

/** Fills what a job leaves out. */
export function applyDefaults(job: Job, defaults: JobDefaults): Job {
  const own = defaults[SECTIONS[job.Type]] ?? {};
  return {
    ...job,
    Priority: job.Priority || (own.Priority ?? 0),
    Tasks: job.Tasks.map((task) => applyToTask(task, own.Task ?? {})),
  };
}

function applyToTask(task: Task, { Resources = {}, Publisher, Timeouts = {} }: TaskDefaults): Task {
  const unpublished = !task.Publisher?.Type && Object.keys(task.Publisher?.Params ?? {}).length === 0;
  const seconds = (millis = 0) => Math.trunc(millis / 1000);
  const timeout = (key: 'ExecutionTimeout' | 'TotalTimeout') => {
    const value = (task.Timeouts?.[key] ?? 0) > 0 ? task.Timeouts![key] : seconds(Timeouts[key]);
    return value ? { [key]: value } : {};
  };
  const set = (resources: ResourcesConfig) => Object.entries(resources).filter(([, text]) => text !== '');
  return {
    ...task,
    Resources: Object.fromEntries([...set(Resources), ...set(task.Resources ?? {})]),
    Publisher: unpublished && Publisher?.Type ? Publisher : task.Publisher,
    Timeouts: { ...task.Timeouts, ...timeout('ExecutionTimeout'), ...timeout('TotalTimeout') },
  };
}
