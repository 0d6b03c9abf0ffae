/** `deno task build`: this machine's executable; `--all`: every system; `--deno`: the `deno compile` step. */
import { relative } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { BUNDLE, bundle, ROOT } from './bundle.ts';
import { type Built, compileWithBun, compileWithDeno, folderBytes, TARGETS } from './compile.ts';

const { values: options } = parseArgs({
  options: { all: { type: 'boolean', default: false }, deno: { type: 'boolean', default: false } },
});

function report({ path, bytes }: Built): void {
  const size = bytes < 10_000_000 ? `${(bytes / 1e3).toFixed(0)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
  process.stderr.write(`${relative(ROOT, path).padEnd(36)} ${size.padStart(9)}\n`);
}

await bundle();
report({ path: BUNDLE, bytes: await folderBytes(BUNDLE) });
if (options.deno) {
  report(await compileWithDeno());
} else {
  report(await compileWithBun());
  if (options.all) { for (const target of TARGETS) report(await compileWithBun(target)); }
}
