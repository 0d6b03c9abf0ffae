/**
 * Names and labels of all that this engine makes on the host. Everything is derived from ids that are stored before, so
 * an object is found again after a crash by what it is called and labelled alone (invariants.md section 4, C5).
 */
import type { StringMap } from '../../model/mod.ts';
import type { RunRequest } from '../engine.ts';

/** `executor` runs the program; `network` holds the network namespace of a run with an HTTP network; `files`: reclaim.ts. */
export type Part = 'executor' | 'network' | 'files';

/** The original's three labels (executors.md 3.2), which other tools may look for … */
export const LABEL_EXECUTOR = 'bacalhau-executor';
export const LABEL_JOB = 'bacalhau-jobID';
export const LABEL_EXECUTION = 'bacalhau-executionID';
/** … and ours: whose it is, and of which run. Only objects with the own install id are ever touched. */
export const LABEL_INSTALL = 'bacalhau.install';
export const LABEL_OUR_EXECUTION = 'bacalhau.execution';
export const LABEL_RUN = 'bacalhau.run';
export const LABEL_PART = 'bacalhau.part';

export interface Installation {
  readonly nodeId: string;
  /** Tells this data directory from any other on the same engine, also one with the same node id. */
  readonly installId: string;
}

type RunIds = Pick<RunRequest, 'jobId' | 'executionId' | 'runNo'>;

/** The original's id of the Docker executor of a node. */
export function engineId(nodeId: string): string {
  return `bacalhau-${nodeId}`;
}

/** Name of a container; what Docker does not allow in names becomes `_`. */
export function objectName(nodeId: string, run: RunIds, part: Part): string {
  const name = `bacalhau-${engineId(nodeId)}-${run.jobId}-${run.executionId}-${part}`;
  return name.replace(/[^A-Za-z0-9_.-]/g, '_');
}

export function objectLabels({ nodeId, installId }: Installation, run: RunIds, part: Part): StringMap {
  const engine = engineId(nodeId);
  return Object.freeze({
    [LABEL_EXECUTOR]: engine,
    [LABEL_JOB]: engine + run.jobId,
    [LABEL_EXECUTION]: engine + run.executionId,
    [LABEL_INSTALL]: installId,
    [LABEL_OUR_EXECUTION]: run.executionId,
    [LABEL_RUN]: String(run.runNo),
    [LABEL_PART]: part,
  });
}

/** The labels that all objects of an installation have in common, as a filter of the engine's lists. */
export function installFilter(installId: string): { readonly label: readonly string[] } {
  return { label: [`${LABEL_INSTALL}=${installId}`] };
}

/** Which run an object belongs to; null when its labels are not ours. */
export function runOfLabels(
  installId: string,
  labels: StringMap | null,
): { readonly executionId: string; readonly runNo: number; readonly part: Part } | null {
  if (!labels || labels[LABEL_INSTALL] !== installId) return null;
  const executionId = labels[LABEL_OUR_EXECUTION];
  const runNo = Number(labels[LABEL_RUN]);
  if (!executionId || !Number.isSafeInteger(runNo)) return null;
  return { executionId, runNo, part: labels[LABEL_PART] === 'network' ? 'network' : 'executor' };
}
