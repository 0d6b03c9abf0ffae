/**
 * Puts an upper bound on the memories of a module by rewriting the binary: neither runtime can bound one instance from
 * outside. With a maximum in the memory section, growth beyond it fails inside the guest, as a program expects of
 * `memory.grow` or `malloc`. A memory that a module imports is bounded by who makes it.
 */
import { BinaryReader, encodeNumber, HAS_MAXIMUM, Section } from './binary_reader.ts';

export const PAGE = 65_536;

/** More pages than 32-bit addresses reach. */
export const MAX_PAGES = 65_536;

/** Where a memory comes from when the module imports it. */
export interface ImportedMemory {
  readonly module: string;
  readonly name: string;
  /** Pages. */
  readonly minimum: number;
  /** Pages that it may have at most, as the module says. */
  readonly maximum: number | null;
}

export interface Limited {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly imports: readonly ImportedMemory[];
  /** Pages that the module's own memories may come to, all together. */
  readonly pages: number;
}

/** The module needs more memory from the start than it may have. */
export class MemoryTooLarge extends Error {
  constructor(readonly pages: number) {
    super(`the module needs at least ${pages} pages of memory`);
  }
}

/**
 * The module with its own memories bounded to `pages` together: each gets its minimum, the first all that is left.
 * @throws MemoryTooLarge when the minimums alone exceed the limit
 * @throws RangeError when the bytes are not a well-formed module; compiling it tells more
 */
export function limitMemory(bytes: Uint8Array, pages: number): Limited {
  const imports: ImportedMemory[] = [];
  let needed = 0;
  // A first pass sums up the minimums, a second one writes.
  rewrite(bytes, ({ minimum, maximum, from }) => {
    if (from) imports.push({ ...from, minimum, maximum });
    else needed += minimum;
    return maximum;
  });
  if (needed > pages) throw new MemoryTooLarge(needed);
  let left = Math.min(MAX_PAGES, pages) - needed;
  let bounded = 0;
  const parts = rewrite(bytes, ({ minimum, maximum: declared, from }) => {
    if (from) return declared;
    const maximum = Math.min(declared ?? MAX_PAGES, minimum + left);
    left -= maximum - minimum;
    bounded += maximum;
    return maximum;
  });
  return { bytes: Buffer.concat(parts), imports, pages: bounded };
}

interface Memory {
  readonly minimum: number;
  readonly maximum: number | null;
  readonly from: { readonly module: string; readonly name: string } | null;
}

type Bound = (memory: Memory) => number | null;

/** The module in parts, since only one pass needs the copy; `bound` gives each memory's new maximum in pages, null for none. */
function rewrite(bytes: Uint8Array, bound: Bound): Uint8Array[] {
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
      parts.push(Uint8Array.of(id, ...encodeNumber(content.length)), content);
    } else {
      parts.push(bytes.subarray(start, end));
    }
    reader.at = end;
  }
  return parts;
}

function rewriteMemories(reader: BinaryReader, bound: Bound): Uint8Array {
  const count = reader.number();
  const out = encodeNumber(count);
  for (let index = 0; index < count; index++) out.push(...boundLimits(reader, null, bound));
  return Uint8Array.from(out);
}

function rewriteImports(reader: BinaryReader, bound: Bound): Uint8Array {
  const count = reader.number();
  const parts: Uint8Array[] = [Uint8Array.from(encodeNumber(count))];
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
  bound: Bound,
): number[] {
  const { flags, minimum, maximum } = reader.limits();
  const bounded = bound({ minimum, maximum, from });
  return bounded === null
    ? [flags, ...encodeNumber(minimum)]
    : [flags | HAS_MAXIMUM, ...encodeNumber(minimum), ...encodeNumber(bounded)];
}
