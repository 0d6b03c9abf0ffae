/** One connection, bytes as they are, and all that comes back until the other side closes. */
import { connect, type NetConnectOpts } from 'node:net';

export function raw(
  at: NetConnectOpts,
  text: string | readonly string[],
  half = false,
  /** Ends the connection after so many milliseconds of silence; 0 = never. */
  silenceMs = 0,
): Promise<string> {
  return new Promise((resolve) => {
    const parts: Uint8Array[] = [];
    const [first = '', ...rest] = typeof text === 'string' ? [text] : text;
    const socket = connect({ ...at, allowHalfOpen: true });
    socket.setTimeout(silenceMs, () => socket.destroy());
    const all = () => Buffer.concat(parts).toString('latin1');
    socket.on('data', (bytes: Uint8Array) => {
      parts.push(bytes);
      const next = rest.shift();
      if (next !== undefined) socket.write(next);
    });
    socket.on('error', () => resolve(all()));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(all()));
    socket.write(first);
    if (half) socket.end();
  });
}
