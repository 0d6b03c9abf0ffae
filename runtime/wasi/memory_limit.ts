/**
 * Puts an upper bound on the memories of a module by rewriting the binary: neither runtime can bound one instance from
 * outside. With a maximum in the memory section (or on an imported memory), growth beyond it fails inside the guest, as
 * a program expects of `memory.grow` or `malloc`.
 */
import { BinaryReader, HAS_MAXIMUM, Section } from './binary_reader.ts';

export const PAGE = 65_536;

/** More pages than 32-bit addresses reach. */
const MAX_PAGES = 65_536;

/** Where a memory comes from when the module imports it. */
export interface ImportedMemory {
  readonly module: string;
  readonly name: string;
  /** Pages. */
  readonly minimum: number;
  readonly maximum: number;
}

export interface Limited {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly imports: readonly ImportedMemory[];
}

/** The module needs more memory from the start than it may have. */
export class MemoryTooLarge extends Error {
  constructor(readonly minimumBytes: number) {
    super(`the module needs at least ${minimumBytes} bytes of memory`);
  }
}

/**
 * The module with all its memories bounded to `limitBytes` together (rounded up to pages): each gets its minimum, the
 * first all that is left.
 * @throws MemoryTooLarge when the minimums alone exceed the limit
 * @throws RangeError when the bytes are not a well-formed module; compiling it tells more
 */
export function limitMemory(bytes: Uint8Array, limitBytes: number): Limited {
  const pages = Math.min(MAX_PAGES, Math.ceil(limitBytes / PAGE));
  const found: Memory[] = [];
  // A first pass sums up the minimums, a second one writes.
  rewrite(bytes, (memory) => {
    found.push(memory);
    return memory.maximum ?? MAX_PAGES;
  });
  const needed = found.reduce((sum, { minimum }) => sum + minimum, 0);
  if (needed > pages) throw new MemoryTooLarge(needed * PAGE);
  const imports: ImportedMemory[] = [];
  let left = pages - needed;
  const result = rewrite(bytes, (memory) => {
    const maximum = Math.min(memory.maximum ?? MAX_PAGES, memory.minimum + left);
    left = 0;
    if (memory.from) imports.push({ ...memory.from, minimum: memory.minimum, maximum });
    return maximum;
  });
  return { bytes: result, imports };
}

interface Memory {
  readonly minimum: number;
  readonly maximum: number | null;
  readonly from: { readonly module: string; readonly name: string } | null;
}

/** Copies a module; `bound` gives each memory's new maximum in pages. */
function rewrite(bytes: Uint8Array, bound: (memory: Memory) => number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  const reader = new BinaryReader(bytes, 8);
  while (reader.at < bytes.length) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (end > bytes.length) throw new RangeError('section beyond the end of the module');
    if (id === Section.import || id === Section.memory) {
      const content = id === Section.import ? rewriteImports(reader, bound) : rewriteMemories(reader, bound);
      if (reader.at !== end) throw new RangeError('section with a wrong size');
      parts.push(Uint8Array.of(id, ...encode(content.length)), content);
    } else {
      parts.push(bytes.subarray(start, end));
    }
    reader.at = end;
  }
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function rewriteMemories(reader: BinaryReader, bound: (memory: Memory) => number): Uint8Array {
  const count = reader.number();
  const out = encode(count);
  for (let index = 0; index < count; index++) out.push(...boundLimits(reader, null, bound));
  return Uint8Array.from(out);
}

function rewriteImports(reader: BinaryReader, bound: (memory: Memory) => number): Uint8Array {
  const count = reader.number();
  const parts: Uint8Array[] = [Uint8Array.from(encode(count))];
  for (let index = 0; index < count; index++) {
    const start = reader.at;
    const from = { module: reader.name(), name: reader.name() };
    const kind = reader.byte();
    if (kind === 2) {
      parts.push(reader.since(start), Uint8Array.from(boundLimits(reader, from, bound)));
      continue;
    }
    if (kind === 0) reader.number();
    else if (kind === 1) {
      reader.valueType();
      reader.limits();
    } else if (kind === 3) {
      reader.valueType();
      reader.byte();
    } else if (kind === 4) {
      reader.byte();
      reader.number();
    } else throw new RangeError(`unknown kind of import ${kind}`);
    parts.push(reader.since(start));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function boundLimits(
  reader: BinaryReader,
  from: Memory['from'],
  bound: (memory: Memory) => number,
): number[] {
  const { flags, minimum, maximum } = reader.limits();
  return [flags | HAS_MAXIMUM, ...encode(minimum), ...encode(bound({ minimum, maximum, from }))];
}

/** LEB128, as every unsigned integer of the format. */
function encode(value: number): number[] {
  const out: number[] = [];
  do {
    const low = value % 128;
    value = Math.floor(value / 128);
    out.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return out;
}
