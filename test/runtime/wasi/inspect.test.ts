import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectModule } from '../../../runtime/wasi/inspect.ts';
import { headerComplaint } from '../../../runtime/wasi/module_header.ts';
import { WASI_FUNCTION_NAMES } from '../../../runtime/wasi/function_names.ts';
import type { Host } from '../../../runtime/wasi/host.ts';
import { wasiImports } from '../../../runtime/wasi/wasi.ts';

const FOLDER = join(import.meta.dirname!, '..', '..', 'fixtures', 'wasm');
const modules = readdirSync(FOLDER).filter((name) => name.endsWith('.wasm'));
const bytesOf = (name: string) => readFileSync(join(FOLDER, name));

describe('inspectModule', () => {
  it.each(modules)('%s: the same imports and exports as the runtime finds', (name) => {
    const bytes = bytesOf(name);
    const module = new WebAssembly.Module(bytes);
    const { imports, exports } = inspectModule(bytes);
    expect(imports).toEqual(WebAssembly.Module.imports(module));
    expect(exports.map(({ name, kind }) => ({ name, kind }))).toEqual(WebAssembly.Module.exports(module));
  });

  it('tells signatures and memory in bytes', () => {
    const { exports, memories } = inspectModule(bytesOf('files.wasm'));
    expect(exports.find(({ name }) => name === '_start')?.signature).toEqual({ parameters: [], results: [] });
    expect(memories).toEqual([{ minimum: 2 * 65_536, maximum: null, imported: false }]);
    expect(inspectModule(bytesOf('imported_memory.wasm')).memories[0]?.imported).toBe(true);
  });

  it.each<[string, string | number[], RegExp]>([
    ['nothing', '', /^it is empty$/],
    ['C', '/* Sends', /^it is not WebAssembly but a file that begins with "\/\* Sends"$/],
    ['bytes', [1, 2, 255], /^it is not WebAssembly but a file that begins with 01 02 ff$/],
    ['text form', '(module)', /text form/],
    ['commented text form', '\n  ;; hello', /text form/],
    ['gzip', [0x1f, 0x8b, 8, 0], /gzip archive/],
    ['ELF', '\x7fELF\x02\x01\x01\0', /program for Linux/],
    ['HTML', '<!DOCTYPE html>', /HTML/],
    ['a beginning', '\0asm', /^it is cut off: a module has more than 4 bytes$/],
    [
      'a component',
      [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0],
      /^it is a WebAssembly component, and only core modules/,
    ],
    [
      'another version',
      [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0],
      /version of the binary format is 2, and only 1 runs/,
    ],
    [
      'an old version',
      [0, 0x61, 0x73, 0x6d, 0x0d, 0, 0, 0],
      /version of the binary format is 13, and only 1 runs/,
    ],
  ])('says what is no module: %s', (_name, content, why) => {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : Uint8Array.from(content);
    const complaint = headerComplaint(bytes);
    expect(complaint?.why).toMatch(why);
    expect(complaint?.hint).not.toBe('');
    expect(() => inspectModule(bytes)).toThrow(why);
  });

  it('finds nothing wrong with a core module', () => {
    expect(headerComplaint(bytesOf('exit.wasm'))).toBeNull();
    expect(headerComplaint(bytesOf('exit.wasm').subarray(0, 8))).toBeNull();
  });

  it('ends with a RangeError on any damaged module', () => {
    const bytes = bytesOf('files.wasm');
    for (let length = 9; length < bytes.length; length += 97) {
      try {
        inspectModule(bytes.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });

  it('knows the names of exactly the functions that a module is given', () => {
    expect(Object.keys(wasiImports({} as Host)).sort()).toEqual([...WASI_FUNCTION_NAMES]);
  });
});
