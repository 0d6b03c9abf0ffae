/** How the store's tests start a script under each runtime. */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCRIPT = fileURLToPath(new URL('./writer_child.ts', import.meta.url));

export const RUNTIMES: Readonly<Record<'deno' | 'bun', readonly string[]>> = {
  deno: [process.execPath, 'run', '-A', SCRIPT],
  bun: [`${ROOT}node_modules/bun/bin/bun.exe`, SCRIPT],
};

export interface Writer {
  readonly child: ChildProcess;
  /** Ids that were answered so far. */
  readonly answered: readonly string[];
  /** Resolves at the next piece of output. */
  progress(): Promise<void>;
  /** Resolves with the fields of the `done` line; rejects when the process ends without one. */
  readonly done: Promise<{ commits: number; large: string; runtime: string }>;
}

/** @param before command line to put in front, such as strace */
export function startWriter(
  runtime: keyof typeof RUNTIMES,
  args: readonly string[],
  before: readonly string[] = [],
): Writer {
  const [program, ...rest] = [...before, ...RUNTIMES[runtime], ...args];
  const child = spawn(program!, rest, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  const answered: string[] = [];
  let text = '';
  const wake: (() => void)[] = [];
  const done = new Promise<{ commits: number; large: string; runtime: string }>((resolve, reject) => {
    child.stdout!.on('data', (data: Uint8Array) => {
      text += new TextDecoder().decode(data);
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) {
        if (line.startsWith('ok ')) answered.push(line.slice(3));
        if (line.startsWith('done ')) resolve(JSON.parse(line.slice(5)));
      }
      wake.splice(0).forEach((call) => call());
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      reject(new Error(`ended with ${signal ?? code}`));
      wake.splice(0).forEach((call) => call());
    });
  });
  // A process that is killed has no such line, and nobody waits for it then.
  done.catch(() => undefined);
  return { child, answered, done, progress: () => new Promise((resolve) => void wake.push(resolve)) };
}
