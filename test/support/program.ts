/** Drives the executable from outside, as a user or an operator would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';

export const ROOT = resolve(import.meta.dirname!, '..', '..');

/** How to start the program: the packed executable, or the split bundle under `deno run`. */
export const PROGRAMS = {
  bun: [join(ROOT, 'dist', process.platform === 'win32' ? 'bacalhau.exe' : 'bacalhau')],
  deno: [process.execPath, 'run', '--allow-all', '--quiet', join(ROOT, 'dist', 'bundle', 'main.js')],
} as const;
export type Runtime = keyof typeof PROGRAMS;

/** The original's executable, where there is one to compare with. */
export const ORIGINAL = process.env.BACALHAU_ORIGINAL ?? '';
export type Program = Runtime | 'original';

function commandOf(program: Program): readonly string[] {
  if (program !== 'original') return PROGRAMS[program];
  if (!ORIGINAL) throw new Error('BACALHAU_ORIGINAL does not name the executable of the original');
  return [ORIGINAL];
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An orderly end takes no longer. */
const END_MS = 15_000;

/** The environment of a fresh user: nothing of ours or of the machine's owner in it. */
export function cleanEnv(extra: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: extra.BACALHAU_DIR ?? tmpdir(), ...extra };
}

/** Runs one command to its end. */
export function run(
  program: Program,
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; input?: string } = {},
): Promise<Ended> {
  const [command, ...first] = commandOf(program);
  const child = spawn(command!, [...first, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: cleanEnv(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // the program may end before it has read its input
  child.stdin.end(options.input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout += text);
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr += text);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

/** A running server of ours, in a process of its own. */
export interface Server extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All lines so far, of both streams. */
  readonly lines: readonly string[];
  /** The first match of `pattern` in its output, now or later. @throws Error when the process ends without */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code when the process has ended; null when a signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** SIGTERM, and the exit code. @throws Error when that does not end it, which SIGKILL then does */
  end(): Promise<number | null>;
}

/** @param wrapper a command that runs the rest of its line (`unshare`, `setpriv`) in its own process */
export function start(
  program: Program,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
): Server {
  const [command, ...first] = [...wrapper, ...commandOf(program)];
  const child = spawn(command!, [...first, ...args], {
    cwd: tmpdir(),
    env: cleanEnv(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wake = () => waiting.forEach((check) => check());
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      wake();
    });
  }
  let running = true;
  const ended = new Promise<number | null>((done) =>
    child.once('close', (code) => {
      running = false;
      done(code);
      wake();
    })
  );
  const kill = async (signal: NodeJS.Signals) => {
    if (running) process.kill(child.pid!, signal);
    return await ended;
  };
  return {
    child,
    pid: child.pid!,
    lines,
    kill,
    async end() {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => late.reject(new Error(`SIGTERM did not end process ${child.pid}`)),
        END_MS,
      );
      try {
        return await Promise.race([kill('SIGTERM'), late.promise]);
      } catch (error) {
        await kill('SIGKILL');
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
    line: (pattern) =>
      new Promise((found, failed) => {
        const check = () => {
          const match = lines.map((line) => pattern.exec(line)).find((result) => result !== null);
          if (match) found(match);
          else if (!running) {
            failed(new Error(`the program ended without "${pattern}":\n${lines.join('\n')}`));
          } else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
    async [Symbol.asyncDispose]() {
      await kill('SIGKILL');
    },
  };
}

/** A private folder on a real disk that is gone at the end of the block. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'bacalhau-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Ids of all living descendants of a process (Linux); zombies are not alive. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = readStat(Number(name));
    if (!stat || stat.state === 'Z') continue;
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (let queue = children.get(pid) ?? []; queue.length > 0;) {
    found.push(...queue);
    queue = queue.flatMap((child) => children.get(child) ?? []);
  }
  return found;
}

/** Of /proc/PID/stat; `cpu` in ticks: its own and of children that it has waited for, user and system. */
function readStat(pid: number): { state: string; parent: number; cpu: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
    return { state: fields[0]!, parent: Number(fields[1]), cpu };
  } catch {
    return null; // ended meanwhile
  }
}

export function isAlive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== 'Z';
}

/** Milliseconds of CPU that a process and all its descendants have used (Linux, 100 ticks a second). */
export function cpuOf(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, id) => sum + (readStat(id)?.cpu ?? 0) * 10, 0);
}

/** Proportional set size of a process and all its descendants, in bytes. */
export function memoryOf(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, id) => {
    const path = `/proc/${id}/smaps_rollup`;
    if (!existsSync(path)) return sum;
    try {
      return sum + Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return sum; // ended meanwhile
    }
  }, 0);
}
