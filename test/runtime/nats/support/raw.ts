/** A socket whose received bytes can be waited on. */
import net from 'node:net';

export interface RawClient {
  readonly socket: net.Socket;
  readonly text: () => string;
  readonly closed: () => boolean;
  send(text: string): void;
  /** Resolves when `done` holds, checked at each arrival and at the end. */
  until(done: () => boolean): Promise<void>;
}

export function rawClient(port: number): RawClient {
  const socket = net.connect(port, '127.0.0.1');
  let text = '';
  let closed = false;
  let wake = () => {};
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    wake();
  });
  return {
    socket,
    text: () => text,
    closed: () => closed,
    send: (line) => void socket.write(line, 'latin1'),
    async until(done) {
      while (!done()) {
        if (closed) throw new Error(`closed after: ${text}`);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
}
