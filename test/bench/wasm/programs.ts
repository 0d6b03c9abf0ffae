/** The programs of the bench, built when it runs; copies of them that nobody has seen before. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const SOURCES = import.meta.dirname!;

export interface Program {
  readonly name: string;
  readonly args: readonly string[];
  /** All that it prints. */
  readonly output: string;
}

/** sha256 of 256 MB, as `sha256sum` tells it. */
const DIGEST = 'a17a1fa59a8195d7e9bb37ad6e05ab01da6ffa4ad18c14752afb46c19926207a';

export const HELLO: Program = { name: 'hello', args: [], output: 'hello\n' };
export const SHA256: Program = { name: 'sha256', args: ['256'], output: `${DIGEST}\n` };
export const MATRIX: Program = { name: 'matrix', args: ['1024'], output: '-44\n' };
export const LARGE: Program = { name: 'large', args: [], output: 'hello from 5 packages\n' };

/** @throws Error with the compiler's words, or that there is none */
export function buildC(name: string, folder: string): string {
  const out = join(folder, `${name}.wasm`);
  const target = ['--target=wasm32-wasi', '--sysroot=/usr', '-I/usr/include/wasm32-wasi'];
  execFileSync('clang', [...target, '-O2', '-o', out, join(SOURCES, `${name}.c`)]);
  return out;
}

/** @throws Error with the compiler's words, or that there is none */
export function buildGo(name: string, folder: string): string {
  const out = join(folder, `${name}.wasm`);
  execFileSync('go', ['build', '-ldflags=-s -w', '-o', out, join(SOURCES, `${name}.go`)], {
    env: { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm' },
  });
  return out;
}

/** The same module with a section of its own at the end, so that no cache knows it. */
export function unseen(path: string, number: number): string {
  const name = new TextEncoder().encode(`bench-${process.pid}-${number}`);
  const copy = path.replace(/\.wasm$/, `-${number}.wasm`);
  // wazero wants a byte of content, too.
  const section = Buffer.of(0, name.length + 2, name.length, ...name, 0);
  writeFileSync(copy, Buffer.concat([readFileSync(path), section]));
  return copy;
}
