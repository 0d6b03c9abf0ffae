/** WASI preview 1: `random_get`. */
import { randomFillSync } from 'node:crypto';
import type { Family } from './host.ts';

/** What the runtimes give at once. */
const PIECE = 65_536;

export const random: Family = ({ memory }) => ({
  random_get(buffer: number, length: number) {
    const bytes = memory.bytes(buffer, length);
    // A copy, since neither runtime promises to fill views of WebAssembly memory.
    const piece = new Uint8Array(Math.min(PIECE, bytes.length));
    for (let at = 0; at < bytes.length; at += piece.length) {
      bytes.set(randomFillSync(piece).subarray(0, bytes.length - at), at);
    }
  },
});
