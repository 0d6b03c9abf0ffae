/** Output of a container as an iterable, from a response or a hijacked connection. */
import type { OutputFrame, OutputStream } from './client.ts';
import { Demultiplexer } from './demux.ts';

export interface OutputSource {
  /** Bytes as they come; leaving its loop closes the connection. Called once. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
  /** The error to throw for one that the connection gave. */
  readonly explain: (error: unknown) => Error;
  /** The container has a terminal: no frames. */
  readonly tty: boolean;
  /** See {@link Demultiplexer}. */
  readonly whole: boolean;
}

export class Output implements OutputStream {
  readonly #source: OutputSource;

  constructor(source: OutputSource) {
    this.#source = source;
  }

  async *batches(): AsyncGenerator<readonly OutputFrame[]> {
    const { open, explain, tty, whole } = this.#source;
    const frames = new Demultiplexer({ whole });
    const chunks = (await open())[Symbol.asyncIterator]();
    try {
      while (true) {
        const next = await chunks.next().catch((error: unknown) => {
          throw explain(error);
        });
        if (next.done) break;
        const batch: readonly OutputFrame[] = tty
          ? [{ stream: 1, bytes: next.value }]
          : frames.push(next.value);
        if (batch.length > 0) yield batch;
      }
      frames.end();
    } finally {
      await chunks.return?.();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputFrame> {
    for await (const batch of this.batches()) yield* batch;
  }
}
