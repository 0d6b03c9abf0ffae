/** Frames, however the bytes are cut. */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demultiplexer } from '../../../runtime/docker/demux.ts';
import { DockerError, type OutputFrame } from '../../../runtime/docker/mod.ts';

function frame(stream: number, bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as string);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

function cut(bytes: Buffer, sizes: readonly number[], options: { whole?: boolean }): OutputFrame[] {
  const demultiplexer = new Demultiplexer(options);
  const frames: OutputFrame[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    // A buffer that is written over, as a socket's may be.
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    for (const { stream, bytes } of demultiplexer.push(chunk)) {
      frames.push({ stream, bytes: Buffer.from(bytes) });
    }
    chunk.fill(0xff);
    at += size;
  }
  demultiplexer.end();
  return frames;
}

describe('Demultiplexer', () => {
  const script = fc.array(
    fc.record({ stream: fc.constantFrom(1 as const, 2 as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
    { maxLength: 20 },
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 9 });

  it('gives back whole frames, whatever the chunks', () => {
    fc.assert(fc.property(script, sizes, (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ stream, bytes }) => frame(stream, bytes)));
      const seen = cut(bytes, cuts, { whole: true });
      const wanted = frames.filter((entry) => entry.bytes.length > 0);
      expect(seen.map(({ stream, bytes }) => [stream, ...bytes]))
        .toEqual(wanted.map(({ stream, bytes }) => [stream, ...bytes]));
    }));
  });

  it('gives the same bytes of each stream in pieces', () => {
    fc.assert(fc.property(script, sizes, (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ stream, bytes }) => frame(stream, bytes)));
      const seen = cut(bytes, cuts, {});
      const joined = (list: readonly OutputFrame[], stream: number) =>
        Buffer.concat(list.filter((entry) => entry.stream === stream).map((entry) => entry.bytes)).toString(
          'hex',
        );
      for (const stream of [1, 2]) expect(joined(seen, stream)).toBe(joined(frames, stream));
    }));
  });

  it('copies nothing where it need not', () => {
    const chunk = Buffer.concat([frame(1, 'abc'), frame(2, 'de')]);
    const frames = new Demultiplexer().push(chunk);
    expect(frames.map(({ bytes }) => bytes.buffer === chunk.buffer)).toEqual([true, true]);
  });

  it('passes on what has come of a long frame', () => {
    const header = Buffer.from([1, 0, 0, 0, 0x00, 0xff, 0xff, 0xff]);
    const demultiplexer = new Demultiplexer();
    expect(demultiplexer.push(header)).toEqual([]);
    expect(demultiplexer.push(Buffer.alloc(10))[0]!.bytes.length).toBe(10);
    expect(() => demultiplexer.end()).toThrow(/inside a frame/);
  });

  it("throws the engine's own words, and refuses what is no frame", () => {
    const words = () => new Demultiplexer().push(frame(3, 'No such container: x'));
    expect(words).toThrow(expect.objectContaining({ code: 'ContainerNotFound' }));
    expect(() => new Demultiplexer().push(Buffer.from('plain text of a terminal'))).toThrow(DockerError);
    const demultiplexer = new Demultiplexer();
    demultiplexer.push(Buffer.from([1, 0]));
    expect(() => demultiplexer.end()).toThrow(expect.objectContaining({ code: 'DataLoss' }));
  });
});
