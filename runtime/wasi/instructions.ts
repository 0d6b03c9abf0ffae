/** Finds instructions of WebAssembly in the code of a function (core specification, 5.4; threads, exceptions, SIMD). */
import { BinaryReader } from './binary_reader.ts';

export const MEMORY_GROW = 0x40;

const skipNumbers = (reader: BinaryReader, count: number): void => {
  for (let left = count; left > 0; left--) {
    while (reader.byte() >= 0x80);
  }
};
const each = (reader: BinaryReader, skip: () => void): void => {
  for (let left = reader.number(); left > 0; left--) skip();
};

/** Alignment, whose bit 6 announces the number of a memory, and offset. */
function memoryArgument(reader: BinaryReader): void {
  skipNumbers(reader, (reader.number() & 0x40) !== 0 ? 2 : 1);
}

/** Nothing, a value type or the number of a type: one number, but for references with a heap type of their own. */
function blockType(reader: BinaryReader): void {
  const first = reader.byte();
  if (first === 0x63 || first === 0x64) skipNumbers(reader, 1);
  else if (first >= 0x80) skipNumbers(reader, 1);
}

function tryTable(reader: BinaryReader): void {
  blockType(reader);
  each(reader, () => skipNumbers(reader, reader.byte() < 2 ? 2 : 1));
}

function vectorInstruction(reader: BinaryReader): void {
  const code = reader.number();
  if (code <= 11 || (code >= 84 && code <= 93)) memoryArgument(reader);
  if (code === 12 || code === 13) reader.at += 16;
  else if ((code >= 21 && code <= 34) || (code >= 84 && code <= 91)) reader.at += 1;
}

/** Numbers after the second part of the opcodes that begin with 0xFC. */
const MISCELLANEOUS = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];

function miscellaneous(reader: BinaryReader): void {
  const count = MISCELLANEOUS[reader.number()];
  if (count === undefined) throw new RangeError('unknown instruction');
  skipNumbers(reader, count);
}

function atomic(reader: BinaryReader): void {
  if (reader.number() === 3) reader.at += 1; // fence
  else memoryArgument(reader);
}

/** Kinds of immediates: 0 to 2 are so many numbers. */
const Kind = { memory: 3, block: 4, four: 5, eight: 6, special: 7, unknown: 255 } as const;

const KINDS = new Uint8Array(256).fill(Kind.unknown);
/** Opcodes from … to …; those of garbage collection (0xFB) are not known. */
const RANGES: readonly (readonly [from: number, to: number, kind: number])[] = [
  [0x00, 0x01, 0],
  [0x02, 0x04, Kind.block],
  [0x05, 0x05, 0],
  [0x06, 0x06, Kind.block],
  [0x07, 0x09, 1],
  [0x0a, 0x0b, 0],
  [0x0c, 0x0d, 1],
  [0x0e, 0x0e, Kind.special],
  [0x0f, 0x0f, 0],
  [0x10, 0x10, 1],
  [0x11, 0x11, 2],
  [0x12, 0x12, 1],
  [0x13, 0x13, 2],
  [0x14, 0x15, 1],
  [0x18, 0x18, 1],
  [0x19, 0x1b, 0],
  [0x1c, 0x1c, Kind.special],
  [0x1f, 0x1f, Kind.special],
  [0x20, 0x26, 1],
  [0x28, 0x3e, Kind.memory],
  [0x3f, 0x42, 1],
  [0x43, 0x43, Kind.four],
  [0x44, 0x44, Kind.eight],
  [0x45, 0xc4, 0],
  [0xd0, 0xd0, 1],
  [0xd1, 0xd1, 0],
  [0xd2, 0xd2, 1],
  [0xd3, 0xd4, 0],
  [0xd5, 0xd6, 1],
  [0xfc, 0xfe, Kind.special],
];
for (const [from, to, kind] of RANGES) KINDS.fill(kind, from, to + 1);

const SPECIAL: Readonly<Record<number, (reader: BinaryReader) => void>> = {
  0x0e: (reader) => {
    each(reader, () => skipNumbers(reader, 1));
    skipNumbers(reader, 1);
  },
  0x1c: (reader) => each(reader, () => reader.valueType()),
  0x1f: tryTable,
  0xfc: miscellaneous,
  0xfd: vectorInstruction,
  0xfe: atomic,
};

/**
 * Where a function grows the first memory: positions of its `memory.grow 0`, each two bytes long.
 * @param start of its locals
 * @throws RangeError for an instruction that is not known here
 */
export function findGrowth(bytes: Uint8Array, start: number, end: number): number[] {
  const reader = new BinaryReader(bytes, start);
  each(reader, () => {
    skipNumbers(reader, 1);
    reader.valueType();
  });
  const found: number[] = [];
  // Compilers make functions of 100 KB, so nothing here is a call that need not be one.
  let at = reader.at;
  while (at < end) {
    const opcode = bytes[at++]!;
    const kind = KINDS[opcode]!;
    if (kind <= 2) {
      if (opcode === MEMORY_GROW && bytes[at] === 0) found.push(at - 1);
      for (let left = kind; left > 0; left--) {
        while (bytes[at++]! >= 0x80);
      }
    } else if (kind === Kind.memory) {
      let numbers = (bytes[at]! & 0x40) !== 0 ? 3 : 2;
      for (; numbers > 0; numbers--) {
        while (bytes[at++]! >= 0x80);
      }
    } else if (kind === Kind.four) at += 4;
    else if (kind === Kind.eight) at += 8;
    else if (kind === Kind.unknown) throw new RangeError(`unknown instruction ${opcode}`);
    else {
      reader.at = at;
      if (kind === Kind.block) blockType(reader);
      else SPECIAL[opcode]!(reader);
      at = reader.at;
    }
  }
  if (at !== end) throw new RangeError('instruction beyond the end of its function');
  return found;
}
