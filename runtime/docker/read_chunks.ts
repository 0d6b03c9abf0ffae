/**
 * Reads a raw connection in large chunks. An engine hands a program's output on in pieces of a few KB, and to be woken for
 * each costs more than its bytes: while much comes in small pieces, they are left to gather for a moment.
 */
import type { Duplex } from 'node:stream';
import { addMemoryPressure } from '../memory_pressure.ts';
import { realWorld } from '../world.ts';

/** What is let gather: the program, or its engine, has to be given time to write it. */
const MOMENT_MS = 1;
/** A piece of more is worth being woken for. */
const SMALL_BYTES = 32_768;
/** So much comes without a pause: what short programs print is read at once. */
const PROMPT_BYTES = 262_144;

/**
 * The bytes as they come; nothing is read ahead of the caller. Leaving the loop destroys the socket.
 * @throws the socket's error; Error when it closes without an end
 */
export async function* readChunks(socket: Duplex): AsyncGenerator<Uint8Array, void, void> {
  const pieces: Uint8Array[] = [];
  let end: { readonly error?: Error | undefined } | null = null;
  let wake = () => {};
  const finish = (error?: Error) => {
    end ??= { error };
    wake();
  };
  socket.on('data', (piece: Uint8Array) => {
    socket.pause();
    pieces.push(piece);
    wake();
  });
  socket.once('end', () => finish());
  socket.once('error', finish);
  const closed = () => finish(new Error('the connection was closed'));
  socket.once('close', closed);
  if (socket.destroyed) closed();
  let total = 0;
  let sinceMoment = 0;
  try {
    for (;;) {
      let last = 0;
      for (let piece = pieces.shift(); piece; piece = pieces.shift()) {
        total += last = piece.length;
        sinceMoment++;
        yield piece;
        addMemoryPressure(piece.length);
      }
      if (end) break;
      // After a moment the first piece may be one that was on its way before, hence two.
      if (total > PROMPT_BYTES && last < SMALL_BYTES && sinceMoment > 1) {
        sinceMoment = 0;
        await realWorld.sleep(MOMENT_MS);
      }
      const come = new Promise<void>((resolve) => wake = resolve);
      socket.resume();
      if (pieces.length === 0 && !end) await come;
    }
    const { error } = end as { readonly error?: Error };
    if (error) throw error;
  } finally {
    socket.destroy();
  }
}
