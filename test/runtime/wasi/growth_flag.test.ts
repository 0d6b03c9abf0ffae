/** Rewritten modules stay modules, do the same, and tell when more memory was refused. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BinaryReader, Section } from '../../../runtime/wasi/binary_reader.ts';
import { flagRefusedGrowth, REFUSED_EXPORT } from '../../../runtime/wasi/growth_flag.ts';
import { inspectModule } from '../../../runtime/wasi/inspect.ts';
import { findGrowth } from '../../../runtime/wasi/instructions.ts';

const FIXTURES = join(import.meta.dirname!, '../../fixtures/wasm');

function read(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(FIXTURES, name)));
}

function flag(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return flagRefusedGrowth(bytes, inspectModule(bytes).imports);
}

/** Calls `visit` with the code of each function. */
function eachFunction(bytes: Uint8Array, visit: (start: number, end: number) => void): void {
  const reader = new BinaryReader(bytes, 8);
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (id === Section.code) {
      for (let left = reader.number(); left > 0; left--) {
        const length = reader.number();
        visit(reader.at, reader.at += length);
      }
    }
    reader.at = end;
  }
}

test('grows, tells, and does nothing else differently', () => {
  const bytes = flag(read('growth.wasm'));
  const exits: number[] = [];
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    wasi_snapshot_preview1: { proc_exit: (code: number) => exits.push(code) },
  });
  const exported = instance.exports as unknown as {
    grow(pages: number): number;
    memory: WebAssembly.Memory;
    [REFUSED_EXPORT]: WebAssembly.Global;
  };
  expect(exported[REFUSED_EXPORT].value).toBe(0);
  expect(exported.grow(0)).toBe(1);
  expect(exported.grow(1)).toBe(1);
  expect(exported.memory.buffer.byteLength).toBe(2 * 65536);
  expect(exported[REFUSED_EXPORT].value).toBe(0);
  expect(exported.grow(1)).toBe(-1);
  expect(exported[REFUSED_EXPORT].value).toBe(1);
  expect(exported.grow(0)).toBe(2);
  expect(exported[REFUSED_EXPORT].value).toBe(1);
});

test('only growth is found, whatever operands are like it', () => {
  const found: number[] = [];
  const bytes = read('growth.wasm');
  eachFunction(bytes, (start, end) => found.push(findGrowth(bytes, start, end).length));
  expect(found).toEqual([0, 0, 1, 0]);
});

test('a module that never grows is left as it is', () => {
  const bytes = read('loop.wasm');
  expect(flag(bytes)).toBe(bytes);
});

const modules = [FIXTURES, join(FIXTURES, 'wasi')].flatMap((folder) =>
  readdirSync(folder).filter((name) => name.endsWith('.wasm')).map((name) => join(folder, name))
);

test.each(modules)('%s', (path) => {
  const bytes = new Uint8Array(readFileSync(path));
  if (!WebAssembly.validate(bytes)) return;
  // Compilers' code is understood to its last byte.
  eachFunction(bytes, (start, end) => findGrowth(bytes, start, end));
  expect(WebAssembly.validate(flag(bytes))).toBe(true);
});

test('what is cut off or unknown is an error, never a wrong module', () => {
  const bytes = read('limits.wasm');
  const flagged = flag(bytes);
  expect(flagged).not.toEqual(bytes);
  for (let length = 8; length < bytes.length; length += 997) {
    const cut = bytes.slice(0, length);
    try {
      const result = flagRefusedGrowth(cut, inspectModule(bytes).imports);
      // Cut between two sections.
      expect(WebAssembly.validate(result)).toBe(WebAssembly.validate(cut));
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
  const gc = Uint8Array.of(0, 0xfb, 0, 0, 0x40, 0, 0x0b);
  expect(() => findGrowth(gc, 0, gc.length)).toThrow('unknown instruction 251');
});
