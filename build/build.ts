/** `deno task build`: this machine's executable; `--all`: every system; `--deno`: the `deno compile` step. */
import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { BUN_BUNDLE, bundle, DENO_BUNDLE, ROOT } from './bundle.ts';
import { type Built, compileWithBun, compileWithDeno, folderBytes, TARGETS } from './compile.ts';

const { values: options } = parseArgs({
  options: { all: { type: 'boolean', default: false }, deno: { type: 'boolean', default: false } },
});

function report({ path, bytes }: Built): void {
  const size = bytes < 10_000_000 ? `${(bytes / 1e3).toFixed(0)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
  process.stderr.write(`${relative(ROOT, path).padEnd(36)} ${size.padStart(9)}\n`);
}

await bundle();
report({ path: DENO_BUNDLE, bytes: await folderBytes(DENO_BUNDLE) });
report({ path: BUN_BUNDLE, bytes: (await stat(BUN_BUNDLE)).size });
if (options.deno) {
  report(await compileWithDeno());
} else {
  report(await compileWithBun());
  if (options.all) { for (const target of TARGETS) report(await compileWithBun(target)); }
}
