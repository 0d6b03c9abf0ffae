/** The form that every stored job has (job-spec.md 1.8). Doing it twice changes nothing. */
import { jobCodec } from '../model/mod.ts';
import type { Job, ResourcesConfig, SpecConfig, Task, TimeoutConfig } from '../model/mod.ts';

export const DEFAULT_NAMESPACE = 'default';

/** A job with the values that the original gives to what is left out. */
export function normaliseJob(job: Job): Job {
  const everywhere = job.Type === 'daemon' || job.Type === 'ops';
  // Through the codec, so that key order, left-out keys and freezing are those of a decoded job.
  return jobCodec.decode({
    ...job,
    Name: job.Name || job.ID,
    Namespace: job.Namespace || DEFAULT_NAMESPACE,
    Count: everywhere ? 0 : job.Count,
    Tasks: job.Tasks.map(normaliseTask),
  });
}

function normaliseTask(task: Task): Task {
  return {
    ...task,
    Engine: normaliseSpec(task.Engine),
    Publisher: normaliseSpec(task.Publisher ?? { Type: '' }),
    InputSources: (task.InputSources ?? []).map((input) => ({
      Source: normaliseSpec(input.Source),
      Alias: input.Alias.trim(),
      Target: input.Target.trim(),
    })),
    ResultPaths: (task.ResultPaths ?? []).map(({ Name, Path }) => ({ Name: Name.trim(), Path: Path.trim() })),
    Resources: normaliseResources(task.Resources ?? {}),
    Network: {
      ...(task.Network ?? { Type: 'Default' }),
      Domains: (task.Network?.Domains ?? []).map((domain) => domain.trim().toLowerCase()),
    },
    Timeouts: normaliseTimeouts(task.Timeouts ?? {}),
  };
}

function normaliseSpec(config: SpecConfig | null): SpecConfig | null {
  return config === null ? null : { ...config, Type: config.Type.trim() };
}

/** Amounts in lower case and without blanks, as the original keeps them. */
export function normaliseResources(resources: ResourcesConfig): ResourcesConfig {
  const clean = (text: string) => text.toLowerCase().replace(/[ \n]/g, '');
  return Object.fromEntries(
    Object.entries<string>({ ...resources }).map(([key, text]) => [key, clean(text)]),
  );
}

/** For execution and total an explicit 0 says the same as none; only the queue time-out tells them apart (A3). */
function normaliseTimeouts({ ExecutionTimeout, QueueTimeout, TotalTimeout }: TimeoutConfig): TimeoutConfig {
  return {
    ...(ExecutionTimeout ? { ExecutionTimeout } : {}),
    ...(QueueTimeout === undefined ? {} : { QueueTimeout }),
    ...(TotalTimeout ? { TotalTimeout } : {}),
  };
}
