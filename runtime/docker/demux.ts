/**
 * The multiplexed stream: frames of an eight byte header (stream, three zeros, big-endian length) and that many bytes.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
import { Buffer } from 'node:buffer';
import type { OutputFrame } from './client.ts';
import { DockerError, errorOfAnswer } from './errors.ts';

const HEADER = 8;
/** A record of a log driver is far shorter; more means that the stream is not framed at all. */
const MAX_WHOLE_FRAME = 16 * 2 ** 20;
const STDERR = 2;
/** The engine's own words about why the stream ends. */
const SYSTEM_ERROR = 3;

/**
 * Cuts chunks into frames without allocating: what it yields are views of the chunks. With `whole` each frame is one, put
 * together first when it came in pieces (records of a log). Without it the bytes are plain: neighbours of one stream are
 * moved together inside the chunk, so that what came at once is one piece; the chunk is its own from then on.
 */
export class Demultiplexer {
  readonly #whole: boolean;
  readonly #header = Buffer.alloc(HEADER);
  #headerBytes = 0;
  #stream = 0;
  /** Bytes of the current frame that have not come yet. */
  #missing = 0;
  #pieces: Uint8Array[] = [];

  constructor(options: { whole?: boolean } = {}) {
    this.#whole = options.whole ?? false;
  }

  /** @throws DockerError for a frame of the engine's own, or for bytes that are no frames */
  push(chunk: Uint8Array): OutputFrame[] {
    const frames: OutputFrame[] = [];
    // Plain bytes of one stream, moved together.
    let stream = 0;
    let from = 0;
    let to = 0;
    const flush = () => {
      if (to > from) frames.push(frameOf(stream, chunk.subarray(from, to)));
    };
    let at = 0;
    while (at < chunk.length) {
      if (this.#missing === 0) {
        at = this.#readHeader(chunk, at);
        if (this.#headerBytes < HEADER) break;
        this.#headerBytes = 0;
        continue;
      }
      const end = Math.min(at + this.#missing, chunk.length);
      this.#missing -= end - at;
      if (this.#whole || this.#stream === SYSTEM_ERROR) {
        const whole = this.#assemble(chunk.subarray(at, end));
        if (whole) frames.push(frameOf(this.#stream, whole));
      } else if (to > from && this.#stream === stream) {
        chunk.copyWithin(to, at, end);
        to += end - at;
      } else {
        flush();
        stream = this.#stream;
        from = at;
        to = end;
      }
      at = end;
    }
    flush();
    return frames;
  }

  /** @throws DockerError `DataLoss` when the stream may not end here */
  end(): void {
    if (this.#missing > 0 || this.#headerBytes > 0) {
      throw new DockerError('DataLoss', 'the output of the container ended inside a frame');
    }
  }

  /** Reads as much of a header as there is; returns where it stopped. */
  #readHeader(chunk: Uint8Array, at: number): number {
    let source: Uint8Array = chunk;
    let start = at;
    let next = at + HEADER;
    if (this.#headerBytes > 0 || next > chunk.length) {
      const count = Math.min(HEADER - this.#headerBytes, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + count), this.#headerBytes);
      this.#headerBytes += count;
      next = at + count;
      if (this.#headerBytes < HEADER) return next;
      source = this.#header;
      start = 0;
    }
    this.#headerBytes = HEADER;
    this.#stream = source[start]!;
    this.#missing = source[start + 4]! * 2 ** 24 +
      (source[start + 5]! << 16 | source[start + 6]! << 8 | source[start + 7]!);
    const zeros = source[start + 1]! | source[start + 2]! | source[start + 3]!;
    if (this.#stream > SYSTEM_ERROR || zeros !== 0 || this.#missing > MAX_WHOLE_FRAME) {
      throw new DockerError('DataLoss', 'the output of the container is not framed; has it a terminal?');
    }
    return next;
  }

  /** The whole frame once its last piece is there. */
  #assemble(bytes: Uint8Array): Uint8Array | null {
    if (this.#missing > 0) {
      // The chunk's memory is the socket's; a piece kept for later must be our own.
      this.#pieces.push(Buffer.from(bytes));
      return null;
    }
    const whole = this.#pieces.length > 0 ? Buffer.concat([...this.#pieces, bytes]) : bytes;
    this.#pieces = [];
    if (this.#stream === SYSTEM_ERROR) {
      throw errorOfAnswer(Buffer.from(whole).toString('utf8').trim());
    }
    return whole;
  }
}

function frameOf(stream: number, bytes: Uint8Array): OutputFrame {
  return { stream: stream === STDERR ? 2 : 1, bytes };
}
