/** Every page of examples/wasm: its program is built by its build command and run by its run command, as a reader would. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAMS, ROOT, type Server, start } from '../support/program.ts';

const PAGES = join(ROOT, 'examples', 'wasm');
const POEM = 'So much depends\nupon\na red wheel\nbarrow\n';
const COUNTS = '4 8 40 /inputs/poem.txt';

/** Page → command that must be there to build it. */
const COMPILERS: Readonly<Record<string, readonly string[]>> = {
  'assemblyscript.md': ['npm', '--version'],
  'c.md': ['clang', '--version'],
  'go.md': ['go', 'version'],
  'rust.md': ['/usr/bin/rustc', '--version'],
};
/** npm packages that a page tells its reader to install. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'assemblyscript.md': ['assemblyscript@0.28.20', '@assemblyscript/wasi-shim@0.1.0'],
};

/** The fenced blocks of a page by what stands behind the language: a file name, `build` or `run`. */
function blocksOf(page: string): Map<string, string> {
  const text = readFileSync(join(PAGES, page), 'utf8');
  return new Map(
    [...text.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map((match) => [match[1]!, match[2]!]),
  );
}

let folder: string;
let server: Server;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bacalhau-pages-'));
  server = start('bun', ['devstack', '-c', `Compute.AllowListedLocalPaths=${folder}/**`], {
    BACALHAU_DIR: join(folder, 'home'),
  });
  const [, port] = await server.line(/BACALHAU_API_PORT=(\d+)/);
  mkdirSync(join(folder, 'bin'));
  symlinkSync(PROGRAMS.bun[0], join(folder, 'bin', 'bacalhau'));
  env = {
    HOME: process.env.HOME ?? folder,
    PATH: `${folder}/bin:/usr/bin:${process.env.PATH}`,
    BACALHAU_API_HOST: '127.0.0.1',
    BACALHAU_API_PORT: port!,
    BACALHAU_DIR: join(folder, 'home'),
  };
});

afterAll(async () => {
  await server.end();
  await rm(folder, { recursive: true, force: true });
});

describe('examples/wasm', () => {
  it('has a compiler named for every page', () => {
    const pages = readdirSync(PAGES).filter((name) => name !== 'README.md').sort();
    expect(pages).toEqual(Object.keys(COMPILERS).sort());
  });

  for (const [page, [compiler, ...args]] of Object.entries(COMPILERS)) {
    const absent = process.env.CI !== 'true' && spawnSync(compiler!, args).status !== 0;
    if (absent) console.log(`SKIPPED: examples/wasm/${page} needs ${compiler}`);
    it.skipIf(absent)(page, () => {
      const here = join(folder, page);
      mkdirSync(join(here, 'data'), { recursive: true });
      writeFileSync(join(here, 'data', 'poem.txt'), POEM);
      const shell = (script: string) => {
        const done = spawnSync('sh', ['-e', '-c', script], { cwd: here, env, encoding: 'utf8' });
        expect(done.status, done.stdout + done.stderr).toBe(0);
        return done.stdout;
      };
      const packages = PACKAGES[page];
      if (packages) shell(`npm install --silent --no-audit --no-fund ${packages.join(' ')}`);
      const blocks = blocksOf(page);
      for (const [name, text] of blocks) if (name.includes('.')) writeFileSync(join(here, name), text);
      shell(blocks.get('build')!);
      expect(shell('bacalhau wasm validate count.wasm')).toMatch(/^OK$/m);
      const told = shell(blocks.get('run')!);
      const id = /Job ID: (j-[a-f0-9-]{36})/.exec(told)?.[1];
      expect(shell(`bacalhau job get ${id} --output-dir result`)).toBeDefined();
      expect(readFileSync(join(here, 'result', 'stdout'), 'utf8').trim()).toBe(COUNTS);
      expect(readFileSync(join(here, 'result', 'outputs', 'words.txt'), 'utf8')).toBe('8\n');
    });
  }
});
