/**
 * What a run leaves behind: the beginnings of its output for the RunOutput, and with a publisher the results folder
 * (`stdout`, `stderr`, `exitCode`, one folder per result path, and what was decided about each request of a program that
 * may reach named domains only). All of it comes from files of the run, so it can be made again after a crash.
 */
import { DECISION_LOG } from '../../runtime/egress/mod.ts';
import { previewLog, splitLog } from '../../runtime/log/mod.ts';
import type { MountedOutput } from '../engine/mod.ts';
import type { RunOutput, Task } from '../model/mod.ts';
import { withAccess } from './access.ts';
import type { Workshop } from './workshop.ts';

/** Where the parts of one run lie. */
export interface RunPaths {
  readonly folder: string;
  readonly log: string;
  readonly inputs: string;
  readonly results: string;
}

export function runPaths(executionsFolder: string, id: string, runNo: number): RunPaths {
  const folder = `${executionsFolder}/${id}/${runNo}`;
  return { folder, log: `${folder}/log`, inputs: `${folder}/inputs`, results: `${folder}/results` };
}

export function outputsOf(task: Task, paths: RunPaths): readonly MountedOutput[] {
  return (task.ResultPaths ?? []).map(({ Name, Path }) => ({
    name: Name,
    hostPath: `${paths.results}/${Name}`,
    path: Path,
  }));
}

/** The output alone, without files: nobody will fetch them. */
export async function readOutput(
  paths: RunPaths,
  exitCode: number,
  cap: number,
  ErrorMsg = '',
): Promise<RunOutput> {
  const { stdout, stdoutTruncated, stderr, stderrTruncated } = await previewLog(paths.log, cap);
  return Object.freeze({
    Stdout: stdout,
    StdoutTruncated: stdoutTruncated,
    stderr,
    StderrTruncated: stderrTruncated,
    ExitCode: exitCode,
    ErrorMsg,
  });
}

/** Completes the results folder and syncs it; after this it may be published, also after a crash. */
export async function captureResults(
  shop: Workshop,
  paths: RunPaths,
  exitCode: number,
  cap: number,
  ErrorMsg = '',
): Promise<RunOutput> {
  const { files } = shop;
  const { results } = paths;
  await files.makeFolder(results);
  await splitLog(paths.log, `${results}/stdout`, `${results}/stderr`);
  await files.write(`${results}/exitCode`, String(exitCode));
  await files.copy(`${paths.folder}/${DECISION_LOG}`, `${results}/${DECISION_LOG}`);
  await withAccess(shop, results, () => files.sync(results));
  return await readOutput(paths, exitCode, cap, ErrorMsg);
}
