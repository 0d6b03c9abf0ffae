/** The first eight bytes of a module: enough to tell what a file is that is no module, before anybody works with it. */

export interface HeaderComplaint {
  /** "it is …", to follow a colon. */
  readonly why: string;
  readonly hint: string;
}

/** Bytes that a core module begins with: magic number, version, layer. */
export const HEADER_BYTES = 8;

const HINT = 'Give a compiled core module (*.wasm) for WASI preview 1 (wasm32-wasi or wasm32-wasip1)';
const COMPONENT_HINT = 'Build it for WASI preview 1 (wasm32-wasip1), without wrapping it into a component';

/** What people take for a module, by its first bytes. */
const OTHERS: readonly (readonly [start: string, what: string, hint?: string])[] = [
  ['(', 'WebAssembly in text form (.wat)', 'Compile it first, for example with wat2wasm'],
  [';;', 'WebAssembly in text form (.wat)', 'Compile it first, for example with wat2wasm'],
  ['\x1f\x8b', 'a gzip archive', 'Unpack it'],
  ['PK\x03\x04', 'a zip archive', 'Unpack it'],
  ['\x28\xb5\x2f\xfd', 'a zstd archive', 'Unpack it'],
  ['!<arch>', 'an archive of object files (.a)'],
  ['\x7fELF', 'a program for Linux (ELF)'],
  ['MZ', 'a program for Windows'],
  ['\xcf\xfa\xed\xfe', 'a program for macOS'],
  ['\xca\xfe\xba\xbe', 'a program for macOS or Java'],
  ['BC\xc0\xde', 'LLVM bitcode', 'Link it with wasm-ld, or compile without -flto'],
  ['#!', 'a script'],
  ['<', 'a page in HTML or XML', 'See whether the address of the module is right'],
  ['{', 'JSON'],
];

/**
 * Why this is no core module, or null when its header is right.
 * @param bytes the file, or at least its first {@link HEADER_BYTES}
 */
export function headerComplaint(bytes: Uint8Array): HeaderComplaint | null {
  if (bytes.length === 0) return { why: 'it is empty', hint: HINT };
  const start = String.fromCharCode(...bytes.subarray(0, HEADER_BYTES));
  if (!start.startsWith('\0asm')) {
    const [, what, hint = HINT] = OTHERS.find(([first]) => start.trimStart().startsWith(first)) ?? [];
    const isText = /^[\t\r\n\x20-\x7e]+$/.test(start);
    const begin = isText
      ? JSON.stringify(start)
      : [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return { why: `it is not WebAssembly but ${what ?? `a file that begins with ${begin}`}`, hint };
  }
  if (bytes.length < HEADER_BYTES) {
    return {
      why: `it is cut off: a module has more than ${bytes.length} bytes`,
      hint: 'Copy the file again',
    };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [version, layer] = [view.getUint16(4, true), view.getUint16(6, true)];
  if (layer === 1) {
    return { why: 'it is a WebAssembly component, and only core modules run here', hint: COMPONENT_HINT };
  }
  if (version === 1 && layer === 0) return null;
  const number = view.getUint32(4, true);
  return { why: `its version of the binary format is ${number}, and only 1 runs here`, hint: HINT };
}
