/** The hijacked connection of `attach`: after the switch both ways carry raw bytes. */
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { readChunks } from './read_chunks.ts';
import type { Attached } from './client.ts';
import { Output } from './output.ts';
import type { Call, Transport } from './transport.ts';

export async function attach(transport: Transport, call: Call, tty: boolean): Promise<Attached> {
  const { socket, head } = await transport.hijack(call);
  return new Attachment(transport, call, socket, head, tty);
}

class Attachment extends Output implements Attached {
  readonly #transport: Transport;
  readonly #call: Call;
  readonly #socket: Duplex;
  #failed: Error | undefined;

  constructor(transport: Transport, call: Call, socket: Duplex, head: Uint8Array, tty: boolean) {
    super({
      open: () => Promise.resolve(this.#chunks(head)),
      explain: (error) => transport.explain(error, call),
      tty,
      whole: false,
    });
    this.#transport = transport;
    this.#call = call;
    this.#socket = socket;
    // Kept for the reader and the writer; without a listener it would end the process.
    socket.on('error', (error) => this.#failed = error);
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((done, failed) =>
      this.#socket.write(bytes, (error) => {
        if (error) failed(this.#transport.explain(this.#failed ?? error, this.#call));
        else done();
      })
    );
  }

  endInput(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  async *#chunks(head: Uint8Array): AsyncGenerator<Uint8Array> {
    // What came with the switch is output already, and it would be lost.
    if (head.length > 0) yield Buffer.from(head);
    yield* readChunks(this.#socket);
    // A socket that was destroyed ends like any other under Bun.
    if (this.#call.signal?.aborted) throw this.#transport.explain(undefined, this.#call);
  }
}
