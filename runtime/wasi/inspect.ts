/** What a module asks for and offers, read from its binary without running or compiling anything of it. */
import { BinaryReader, Section } from './binary_reader.ts';
import { PAGE } from './memory_limit.ts';
import { HEADER_BYTES, headerComplaint } from './module_header.ts';

export type ExternKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

/** Value types as in the text format, such as `i32`. */
export interface Signature {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

export interface ModuleImport {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternKind;
}

export interface ModuleExport {
  readonly name: string;
  readonly kind: ExternKind;
  /** Of a function whose type is plain; absent where the module uses newer kinds of types. */
  readonly signature?: Signature;
}

export interface ModuleMemory {
  /** Bytes at the start. */
  readonly minimum: number;
  /** Bytes up to which it may grow; null = as far as it can. */
  readonly maximum: number | null;
  readonly imported: boolean;
}

/** What a module imports and exports. */
export interface ModuleInspection {
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  readonly memories: readonly ModuleMemory[];
}

const KINDS: readonly ExternKind[] = ['function', 'table', 'memory', 'global', 'tag'];
const FUNCTION_TYPE = 0x60;
const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
  0x7b: 'v128',
  0x70: 'funcref',
  0x6f: 'externref',
};

/** @throws RangeError when the bytes are not a well-formed module */
export function inspectModule(bytes: Uint8Array): ModuleInspection {
  const complaint = headerComplaint(bytes);
  if (complaint) throw new RangeError(complaint.why);
  const reader = new BinaryReader(bytes, HEADER_BYTES);
  let types: readonly (Signature | null)[] = [];
  const functions: number[] = [];
  const imports: ModuleImport[] = [];
  const memories: ModuleMemory[] = [];
  const exports: { name: string; kind: ExternKind; index: number }[] = [];
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const end = reader.number() + reader.at;
    if (end > bytes.length) throw new RangeError('section beyond the end of the module');
    if (id === Section.type) types = readTypes(reader);
    else if (id === Section.import) readImports(reader, imports, memories, functions);
    else if (id === Section.function) repeat(reader, () => functions.push(reader.number()));
    else if (id === Section.memory) repeat(reader, () => memories.push(readMemory(reader, false)));
    else if (id === Section.export) {
      repeat(
        reader,
        () => exports.push({ name: reader.name(), kind: readKind(reader), index: reader.number() }),
      );
    }
    reader.at = end;
  }
  return {
    imports,
    memories,
    exports: exports.map(({ name, kind, index }) => {
      const signature = kind === 'function' ? types[functions[index] ?? -1] : null;
      return { name, kind, ...(signature ? { signature } : {}) };
    }),
  };
}

function repeat(reader: BinaryReader, read: () => void): void {
  for (let left = reader.number(); left > 0; left--) read();
}

/** Types of newer proposals have an index of their own, too, but their layout differs: from there on none is known. */
function readTypes(reader: BinaryReader): (Signature | null)[] {
  const types: (Signature | null)[] = [];
  for (let left = reader.number(); left > 0; left--) {
    if (reader.byte() !== FUNCTION_TYPE) return types;
    const parameters = readValueTypes(reader);
    const results = readValueTypes(reader);
    types.push(parameters && results ? { parameters, results } : null);
  }
  return types;
}

function readValueTypes(reader: BinaryReader): string[] | null {
  const names: string[] = [];
  let known = true;
  repeat(reader, () => {
    const start = reader.at;
    reader.valueType();
    const name = VALUE_TYPES[reader.since(start)[0]!];
    known &&= name !== undefined;
    names.push(name ?? 'ref');
  });
  return known ? names : null;
}

function readImports(
  reader: BinaryReader,
  imports: ModuleImport[],
  memories: ModuleMemory[],
  functions: number[],
): void {
  repeat(reader, () => {
    const module = reader.name();
    const name = reader.name();
    const kind = readKind(reader);
    imports.push({ module, name, kind });
    if (kind === 'function') functions.push(reader.number());
    else if (kind === 'memory') memories.push(readMemory(reader, true));
    else if (kind === 'table') {
      reader.valueType();
      reader.limits();
    } else if (kind === 'global') {
      reader.valueType();
      reader.byte();
    } else {
      reader.byte();
      reader.number();
    }
  });
}

function readKind(reader: BinaryReader): ExternKind {
  const byte = reader.byte();
  const kind = KINDS[byte];
  if (!kind) throw new RangeError(`unknown kind of import or export ${byte}`);
  return kind;
}

function readMemory(reader: BinaryReader, imported: boolean): ModuleMemory {
  const { minimum, maximum } = reader.limits();
  return { minimum: minimum * PAGE, maximum: maximum === null ? null : maximum * PAGE, imported };
}
