/**
 * Gzip by several threads, as one member of independent blocks: any reader of gzip reads it. Each block is written in
 * whichever form pays: deflated at the fastest level, or as it is where a sample, or the block itself, does not shrink.
 * Slower levels cost more time than what they save takes on any link that this was tried with. Checksum and length are
 * counted in the same pass. The same bytes give the same output.
 */
import { Buffer } from 'node:buffer';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';
import { addMemoryPressure } from './memory_pressure.ts';

const BLOCK = 1 << 20;
const SAMPLE = 16 << 10;
/** What must be saved, of the sample, for the work to pay. */
const WORTH = 0.9;
/** The length of a stored block is a 16-bit number (RFC 1951, 3.2.4). */
const MAX_STORED = 0xffff;
/** No name, no time, no system (RFC 1952, 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** The last block, of nothing. */
const END = Buffer.from([3, 0]);

const deflate = promisify<Uint8Array, object, Buffer>(deflateRaw);
/** Ends a block on a whole byte and without reference to another, so that blocks can be put behind each other. */
const OPTIONS = { level: 1, finishFlush: constants.Z_FULL_FLUSH, chunkSize: BLOCK + 1024 };

export async function* gzip(from: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield HEADER;
  let checksum = 0;
  let length = 0;
  const waiting: Promise<Buffer>[] = [];
  for await (const block of blocks(from)) {
    checksum = crc32(block, checksum);
    length = (length + block.length) % 2 ** 32;
    waiting.push(pack(block));
    if (waiting.length > availableParallelism()) yield await waiting.shift()!;
    addMemoryPressure(2 * BLOCK);
  }
  for (const block of waiting) yield await block;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(length, 4);
  yield Buffer.concat([END, trailer]);
}

/** The same bytes in pieces of one size, the last one shorter. */
async function* blocks(from: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(BLOCK);
  let filled = 0;
  for await (const chunk of from) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < BLOCK) continue;
      yield block;
      block = Buffer.allocUnsafeSlow(BLOCK);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

async function pack(block: Buffer): Promise<Buffer> {
  const sample = block.subarray(block.length >> 1).subarray(0, SAMPLE);
  if ((await deflate(sample, OPTIONS)).length > sample.length * WORTH) return stored(block);
  const packed = await deflate(block, OPTIONS);
  return packed.length < block.length ? packed : stored(block);
}

function stored(block: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < block.length; at += MAX_STORED) {
    const part = block.subarray(at, at + MAX_STORED);
    const header = Buffer.alloc(5);
    header.writeUInt16LE(part.length, 1);
    header.writeUInt16LE(part.length ^ 0xffff, 3);
    parts.push(header, part);
  }
  return Buffer.concat(parts);
}
