import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { headerComplaint, inspectModule } from '../../../runtime/wasi/inspect.ts';
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

  it('refuses what is no module, saying why', () => {
    expect(headerComplaint(bytesOf('files.c'))).toContain('not WebAssembly');
    expect(headerComplaint(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0))).toContain('component');
    expect(headerComplaint(Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0))).toContain('version');
    expect(headerComplaint(bytesOf('exit.wasm'))).toBeNull();
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
