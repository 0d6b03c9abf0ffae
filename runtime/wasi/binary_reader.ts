/** Reads the binary format of WebAssembly modules (core specification, chapter 5) from one position onwards. */

/** Numbers of the sections. */
export const Section = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Flag of limits that have a maximum. */
export const HAS_MAXIMUM = 1;

/** @throws RangeError from all methods where the bytes end too early or are not well-formed */
export class BinaryReader {
  constructor(readonly bytes: Uint8Array, public at: number) {}

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError('unexpected end of the module');
    return value;
  }

  number(): number {
    let result = 0;
    for (let factor = 1;; factor *= 128) {
      const byte = this.byte();
      result += (byte & 0x7f) * factor;
      if (byte < 0x80) return result;
      if (factor > 2 ** 63) throw new RangeError('integer too long');
    }
  }

  name(): string {
    const length = this.number();
    this.at += length;
    if (this.at > this.bytes.length) throw new RangeError('unexpected end of the module');
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  /** A reference type may carry a heap type behind its first byte. */
  valueType(): void {
    const type = this.byte();
    if (type === 0x63 || type === 0x64) this.number();
  }

  limits(): { flags: number; minimum: number; maximum: number | null } {
    const flags = this.number();
    const minimum = this.number();
    return { flags, minimum, maximum: (flags & HAS_MAXIMUM) !== 0 ? this.number() : null };
  }

  since(start: number): Uint8Array {
    return this.bytes.subarray(start, this.at);
  }
}

/** LEB128, as every unsigned integer of the format. */
export function encodeNumber(value: number): number[] {
  const out: number[] = [];
  do {
    const low = value % 128;
    value = Math.floor(value / 128);
    out.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return out;
}
