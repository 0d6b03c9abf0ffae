/** Asking a small outside program something: found on a search path, bounded in time and output, never left behind. */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import process from 'node:process';
import { killGroup } from './process.ts';
import { realWorld } from './world.ts';

/** Bytes of output after which a program counts as broken. */
const MAX_OUTPUT = 4 * 1024 * 1024;

export interface ToolOutput {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Absolute path of the program called `name` in the folders of `path` (default: the variable PATH), or null. */
export function findProgram(name: string, path: string = process.env.PATH ?? ''): string | null {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  for (const folder of path.split(delimiter)) {
    // A relative folder would let the current directory decide which program runs.
    if (!isAbsolute(folder)) continue;
    const candidate = join(folder, file);
    if (isProgram(candidate)) return candidate;
  }
  return null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent, not ours to run, or a folder that may not be read: the next one may have it.
    return false;
  }
}

/**
 * Runs a program to its end. It is killed with everything that it started when `timeoutMs` have passed or when it
 * prints more than 4 MiB.
 * @throws Error when it cannot be started, or had to be killed
 */
export function runTool(program: string, args: readonly string[], timeoutMs: number): Promise<ToolOutput> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
      env: environment(),
    });
    const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    let size = 0;
    const giveUp = (why: string) => {
      timer[Symbol.dispose]();
      if (child.pid !== undefined) killGroup(child.pid);
      // A grandchild that left the group may hold the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(why));
    };
    const timer = realWorld.after(timeoutMs, () => giveUp(`it gave no answer within ${timeoutMs / 1000} s`));
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Uint8Array) => {
        size += chunk.length;
        if (size > MAX_OUTPUT) return giveUp('it printed more than 4 MiB');
        chunks[name].push(chunk);
      });
    }
    child.on('error', (error) => {
      timer[Symbol.dispose]();
      reject(error);
    });
    child.on('close', (exitCode) => {
      timer[Symbol.dispose]();
      const text = (parts: Uint8Array[]) => new TextDecoder().decode(joined(parts));
      resolve({ exitCode, stdout: text(chunks.stdout), stderr: text(chunks.stderr) });
    });
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Ours, in plain English, without what would change how a Bun executable behaves (architecture.md section 6). */
function environment(): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith('BUN_')) result[name] = value;
  }
  return { ...result, LC_ALL: 'C' };
}
