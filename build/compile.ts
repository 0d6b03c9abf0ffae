/** Packs a bundle and a runtime into one executable: with Bun (every target from the npm registry) or with Deno. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { BUNDLE, DIST, ROOT } from './bundle.ts';

const run = promisify(execFile);

// npm's Bun is called bun.exe on every system.
const BUN = join(ROOT, 'node_modules', 'bun', 'bin', 'bun.exe');

export const TARGETS = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'windows-x64',
  'windows-arm64',
] as const;
export type Target = (typeof TARGETS)[number];

export interface Built {
  readonly path: string;
  readonly bytes: number;
}

async function built(path: string): Promise<Built> {
  return { path, bytes: (await stat(path)).size };
}

/**
 * @param target a system to cross-compile for; absent = this machine, into `dist/bacalhau`
 * @throws Error with the packer's own words
 */
export async function compileWithBun(target?: Target): Promise<Built> {
  const windows = target ? target.startsWith('windows') : process.platform === 'win32';
  const chunks = (await readdir(join(BUNDLE, 'chunks'))).map((name) => `./chunks/${name}`);
  const out = join(DIST, `${target ? `bacalhau-${target}` : 'bacalhau'}${windows ? '.exe' : ''}`);
  await run(BUN, [
    'build',
    '--compile',
    // Bytecode falls back to CommonJS unless the format is named, and then refuses top-level await.
    '--bytecode',
    '--format=esm',
    // Otherwise the executable would obey a .env or bunfig.toml of the folder it is started in.
    '--no-compile-autoload-dotenv',
    '--no-compile-autoload-bunfig',
    ...(target ? [`--target=bun-${target}`] : []),
    // Each chunk is packed as it is and loaded when it is imported. Bun's own splitting mis-compiles esbuild's chunks,
    // and one file with everything takes 5 ms longer to start.
    '--external',
    '*',
    './main.js',
    ...chunks,
    `--outfile=${out}`,
  ], { cwd: BUNDLE });
  return await built(out);
}

/**
 * `deno compile` from a clean folder: with a package.json beside it all of node_modules would be embedded. The
 * environment's `DENORT_BIN` names the runtime to pack where the download cannot be reached.
 */
export async function compileWithDeno(): Promise<Built> {
  const folder = await mkdtemp(join(tmpdir(), 'bacalhau-compile-'));
  const out = join(DIST, process.platform === 'win32' ? 'bacalhau-deno.exe' : 'bacalhau-deno');
  try {
    await cp(BUNDLE, join(folder, 'bundle'), { recursive: true });
    await run(process.execPath, [
      'compile',
      '--allow-all',
      '--no-config',
      '--no-npm',
      '--node-modules-dir=none',
      '--include',
      'bundle',
      '--output',
      out,
      'bundle/main.js',
    ], { cwd: folder, env: { ...process.env, DENO_NO_PACKAGE_JSON: '1' } });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return await built(out);
}

/** Sum of a folder's files, for the size of the bundle. */
export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries.filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
