/** The guest's memory as host functions see it. Views are made anew when the memory has grown. */

import { Errno, WasiError } from './errno.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `IOV_MAX` of Linux. */
const MAX_BUFFERS = 1024;

/** `PATH_MAX` of Linux, its zero byte included. Without it a guest could make us walk, and hold, gigabytes. */
const MAX_PATH = 4096;

/** Integers are little-endian; each access beyond the memory throws RangeError, which the guest sees as EFAULT. */
export class GuestMemory {
  #memory: WebAssembly.Memory | null = null;
  #view = new DataView(new ArrayBuffer(0));
  #bytes = new Uint8Array(0);

  attach(memory: WebAssembly.Memory | null): void {
    this.#memory = memory;
  }

  get view(): DataView {
    this.#refresh();
    return this.#view;
  }

  /**
   * Before something is done that cannot be undone.
   * @param length not negative, and maybe more than 32 bits
   * @throws RangeError unless all of it is memory
   */
  check(pointer: number, length: number): void {
    this.#refresh();
    if ((pointer >>> 0) + length > this.#bytes.length) {
      throw new RangeError('outside the guest memory');
    }
  }

  /** A view of guest memory: valid until the guest runs again. */
  bytes(pointer: number, length: number): Uint8Array {
    const [start, size] = [pointer >>> 0, length >>> 0];
    this.check(start, size);
    return this.#bytes.subarray(start, start + size);
  }

  /** A path or the target of a link. @throws WasiError ENAMETOOLONG, EILSEQ when the bytes are not UTF-8 */
  path(pointer: number, length: number): string {
    const bytes = this.bytes(pointer, length);
    if (bytes.length >= MAX_PATH) throw new WasiError(Errno.nametoolong);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new WasiError(Errno.ilseq);
    }
  }

  setU8(pointer: number, value: number): void {
    this.view.setUint8(pointer >>> 0, value);
  }
  setU16(pointer: number, value: number): void {
    this.view.setUint16(pointer >>> 0, value, true);
  }
  setU32(pointer: number, value: number): void {
    this.view.setUint32(pointer >>> 0, value, true);
  }
  setU64(pointer: number, value: bigint): void {
    this.view.setBigUint64(pointer >>> 0, value, true);
  }

  /**
   * The buffers of a scatter/gather list, without empty ones. A pointer is looked at even where the length is 0.
   * @throws WasiError EINVAL for more buffers than a host takes, or more bytes than the result can tell
   */
  buffers(list: number, count: number): Uint8Array[] {
    if (count >>> 0 > MAX_BUFFERS) throw new WasiError(Errno.inval);
    const result: Uint8Array[] = [];
    let total = 0;
    const { view } = this;
    for (let index = 0; index < count >>> 0; index++) {
      const at = (list >>> 0) + index * 8;
      const buffer = this.bytes(view.getUint32(at, true), view.getUint32(at + 4, true));
      if (buffer.length > 0) result.push(buffer);
      total += buffer.length;
    }
    if (total > 0xffff_ffff) throw new WasiError(Errno.inval);
    return result;
  }

  /** Writes texts, each closed by a zero byte, and a table of pointers to them. */
  putStrings(table: number, buffer: number, texts: readonly string[]): void {
    let at = buffer >>> 0;
    texts.forEach((text, index) => {
      const bytes = encoder.encode(`${text}\0`);
      this.setU32((table >>> 0) + index * 4, at);
      this.bytes(at, bytes.length).set(bytes);
      at += bytes.length;
    });
  }

  #refresh(): void {
    const buffer = this.#memory?.buffer;
    if (buffer && buffer !== this.#bytes.buffer) {
      this.#bytes = new Uint8Array(buffer);
      this.#view = new DataView(buffer);
    }
  }
}

/** Bytes that {@link GuestMemory.putStrings} needs in its buffer. */
export function stringsSize(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + encoder.encode(text).length + 1, 0);
}
