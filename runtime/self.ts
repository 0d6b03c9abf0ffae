/**
 * How to start this very program as a child, with a hidden sub-command. A compiled executable is its own command; an
 * interpreted one needs its runtime and its script (architecture.md section 6).
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';

interface DenoSelf {
  build: { standalone?: boolean };
  mainModule: string;
}

interface BunSelf {
  main: string;
}

/** Bun's name for the files inside a compiled executable, on Unix and on Windows. */
const BUN_EMBEDDED = /^(file:\/\/)?\/?(\$bunfs\/|[A-Za-z]:[/\\]~BUN[/\\])/;

/**
 * Program and arguments that run ourselves with `args`.
 * @example selfCommand('__wasm-child') // ['/usr/bin/deno', 'run', '-A', '--quiet', '/repo/main.ts', '__wasm-child']
 */
export function selfCommand(...args: readonly string[]): string[] {
  const { Deno, Bun } = globalThis as { Deno?: DenoSelf; Bun?: BunSelf };
  if (Deno) {
    if (isCompiled()) return [process.execPath, ...args];
    return [process.execPath, 'run', '-A', '--quiet', script(Deno.mainModule), ...args];
  }
  if (Bun) {
    if (isCompiled()) return [process.execPath, ...args];
    return [process.execPath, script(Bun.main), ...args];
  }
  return [process.execPath, script(process.argv[1] ?? ''), ...args];
}

/** The file that was started; under the test runner, which is somebody else's program, the repository's entry. */
function script(main: string): string {
  if (process.env.VITEST) return fileURLToPath(new URL('../main.ts', import.meta.url));
  return main.startsWith('file:') ? fileURLToPath(main) : main;
}

/** What an interpreter needs to find its cache, and Windows to start a program at all. */
const KEPT = [
  'HOME',
  'DENO_DIR',
  'XDG_CACHE_HOME',
  'USERPROFILE',
  'LOCALAPPDATA',
  'SystemRoot',
  'TMPDIR',
  'TEMP',
  'TMP',
];

function isCompiled(): boolean {
  const { Deno, Bun } = globalThis as { Deno?: DenoSelf; Bun?: BunSelf };
  if (Deno) return Deno.build.standalone === true;
  return Bun !== undefined && (BUN_EMBEDDED.test(Bun.main) || BUN_EMBEDDED.test(import.meta.url));
}

/**
 * The environment of a child of ours: nothing of the user's but what a runtime cannot do without, and nothing at all for
 * a compiled executable on Linux. `BUN_*` in particular never passes, since it changes what a Bun executable does.
 */
export function childEnvironment(): Record<string, string> {
  const result: Record<string, string> = {};
  if (process.platform === 'linux' && isCompiled()) return result;
  for (const name of KEPT) {
    const value = process.env[name];
    if (value !== undefined) result[name] = value;
  }
  return result;
}
