/**
 * The bundle, in chunks, so that a command loads only what it needs: the same for `deno run`, for `deno compile` and for
 * Bun's packer. Version and commit are stamped in here.
 */
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { build } from 'esbuild';

export const ROOT = join(import.meta.dirname!, '..');
export const DIST = join(ROOT, 'dist');
/** `dist/bundle/main.js` and its chunks. */
export const BUNDLE = join(DIST, 'bundle');

// Bundled CommonJS packages call `require`; an ES module has none of its own.
const BANNER = `import{createRequire as __createRequire}from'node:module';` +
  `const require=__createRequire(import.meta.url);`;

/** `BACALHAU_COMMIT` for builds from an archive without git. */
function commit(): string {
  if (process.env.BACALHAU_COMMIT) return process.env.BACALHAU_COMMIT;
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}

/** Writes the bundle anew. */
export async function bundle(): Promise<void> {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const define = {
    BACALHAU_VERSION: JSON.stringify(`v${manifest.version}`),
    BACALHAU_COMMIT: JSON.stringify(commit()),
    BACALHAU_BUILD_DATE: JSON.stringify(new Date().toISOString().replace(/\.\d+Z$/, 'Z')),
  };
  await rm(BUNDLE, { recursive: true, force: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: { main: 'main.ts' },
    bundle: true,
    minify: true,
    keepNames: true,
    format: 'esm',
    platform: 'node',
    target: 'es2023',
    define,
    banner: { js: BANNER },
    logLevel: 'warning',
    legalComments: 'none',
    splitting: true,
    outdir: BUNDLE,
    chunkNames: 'chunks/[name]-[hash]',
  });
}
