/**
 * What a module process is kept in, besides WASI itself: util-linux takes from it, before our own code runs, the way to
 * more privileges and more files than it needs. Both programs replace themselves by the next, so nothing stays between.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { makeFolderNow, removeNow } from '../../../runtime/files/mod.ts';
import { findProgram } from '../../../runtime/process.ts';
import { MAX_STORED_BYTES, STORE_FOLDER } from '../../../runtime/wasi/mod.ts';

export interface ProcessLimits {
  /** Descriptors. */
  readonly openFiles: number;
  /** Bytes of the largest file that it can write, the log included. */
  readonly fileBytes: number;
}

/** What the runtime itself and the handles of directories under way may take beside a program's own descriptors. */
const OWN_DESCRIPTORS = 256;
/** A record of the log has 12 bytes beside at least one of payload. */
const LOG_BYTES_PER_BYTE = 14;

/** Limits of the process that leave room for what the host enforces exactly, by itself. */
export function processLimits(openFiles: number, fileBytes: number, logBytes: number): ProcessLimits {
  return {
    openFiles: openFiles + OWN_DESCRIPTORS,
    fileBytes: fileBytes === 0 ? 0 : Math.max(fileBytes, logBytes * LOG_BYTES_PER_BYTE, MAX_STORED_BYTES),
  };
}

/** The command with all that this system can add to it; as it is where there is nothing. */
export function isolated(command: readonly string[], limits: ProcessLimits): string[] {
  if (process.platform !== 'linux') return [...command];
  const setpriv = findProgram('setpriv');
  const prlimit = findProgram('prlimit');
  const { openFiles, fileBytes } = limits;
  return [
    ...(setpriv === null ? [] : [setpriv, '--no-new-privs']),
    ...(prlimit === null ? [] : [
      prlimit,
      `--nofile=${Math.min(openFiles, hardLimit('Max open files'))}`,
      ...(fileBytes === 0 ? [] : [`--fsize=${Math.min(fileBytes, hardLimit('Max file size'))}`]),
      '--core=0',
    ]),
    ...command,
  ];
}

/** Beyond it only root may go. */
function hardLimit(name: string): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const [, hard = ''] = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits) ?? [];
  return hard === 'unlimited' ? Infinity : Number(hard);
}

/**
 * The working directory of module processes: nothing but a folder for modules that they have run, and what an earlier
 * node left of it is gone.
 */
export function prepareDirectory(path: string): void {
  removeDirectory(path);
  makeFolderNow(path);
  makeFolderNow(join(path, STORE_FOLDER));
  makeFolderNow(path, 0o500);
}

export function removeDirectory(path: string): void {
  // Only who may write to a folder may empty it, root apart.
  if (!existsSync(path)) return;
  makeFolderNow(path);
  removeNow(path);
}
