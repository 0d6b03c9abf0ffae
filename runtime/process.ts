/** Processes of the operating system: identity that survives reuse of ids, groups, and certain death. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';

let bootId: string | undefined;

/**
 * Tells a process from any other that has or had its id: on Linux its start in clock ticks with the id of this boot,
 * on other Unix systems what `ps` prints. Null when there is no such process (a zombie counts as gone) or the system
 * cannot tell (Windows).
 */
export function processStartTime(pid: number): string | null {
  if (process.platform === 'linux') {
    const fields = linuxStat(pid);
    if (!fields || fields[0] === 'Z' || fields[0] === 'X') return null;
    bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
    // The state is field 3 of proc(5); the start time is field 22.
    return `${fields[19]}@${bootId}`;
  }
  if (process.platform === 'win32') return null;
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], {
    encoding: 'utf8',
  });
  const text = stdout?.trim() ?? '';
  if (status !== 0 || text === '' || text.startsWith('Z')) return null;
  return text.replace(/^\S+\s+/, '');
}

/** Whether the process exists and still runs; a zombie does not. */
export function processAlive(pid: number): boolean {
  if (process.platform === 'linux') {
    const state = linuxStat(pid)?.[0];
    return state !== undefined && state !== 'Z' && state !== 'X';
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Milliseconds of processor time that all threads of a process have used (in steps of 10); null when it is gone or the
 * system does not tell (all but Linux).
 */
export function processCpuMs(pid: number): number | null {
  const fields = process.platform === 'linux' ? linuxStat(pid) : null;
  // Fields 14 and 15 of proc(5), in USER_HZ, which is 100 wherever Linux runs today.
  return fields && (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Bytes of a process that are in memory; null when it is gone or the system does not tell (all but Linux). */
export function processMemory(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status') ?? '');
  return found && Number(found[1]) * 1024;
}

/** Makes the system take this process first when memory runs out. Without effect where there is no such choice. */
export function offerToOomKiller(pid: number): void {
  if (process.platform !== 'linux') return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch (error) {
    // Gone already, or a container that hides it.
    const { code } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EROFS'].includes(code ?? '')) throw error;
  }
}

/** An executable of this name in the search path or where systems keep theirs; null when there is none. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/bin', '/bin', '/usr/sbin', '/sbin'];
  for (const folder of folders.filter((each) => each.startsWith('/'))) {
    const path = `${folder}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue; // not in this folder
    }
  }
  return null;
}

/**
 * Kills the process group that `pid` leads (on Windows the process alone), so that nothing it started stays behind.
 * False when there was nothing to kill.
 */
export function killGroup(pid: number): boolean {
  // 0 and 1 would mean our own group and every process.
  if (!Number.isSafeInteger(pid) || pid <= 1) {
    throw new RangeError(`Cannot kill "${pid}": not the id of a child process`);
  }
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** The fields of /proc/<pid>/stat after the name, which may itself hold blanks and brackets. */
function linuxStat(pid: number): string[] | null {
  const text = readProc(pid, 'stat');
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Null when the process is gone. */
function readProc(pid: number, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
