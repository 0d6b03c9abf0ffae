/** From a decoded submission to the job as it is stored: the server's half of job-spec.md 1.1 and section 8. */
import type { Job, StringMap } from '../model/mod.ts';
import { applyDefaults } from './defaults.ts';
import type { JobDefaults } from './defaults.ts';
import { convertLegacyWasm } from './legacy_wasm.ts';
import { normaliseJob } from './normalise.ts';
import { specError } from './problem.ts';
import { sanitiseJob } from './sanitise.ts';
import { validateStored, validateSubmission } from './validate.ts';

/** All that a submission takes from its surroundings. */
export interface SubmissionContext {
  /** Used where the job brings no ID: `j-<uuid>`. */
  readonly newId: () => string;
  /** Nanoseconds since the epoch. */
  readonly now: bigint;
  readonly orchestratorId: string;
  /** Of this server, where known. */
  readonly installationId?: string;
  readonly instanceId?: string;
  /** From the headers `X-Bacalhau-InstallationID` and `X-Bacalhau-InstanceID`. */
  readonly clientInstallationId?: string;
  readonly clientInstanceId?: string;
  readonly defaults: JobDefaults;
}

/** Reserved keys of `Meta`; the last is set by the node that takes an execution. */
export const MetaKey = {
  OrchestratorId: 'bacalhau.org/orchestrator.id',
  RequesterId: 'bacalhau.org/requester.id',
  ServerInstallationId: 'bacalhau.org/server.installation.id',
  ServerInstanceId: 'bacalhau.org/server.instance.id',
  ClientInstallationId: 'bacalhau.org/client.installation.id',
  ClientInstanceId: 'bacalhau.org/client.instance.id',
  OrchestratorProtocol: 'bacalhau.org/orchestrator.protocol',
} as const;

/** A submitted job, ready to be stored. */
export interface Prepared {
  /** As version 1, revision 1, state Pending, created now; an update takes the spec's fields from it. */
  readonly job: Job;
  readonly warnings: readonly string[];
}

/**
 * @param submitted as decoded by `decodeJob`
 * @throws BacalhauError `ValidationError` that lists every problem
 */
export function prepareForSubmission(submitted: Job, context: SubmissionContext): Prepared {
  const wrong = validateSubmission(submitted);
  if (wrong.length > 0) throw specError('this job', wrong);

  const { job: sanitised, warnings } = sanitiseJob(normaliseJob(submitted));
  const converted = convertLegacyWasm(applyDefaults(identify(sanitised, context), context.defaults));
  const job = normaliseJob({
    ...converted.job,
    State: { StateType: 'Pending' },
    Version: 1,
    Revision: 1n,
    CreateTime: context.now,
    ModifyTime: context.now,
  });
  const problems = [...converted.problems, ...validateStored(job)];
  if (problems.length > 0) throw specError('this job', problems);
  return { job, warnings };
}

/** ID, name and the reserved keys of `Meta`. */
function identify(job: Job, context: SubmissionContext): Job {
  const ID = job.ID || context.newId();
  const known: [string, string | undefined][] = [
    [MetaKey.ClientInstallationId, context.clientInstallationId],
    [MetaKey.ClientInstanceId, context.clientInstanceId],
    [MetaKey.OrchestratorId, context.orchestratorId],
    [MetaKey.RequesterId, context.orchestratorId],
    [MetaKey.ServerInstallationId, context.installationId],
    [MetaKey.ServerInstanceId, context.instanceId],
  ];
  const identity: StringMap = Object.fromEntries(
    known.filter((entry): entry is [string, string] => !!entry[1]),
  );
  return { ...job, ID, Name: job.Name || ID, Meta: { ...job.Meta, ...identity } };
}
